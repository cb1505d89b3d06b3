// Golden cases of the metrics: RLE and COCO (specs/metrics.md sections 1 and 2).
#include <array>
#include <nlohmann/json.hpp>

#include "cpu/rle.h"
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
    for (int x = 0; x < mask.width; ++x) rows.back().push_back(mask.pixels[static_cast<size_t>(y * mask.width + x)] ? '1' : '0');
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
    check_mask(test, path, item, item.contains("rows") ? encode_rows(item) : az::cpu::rle_encode(az::cpu::rle_decode(stored)));
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

void run_coco(const std::filesystem::path&, Report&) { throw az::golden::Pending("COCO evaluation"); }

void run_video(const std::filesystem::path&, Report&) { throw az::golden::Pending("video metrics"); }

}  // namespace

int main() {
  const std::array kinds = {Kind{"rle", run_rle}, Kind{"coco", run_coco}, Kind{"davis", run_video},
                            Kind{"ytvis", run_video}, Kind{"ytvos", run_video}};
  return az::golden::run("metrics", kinds);
}
