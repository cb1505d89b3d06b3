// The generated COCO set: its statistics, its files, its determinism.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "cpu/rle.h"
#include "data/image.h"
#include "data/synth/mask_polygon.h"
#include "data/synth/mask_shape.h"
#include "data/synth/portable_math.h"
#include "data/synth/raster.h"
#include "data/synth/scene.h"
#include "data/synth_coco.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/temporary.h"

namespace {

namespace fs = std::filesystem;
using namespace az;
using namespace az::data;

cpu::Mask mask_from(const std::vector<std::string>& rows) {
  cpu::Mask mask{static_cast<int>(rows.size()), static_cast<int>(rows[0].size()), {}};
  for (const std::string& row : rows)
    for (const char c : row) mask.pixels.push_back(c == '#' ? 1 : 0);
  return mask;
}

nlohmann::json annotations(const fs::path& root, const std::string& part) {
  return nlohmann::json::parse(read_file(root / "annotations" / ("instances_" + part + "2017.json")));
}

}  // namespace

TEST_CASE("synth: portable functions agree with the library's") {
  for (int i = -4000; i <= 4000; ++i) {
    const double t = i / 1000.0;
    CAPTURE(t);
    CHECK(std::fabs(synth::sin_turns(static_cast<float>(t)) - std::sin(6.283185307179586 * t)) < 6e-6);
    CHECK(synth::portable_exp(t) == doctest::Approx(std::exp(t)).epsilon(1e-12));
    if (t > 0) CHECK(std::fabs(synth::portable_log(t) - std::log(t)) < 1e-12);
    const double y = std::sin(t * 3);
    const double x = std::cos(t * 3);
    const double turns = static_cast<double>(synth::angle_turns(static_cast<float>(y), static_cast<float>(x)));
    CHECK(std::fabs(turns - std::atan2(y, x) / 6.283185307179586) < 3e-4);
  }
  CHECK(synth::portable_pow(0, 0.5) == 0);
  CHECK(synth::angle_turns(0, 0) == 0);
}

TEST_CASE("synth: coverage of a polygon is its exact area, also cut by the picture") {
  const std::vector<synth::Point> square = {{1.25, 2.5}, {5.75, 2.5}, {5.75, 4.0}, {1.25, 4.0}};
  const synth::Coverage cover = synth::rasterise(square, 10, 10);
  double sum = 0;
  for (const float share : cover.share.values) sum += static_cast<double>(share);
  CHECK(sum == doctest::Approx(4.5 * 1.5));
  CHECK(cover.share.row(0)[0] == doctest::Approx(0.75 * 0.5));

  const std::vector<synth::Point> triangle = {{-6, -3}, {14, 5}, {2, 30}};
  const synth::Coverage cut = synth::rasterise(triangle, 9, 12);
  CHECK(cut.box.width == 9);
  // By points: 20 x 20 samples a pixel, the half planes of the three edges.
  for (int y = 0; y < cut.box.height; ++y)
    for (int x = 0; x < cut.box.width; ++x) {
      int inside = 0;
      for (int k = 0; k < 400; ++k) {
        const double px = x + (k % 20 + 0.5) / 20;
        const double py = cut.box.y + y + (k / 20 + 0.5) / 20;
        bool in = true;
        for (size_t e = 0; e < 3; ++e) {
          const auto& p = triangle[e];
          const auto& q = triangle[(e + 1) % 3];
          in = in && (q.x - p.x) * (py - p.y) - (q.y - p.y) * (px - p.x) >= 0;
        }
        inside += in;
      }
      CAPTURE(x);
      CAPTURE(y);
      CHECK(std::fabs(cut.share.row(y)[x] - inside / 400.0) < 0.05);
    }
  CHECK(synth::rasterise(std::vector<synth::Point>{{-5, -5}, {-2, -5}, {-3, -1}}, 9, 9).box.width == 0);
}

TEST_CASE("synth: parts and hulls of masks") {
  cpu::Mask mask = mask_from({"##...#", "##..#.", ".....#", "#....."});
  CHECK(synth::mask_parts(mask).size() == 3);
  CHECK(synth::keep_parts(mask, 2) == 2);
  CHECK(mask == mask_from({"##...#", "##..#.", ".....#", "......"}));
  CHECK(synth::keep_parts(mask, 4) == 1);
  CHECK(synth::mask_area(mask) == 4);
  // A 2 x 2 square less a triangle of 1/8 at each corner.
  CHECK(synth::hull_area(mask) == doctest::Approx(3.5));
  CHECK(synth::hull_area(mask_from({"...", "..."})) == 0);
}

