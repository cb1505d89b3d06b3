// COCO evaluation: what the golden tests (equal to pycocotools) do not say: options, threads, errors, real files.
#include "eval/coco.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "eval/coco_accumulate.h"
#include "tensor/error.h"
#include "tensor/rng.h"

namespace az::eval {
namespace {

const char* const kOneObject =
    R"({"images":[{"id":1,"width":100,"height":100}],"categories":[{"id":1,"name":"a"},{"id":2,"name":"b"}],
  "annotations":[{"id":0,"image_id":1,"category_id":1,"bbox":[10,10,40,40],"area":1600}]})";

CocoScores score(const data::CocoDataset& set, const std::string& results, const CocoOptions& options) {
  return evaluate_coco(set, data::decode_coco_results(results, "results", set), options);
}

// Many pictures with boxes and boxes near them.
struct Made {
  data::CocoDataset set;
  data::CocoResults results;
};

Made made_up(uint64_t seed) {
  Made made;
  Rng rng(seed, Purpose::test);
  for (int64_t k = 1; k <= 5; ++k) made.set.categories.push_back({k, "category", ""});
  for (int64_t i = 1; i <= 40; ++i) {
    made.set.images.push_back({i, 200, 150, ""});
    for (int64_t o = rng.integer(0, 6); o > 0; --o) {
      const cpu::Box box = {rng.uniform(0, 100), rng.uniform(0, 80), rng.uniform(5, 100), rng.uniform(5, 70)};
      const int64_t category = rng.integer(1, 5);
      made.set.annotations.push_back({static_cast<int64_t>(made.set.annotations.size()) + 1, i, category, box,
                                      box[2] * box[3], rng.chance(0.1), false,
                                      made.set.segmentations.add(cpu::rle_from_box(box, 150, 200))});
      for (int d = 0; d < 4; ++d) {
        cpu::Box near = box;
        for (double& v : near) v = std::max(1.0, v + rng.uniform(-8, 8));
        made.results.detections.push_back(
            {i, rng.chance(0.8) ? category : rng.integer(1, 6), std::round(rng.uniform() * 20) / 20, near, {}});
      }
    }
  }
  made.set.build_index();
  return made;
}

}  // namespace

TEST_CASE("coco: figures do not depend on the number of threads") {
  const Made made = made_up(3);
  for (const CocoType type : {CocoType::bbox, CocoType::segm}) {
    const CocoScores one = evaluate_coco(made.set, made.results, {.type = type, .threads = 1});
    CHECK(one.ap() > 0.05);
    for (const int threads : {2, 3, 7}) {
      const CocoScores more = evaluate_coco(made.set, made.results, {.type = type, .threads = threads});
      CHECK(more.stats == one.stats);
      CHECK(more.precision == one.precision);
      CHECK(more.recall == one.recall);
      CHECK(more.scores == one.scores);
    }
  }
}

TEST_CASE("coco: an object with id 0 is a false positive as in the reference, or a match if asked") {
  const auto set = data::decode_coco(kOneObject, "set");
  const std::string hit = R"([{"image_id":1,"category_id":1,"bbox":[10,10,40,40],"score":0.5}])";
  CHECK(score(set, hit, {.type = CocoType::bbox}).ap() == 0);
  CHECK(score(set, hit, {.type = CocoType::bbox, .id_zero_matches = true}).ap() == doctest::Approx(1));
}

TEST_CASE("coco: no detections score 0, and what has no objects -1") {
  const CocoScores none = score(data::decode_coco(kOneObject, "set"), "[]", {.type = CocoType::bbox});
  CHECK(none.ap() == 0);
  CHECK(none.stats[8] == 0);
  CHECK(none.stats[3] == -1);
  REQUIRE(none.categories.size() == 2);
  CHECK(none.categories[0].ap == 0);
  CHECK(none.categories[1].ap == -1);
  CHECK(coco_summary(none).find("Average Recall     (AR) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = -1.0000\n") !=
        std::string::npos);
  CHECK(coco_category_table(none).find("b ") != std::string::npos);
}

TEST_CASE("coco: masks that are not there are named") {
  const auto set = data::decode_coco(kOneObject, "set");
  CHECK_THROWS_WITH_AS(
      score(set, R"([{"image_id":1,"category_id":1,"bbox":[10,10,40,40],"score":0.5}])", {.threads = 4}),
      "coco: annotation 0 has no segmentation, which mask AP needs", Error);
}

TEST_CASE("coco: boxes too far away to be drawn are an error, not a crash") {
  auto made = made_up(1);
  made.results.detections.push_back(
      {made.set.annotations[0].image_id, made.set.annotations[0].category_id, 2, {0, 0, 1e200, 5}, {}});
  CHECK_THROWS_AS(evaluate_coco(made.set, made.results, {.type = CocoType::segm, .threads = 4}), Error);
  CHECK(evaluate_coco(made.set, made.results, {.type = CocoType::bbox}).ap() > 0);
}

TEST_CASE("pairwise_sum: numpy's order") {
  // 0.1 added plainly and in numpy's order differ; numpy 2.4: np.sum(np.full(n, 0.1)).
  CHECK(pairwise_sum({}) == 0);
  CHECK(pairwise_sum(std::vector<double>(7, 0.1)) == 0.7);
  CHECK(pairwise_sum(std::vector<double>(10, 0.1)) == 1.0);
  CHECK(pairwise_sum(std::vector<double>(1000, 0.1)) == 100.00000000000001);
  CHECK(pairwise_sum(std::vector<double>(131, 0.1)) == 13.099999999999998);
}

TEST_CASE("coco: the published figures of COCO's own example results") {
  const char* source = std::getenv("AZIMUTH_SOURCE");
  const auto folder = std::filesystem::path(source ? source : ".") / ".." / "shared" / "data" / "coco_eval100";
  if (!std::filesystem::exists(folder)) {
    MESSAGE("skipped: " << folder.string() << " is missing");
    return;
  }
  const auto set = data::read_coco(folder / "instances_val2014_100.json");
  const auto masks = data::read_coco_results(folder / "instances_val2014_fakesegm100_results.json", set);
  const auto boxes = data::read_coco_results(folder / "instances_val2014_fakebbox100_results.json", set);
  // pycocotools 2.0.11 on the same files.
  const std::array<double, 12> segm = {0.3195452758576433, 0.5622883972521636,  0.29892653412086784,
                                       0.3873740315997837, 0.31018272403369485, 0.3269339071005138,
                                       0.2682297225711534, 0.41544868114906375, 0.4168394992198818,
                                       0.4694498622754236, 0.37675922666197265, 0.3814715099715099};
  const std::array<double, 12> bbox = {0.5045806987249628, 0.6969727247299577, 0.5729816669904824,  0.5856257209410443,
                                       0.5193996948036719, 0.5013978986347466, 0.38681277964578054, 0.5936795762842003,
                                       0.595352982877607,  0.6398109626113442, 0.5664205978994309,  0.5642905982905982};
  CHECK(evaluate_coco(set, masks, {.type = CocoType::segm}).stats == segm);
  CHECK(evaluate_coco(set, boxes, {.type = CocoType::bbox}).stats == bbox);
}

}  // namespace az::eval
