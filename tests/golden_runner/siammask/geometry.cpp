// Crops and rotated rectangles.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "cpu/contour.h"
#include "cpu/rotated_rect.h"
#include "cpu/square_crop.h"
#include "data/image.h"
#include "tests/golden_runner/siammask/kinds.h"
#include "tests/support/golden_polygon.h"

namespace az::golden::siammask {
namespace {

using nlohmann::json;

/// Bits, first pixel highest, as one byte a pixel.
std::vector<uint8_t> unpacked(const uint8_t* bytes, size_t count) {
  std::vector<uint8_t> pixels(count);
  for (size_t i = 0; i < count; ++i) pixels[i] = bytes[i / 8] >> (7 - i % 8) & 1;
  return pixels;
}

/// A mask's figures, as far as the reference has them.
void check_mask(Case& c, const json& item, size_t index, const cpu::MaskView& mask) {
  constexpr double kLeastArea = 100;  // px^2, of a contour that counts
  const std::string path = "masks." + std::to_string(index);
  int64_t pixels = 0;
  for (int i = 0; i < mask.width * mask.height; ++i) pixels += mask.pixels[i];
  // The reference lists contours from the last found to the first.
  std::vector<double> areas;
  for (const auto& contour : cpu::outer_contours(mask)) areas.insert(areas.begin(), cpu::contour_area(contour));
  const cpu::ObjectShape shape = cpu::describe(mask);
  const bool used = shape.area > kLeastArea;
  c.check_json(path + ".pixels", pixels);
  c.check_json(path + ".contours", areas.size());
  auto expected = item.at("areas").get<std::vector<double>>();
  if (areas.size() == expected.size() && areas != expected) {
    // Versions differ in the order of contours.
    std::ranges::sort(areas);
    std::ranges::sort(expected);
    c.mark_checked("@" + path + ".areas");
    if (areas != expected) c.report().fail(path + ".areas: other areas than the reference's");
  } else {
    c.check_json(path + ".areas", areas);
  }
  c.check_json(path + ".used", used);
  if (!used || !item.at("used").get<bool>()) return;
  const cpu::RotatedRect rect = cpu::RectFinder().smallest(shape.contour);
  c.check_json(path + ".contour_points", shape.contour.size());
  c.check_json(path + ".rect_area", rect.area());
  int left = mask.width, right = -1, top = mask.height, bottom = -1;
  for (const cpu::Point& p : shape.contour) {
    left = std::min(left, p.x), right = std::max(right, p.x);
    top = std::min(top, p.y), bottom = std::max(bottom, p.y);
  }
  c.check_json(path + ".bounding", std::array{left, top, right - left + 1, bottom - top + 1});
  check_polygon(c, path + ".corners", {rect.corners.begin(), rect.corners.end()});
  for (const char* informative : {".center", ".wh", ".angle"}) c.mark_checked("@" + path + informative);
}

}  // namespace

void run_rotated_rect(const std::filesystem::path& file, Report& report) {
  Case c(file, report);
  const int width = c.json().at("mask_wh").at(0), height = c.json().at("mask_wh").at(1);
  const auto packed = c.values<uint8_t>("masks");
  const size_t bytes = static_cast<size_t>(c.tensor("masks").shape.at(1));
  size_t index = 0;
  for (const json& item : c.json().at("masks")) {
    const auto pixels =
        unpacked(&packed[item.at("k").get<size_t>() * bytes], static_cast<size_t>(width) * static_cast<size_t>(height));
    check_mask(c, item, index++, {pixels.data(), height, width, width});
  }
  c.finish();
}

void run_subwindow(const std::filesystem::path& file, Report& report) {
  Case c(file, report);
  const Array& stored = c.tensor("image");
  data::Image image(static_cast<int>(stored.shape.at(1)), static_cast<int>(stored.shape.at(0)));
  image.pixels = c.values<uint8_t>("image");
  const auto mean = c.json().at("avg_chans").get<std::array<double, 3>>();
  const auto own_mean = cpu::mean_colour(image.view());
  for (size_t channel = 0; channel < 3; ++channel)
    if (std::abs(mean[channel] - own_mean[channel]) > 1e-9) report.fail("avg_chans: another mean colour");
  cpu::SquareCropper cropper;
  size_t index = 0;
  for (const json& item : c.json().at("cases")) {
    const int size = item.at("model_sz");
    cpu::SquareCrop place{item.at("pos_xy").at(0), item.at("pos_xy").at(1), item.at("original_sz"), size};
    for (size_t channel = 0; channel < 3; ++channel) place.fill[channel] = static_cast<uint8_t>(own_mean[channel]);
    std::vector<float> crop(static_cast<size_t>(size) * static_cast<size_t>(size) * 3);
    cropper.crop(image.view(), place, crop.data());
    // The stored picture is B, G, R already, and the crop exchanged the channels.
    std::array<double, 3> sums{};
    for (size_t i = 0; i < crop.size(); i += 3) {
      std::swap(crop[i], crop[i + 2]);
      for (size_t channel = 0; channel < 3; ++channel) sums[channel] += static_cast<double>(crop[i + channel]);
    }
    for (double& sum : sums) sum /= static_cast<double>(size) * size;
    c.check_samples("crop." + item.at("i").dump(), crop);
    c.check_json("cases." + std::to_string(index++) + ".channel_mean", sums);
  }
  c.finish();
}

}  // namespace az::golden::siammask