TEST_CASE("synth: polygons along pixel edges rasterise to the mask, holes and corners included") {
  const std::vector<cpu::Mask> masks = {
      mask_from({"#"}), mask_from({"#.#", ".#.", "#.#"}), mask_from({"#####", "#...#", "#.#.#", "#...#", "#####"}),
      mask_from({"####..", "#..#.#", "####..", "..####", "#.#.#.", "..###."}), mask_from({"..", ".#"})};
  for (const cpu::Mask& mask : masks) {
    const cpu::Rle back = cpu::rle_from_polygons(synth::mask_polygons(mask), static_cast<uint32_t>(mask.height),
                                                 static_cast<uint32_t>(mask.width));
    CHECK(cpu::rle_decode(back) == mask);
  }
}

TEST_CASE("synth: a set is what it promises") {
  test::TemporaryFolder folder;
  SynthCocoOptions options;
  options.out = folder.path() / "set";
  options.train = 150;
  options.val = 2;
  options.workers = 2;
  const SynthCocoSummary summary = write_synth_coco(options);
  const SynthStatistics& s = summary.train;
  CHECK(s.pictures == 150);
  const auto share = [&](int64_t n) { return static_cast<double>(n) / static_cast<double>(s.objects); };
  for (const int64_t range : s.ranges) CHECK(share(range) >= 0.2);
  CHECK(share(s.concave) >= 0.3);
  CHECK(share(s.multi_part) >= 0.1);
  CHECK(share(s.occluded) >= 0.3);
  for (const int64_t kind : s.kinds) CHECK(share(kind) >= 0.08);
  for (size_t n = 0; n < 9; ++n) CHECK((s.pictures_with[n] > 0) == (n >= 3));

  const nlohmann::json json = annotations(options.out, "train");
  CHECK(json["categories"].size() == 6);
  CHECK(json["images"].size() == 150);
  CHECK(static_cast<int64_t>(json["annotations"].size()) == s.objects);
}

TEST_CASE("synth: annotations are the painted masks, in both forms") {
  test::TemporaryFolder folder;
  SynthCocoOptions options;
  options.train = 0;
  options.val = 6;
  for (const bool polygons : {false, true}) {
    options.out = folder.path() / (polygons ? "polygons" : "runs");
    options.polygons = polygons;
    write_synth_coco(options);
    const nlohmann::json json = annotations(options.out, "val");
    size_t next = 0;
    for (const auto& picture : json["images"]) {
      const int id = picture["id"];
      const synth::Scene scene = synth::draw_scene(1, static_cast<uint64_t>(id));
      const Image image = read_image(options.out / "val2017" / picture["file_name"].get<std::string>());
      CHECK(image.width == scene.image.width);
      CHECK(image.height == scene.image.height);
      for (const synth::SceneObject& object : scene.objects) {
        const auto& a = json["annotations"].at(next++);
        CAPTURE(id);
        CHECK(a["image_id"] == id);
        CHECK(a["category_id"] == static_cast<int>(object.kind) + 1);
        const auto h = static_cast<uint32_t>(image.height);
        const auto w = static_cast<uint32_t>(image.width);
        const cpu::Rle rle =
            polygons ? cpu::rle_from_polygons(a["segmentation"].get<std::vector<std::vector<double>>>(), h, w)
                     : cpu::rle_from_string(a["segmentation"]["counts"].get<std::string>(), h, w);
        CHECK(cpu::rle_decode(rle) == object.mask);
        CHECK(a["area"] == synth::mask_area(object.mask));
        CHECK(a["bbox"].get<std::array<double, 4>>() == cpu::rle_box(rle));
      }
    }
    CHECK(next == json["annotations"].size());
  }
}

TEST_CASE("synth: the same bytes twice and for any number of workers; other seeds differ") {
  test::TemporaryFolder folder;
  const auto write = [&](const std::string& name, int workers, uint64_t seed) {
    SynthCocoOptions options;
    options.out = folder.path() / name;
    options.train = 7;
    options.val = 3;
    options.workers = workers;
    options.seed = seed;
    write_synth_coco(options);
    std::string all;
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(options.out))
      if (entry.is_regular_file()) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) all += file.filename().string() + read_file(file);
    return all;
  };
  const std::string one = write("one", 1, 1);
  CHECK(one == write("again", 1, 1));
  CHECK(one == write("two", 2, 1));
  CHECK(one == write("many", 5, 1));
  CHECK(one != write("other", 1, 2));
}

TEST_CASE("synth: a folder with something in it is left alone unless forced") {
  test::TemporaryFolder folder;
  SynthCocoOptions options;
  options.out = folder.path();
  options.train = 1;
  options.val = 0;
  write_file(folder.path() / "mine.txt", "x");
  CHECK_THROWS_WITH_AS(write_synth_coco(options),
                       doctest::Contains("not empty; name another folder, or overwrite with --force"), Error);
  options.force = true;
  write_synth_coco(options);
  CHECK(read_file(folder.path() / "mine.txt") == "x");
  options.out = folder.path() / "mine.txt";
  CHECK_THROWS_WITH_AS(write_synth_coco(options), doctest::Contains("mine.txt: not a folder"), Error);
  options.train = -1;
  CHECK_THROWS_WITH_AS(write_synth_coco(options), doctest::Contains("-1 training pictures"), Error);
}
