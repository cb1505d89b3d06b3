// Training crops: crop511 and the geometry of the augmentation.
#include <nlohmann/json.hpp>

#include "data/crop511.h"
#include "data/siam_augment.h"
#include "tensor/error.h"
#include "tests/golden_runner/siammask/kinds.h"

namespace az::golden::siammask {
namespace {

using nlohmann::json;

data::CornerBox corner_box(const json& values) {
  return {values.at(0).get<double>(), values.at(1).get<double>(), values.at(2).get<double>(),
          values.at(3).get<double>()};
}

json to_json(const data::CornerBox& box) { return {box.x1, box.y1, box.x2, box.y2}; }

/// The channels the other way round: the cases are in OpenCV's B, G, R.
data::Image reversed(data::Image picture) {
  for (size_t i = 0; i < picture.pixels.size(); i += 3) std::swap(picture.pixels[i], picture.pixels[i + 2]);
  return picture;
}

}  // namespace

void run_crop511(const std::filesystem::path& file, Report& report) {
  Case c(file, report);
  const Array& stored = c.tensor("image");
  data::Image picture(static_cast<int>(stored.shape.at(1)), static_cast<int>(stored.shape.at(0)));
  picture.pixels = c.values<uint8_t>("image");
  c.mark_checked("image");
  picture = reversed(std::move(picture));
  for (size_t i = 0; i < c.json().at("cases").size(); ++i) {
    const json& item = c.json().at("cases").at(i);
    const auto kind = item.at("kind").get<std::string>();
    const auto extent = kind == "coco" ? data::BoxExtent::inclusive : data::BoxExtent::exclusive;
    const data::Image crop = reversed(data::crop511(picture, corner_box(item.at("box_x1y1x2y2")), extent));
    c.check_samples(fmt::format("{}.{}", kind, item.at("k").get<int>()), crop.pixels);
    std::array<double, 3> pad = data::mean_colour(picture), mean = data::mean_colour(crop);
    std::swap(pad[0], pad[2]);
    c.check_json(fmt::format("cases.{}.channel_mean", i), mean);
    c.check_json(fmt::format("cases.{}.pad", i), pad);
  }
  c.finish();
}

void run_augment_geometry(const std::filesystem::path& file, Report& report) {
  Case c(file, report);
  for (size_t i = 0; i < c.json().at("cases").size(); ++i) {
    const json& item = c.json().at("cases").at(i);
    const json& u = item.at("u");
    const data::SiamAugment augment{item.at("shift").get<double>(), item.at("scale").get<double>()};
    const data::SiamWindow window = data::siam_window(item.at("image").get<int>(), item.at("size").get<int>(), augment,
                                                      {u.at("shift_x").get<double>(), u.at("shift_y").get<double>(),
                                                       u.at("scale_x").get<double>(), u.at("scale_y").get<double>()});
    c.check_json(fmt::format("cases.{}.crop_box", i), to_json(window.corners));
    c.check_json(fmt::format("cases.{}.new_box", i), to_json(data::siam_box(window, corner_box(item.at("box")))));
  }
  c.finish();
}

}  // namespace az::golden::siammask
