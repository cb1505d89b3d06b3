// Golden cases of the metrics: RLE and COCO (specs/metrics.md sections 1 and 2).
#include <fmt/printf.h>

#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "cpu/rle.h"
#include "eval/coco.h"
#include "tensor/error.h"
#include "tests/support/golden.h"

namespace {

using az::cpu::Box;
using az::cpu::Rle;
using az::golden::Case;
using az::golden::Kind;
using az::golden::Report;
using nlohmann::json;

// What the case holds of a mask: string, runs, area, box, and for some its rows of 0 and 1.
void check_mask(Case& test, const std::string& path, const json& expected, const Rle& own) {
  test.check_json(path + ".counts", az::cpu::rle_to_string(own));
  test.check_json(path + ".runs", own.counts);
  test.check_json(path + ".area", az::cpu::rle_area(own));
  test.check_json(path + ".bbox", az::cpu::rle_box(own, /*compat=*/true));
  const Rle decoded = az::cpu::rle_from_string(expected.at("counts").get<std::string>(), own.height, own.width);
  if (decoded != own) test.report().fail(path + ": its string decodes to other runs");
  if (!expected.contains("rows")) return;
  const az::cpu::Mask mask = az::cpu::rle_decode(own);
  std::vector<std::string> rows;
  for (int y = 0; y < mask.height; ++y) {
    rows.emplace_back();
    for (int x = 0; x < mask.width; ++x)
      rows.back().push_back(mask.pixels[static_cast<size_t>(y * mask.width + x)] ? '1' : '0');
  }
  test.check_json(path + ".rows", rows);
}

// The mask that the rows of 0 and 1 draw, encoded.
Rle encode_rows(const json& item) {
  az::cpu::Mask mask{item.at("h").get<int>(), item.at("w").get<int>(), {}};
  for (const auto& row : item.at("rows"))
    for (const char c : row.get<std::string>()) mask.pixels.push_back(c == '1' ? 1 : 0);
  return az::cpu::rle_encode(mask);
}

// Calls f(path, item, h, w) for the entries of a list; a list that the case lacks is a failure.
template <class F>
void for_items(Case& test, const std::string& list, const F& f) {
  size_t i = 0;
  for (const json& item : test.json().at(list)) {
    f(list + "." + std::to_string(i++), item, item.value("h", 0U), item.value("w", 0U));
  }
}

void check_polygons(Case& test) {
  for_items(test, "polygons", [&](const std::string& path, const json& item, uint32_t h, uint32_t w) {
    check_mask(test, path, item, az::cpu::rle_from_polygon(item.at("poly").get<std::vector<double>>(), h, w));
  });
  for_items(test, "multi_polygons", [&](const std::string& path, const json& item, uint32_t h, uint32_t w) {
    const auto parts = item.at("polys").get<std::vector<std::vector<double>>>();
    std::vector<Rle> masks;
    for (const auto& part : parts) masks.push_back(az::cpu::rle_from_polygon(part, h, w));
    check_mask(test, path + ".union", item.at("union"), az::cpu::rle_from_polygons(parts, h, w));
    check_mask(test, path + ".intersection", item.at("intersection"), az::cpu::rle_intersection(masks));
  });
  for_items(test, "box_to_mask", [&](const std::string& path, const json& item, uint32_t h, uint32_t w) {
    check_mask(test, path, item, az::cpu::rle_from_box(item.at("box").get<Box>(), h, w));
  });
}

void check_bitmaps(Case& test) {
  for_items(test, "masks", [&](const std::string& path, const json& item, uint32_t h, uint32_t w) {
    const Rle stored = az::cpu::rle_from_string(item.at("counts").get<std::string>(), h, w);
    check_mask(test, path, item,
               item.contains("rows") ? encode_rows(item) : az::cpu::rle_encode(az::cpu::rle_decode(stored)));
  });
  for_items(test, "zero_length_runs", [&](const std::string& path, const json& item, uint32_t h, uint32_t w) {
    check_mask(test, path, item, {h, w, item.at("runs").get<std::vector<uint32_t>>()});
    const Rle decoded = az::cpu::rle_from_string(item.at("counts").get<std::string>(), h, w);
    test.check_json(path + ".string_decodes_to", decoded.counts);
  });
}

template <class T, class F>
std::vector<std::vector<double>> iou_table(const std::vector<T>& detections, const std::vector<T>& objects,
                                           const std::vector<int>& crowd, const F& iou) {
  std::vector<std::vector<double>> table;
  for (const T& detection : detections) {
    table.emplace_back();
    for (size_t j = 0; j < objects.size(); ++j) table.back().push_back(iou(detection, objects[j], crowd.at(j) != 0));
  }
  return table;
}

void check_ious(Case& test) {
  for_items(test, "iou_masks", [&](const std::string& path, const json& item, uint32_t h, uint32_t w) {
    const auto masks = [&](const char* key) {
      std::vector<Rle> rles;
      for (const json& text : item.at(key)) rles.push_back(az::cpu::rle_from_string(text.get<std::string>(), h, w));
      return rles;
    };
    test.check_json(path + ".iou", iou_table(masks("dt"), masks("gt"), item.at("iscrowd"), az::cpu::rle_iou));
  });
  for_items(test, "iou_boxes", [&](const std::string& path, const json& item, uint32_t, uint32_t) {
    const auto boxes = [&](const char* key) { return item.at(key).get<std::vector<Box>>(); };
    test.check_json(path + ".iou", iou_table(boxes("dt"), boxes("gt"), item.at("iscrowd"), az::cpu::box_iou));
  });
}

void run_rle(const std::filesystem::path& file, Report& report) {
  Case test(file, report);
  check_polygons(test);
  check_bitmaps(test);
  check_ious(test);
  test.finish();
}

// As Python writes an exact double.
std::string hex_text(double value) { return value == 0 ? "0x0.0p+0" : fmt::sprintf("%.13a", value); }

json hex_texts(const std::array<double, 12>& values) {
  json texts = json::array();
  for (const double value : values) texts.push_back(hex_text(value));
  return texts;
}

json category_figures(const az::eval::CocoScores& scores) {
  json figures;
  for (const auto& c : scores.categories)
    figures[std::to_string(c.category_id)] = {{"AP", c.ap},        {"AP50", c.ap50},     {"AP75", c.ap75},
                                              {"APs", c.ap_small}, {"APm", c.ap_medium}, {"APl", c.ap_large},
                                              {"AR100", c.ar100}};
  return figures;
}

// The runs that coco/expected.json is about, by their names.
class CocoRuns {
 public:
  explicit CocoRuns(const std::filesystem::path& folder)
      : set_(az::data::read_coco(folder / "annotations.json")),
        boxes_(az::golden::load_json(folder / "results_bbox.json")),
        masks_(az::golden::load_json(folder / "results_segm.json")) {}

  az::eval::CocoScores run(const std::string& name) const {
    using az::eval::CocoType;
    if (name == "bbox") return score(boxes_, CocoType::bbox, true);
    if (name == "segm") return score(masks_, CocoType::segm, true);
    if (name == "bbox_nocats") return score(boxes_, CocoType::bbox, false);
    if (name == "segm_from_bbox_results") return score(boxes_, CocoType::segm, true);
    if (name == "segm_results_with_bbox_field") {
      json both = masks_;
      for (size_t i = 0; i < both.size(); ++i) both[i]["bbox"] = boxes_.at(i).at("bbox");
      return score(both, CocoType::segm, true);
    }
    az::fail("coco: this test does not know the run '{}'", name);
  }

 private:
  az::eval::CocoScores score(const json& results, az::eval::CocoType type, bool use_categories) const {
    const auto read = az::data::decode_coco_results(results.dump(), "results", set_);
    return az::eval::evaluate_coco(set_, read, {.type = type, .use_categories = use_categories});
  }

  az::data::CocoDataset set_;
  json boxes_, masks_;
};

void check_expected(const CocoRuns& runs, const std::filesystem::path& file, Report& report) {
  Case test(file, report);
  for (const auto& [name, expected] : test.json().at("expected").items()) {
    const std::string path = "expected." + name;
    if (name == "stats_order") {
      test.check_json(path, az::eval::kCocoStatNames);
      continue;
    }
    const az::eval::CocoScores scores = runs.run(name);
    const json own = {
        {"stats", scores.stats}, {"stats_hex", hex_texts(scores.stats)}, {"per_category", category_figures(scores)}};
    for (const auto& [key, value] : expected.items()) test.check_json(path + "." + key, own.value(key, json()));
  }
  test.finish();
}

// The entries at 100 detections of [..., limits].
std::vector<double> at_last_limit(const std::vector<double>& all) {
  std::vector<double> last;
  for (size_t i = az::eval::kCocoLimits - 1; i < all.size(); i += az::eval::kCocoLimits) last.push_back(all[i]);
  return last;
}

void check_curves(const CocoRuns& runs, const std::filesystem::path& file, Report& report) {
  Case test(file, report);
  for (const auto& [name, info] : test.json().at("tensors").items()) {
    const auto shape = info.at("shape").get<std::vector<int64_t>>();
    const size_t dot = name.find('.');
    const az::eval::CocoScores scores = runs.run(name.substr(0, dot));
    const std::string what = name.substr(dot + 1);
    if (what == "recall")
      test.check(name, scores.recall, shape);
    else if (what == "precision_maxdets100")
      test.check(name, at_last_limit(scores.precision), shape);
    else if (what == "scores_maxdets100")
      test.check(name, at_last_limit(scores.scores), shape);
  }
  test.finish();
}

void check_odd_rules(const std::filesystem::path& file, Report& report) {
  Case test(file, report);
  for_items(test, "cases", [&](const std::string& path, const json& item, uint32_t, uint32_t) {
    const auto set = az::data::decode_coco(item.at("gt").dump(), path);
    const auto results = az::data::decode_coco_results(item.at("dt").dump(), path, set);
    const bool boxes = item.at("type") == "bbox";
    const auto scores =
        az::eval::evaluate_coco(set, results, {.type = boxes ? az::eval::CocoType::bbox : az::eval::CocoType::segm});
    test.check_json(path + ".stats", scores.stats);
    test.check_json(path + ".stats_hex", hex_texts(scores.stats));
  });
  test.finish();
}

void run_coco(const std::filesystem::path& folder, Report& report) {
  const CocoRuns runs(folder);
  check_expected(runs, folder / "expected.json", report);
  check_curves(runs, folder / "curves.json", report);
  check_odd_rules(folder / "odd_rules.json", report);
}

void run_video(const std::filesystem::path&, Report&) { throw az::golden::Pending("video metrics"); }

}  // namespace

int main() {
  const std::array kinds = {Kind{"rle", run_rle}, Kind{"coco", run_coco}, Kind{"davis", run_video},
                            Kind{"ytvis", run_video}, Kind{"ytvos", run_video}};
  return az::golden::run("metrics", kinds);
}
