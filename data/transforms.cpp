#include "data/transforms.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace az::data {
namespace {

std::vector<uint8_t> room(int width, int height) {
  return std::vector<uint8_t>(static_cast<size_t>(width) * static_cast<size_t>(height));
}

/// `mask` without what lies outside [0, width) x [0, height) after a shift by (-left, -top).
ObjectMask cut(const ObjectMask& mask, int left, int top, const ImageSize& window) {
  const int x1 = std::max(mask.part.x - left, 0);
  const int y1 = std::max(mask.part.y - top, 0);
  const int x2 = std::min(mask.part.x - left + mask.part.width, window.width);
  const int y2 = std::min(mask.part.y - top + mask.part.height, window.height);
  if (x1 >= x2 || y1 >= y2) return {};
  ObjectMask result{{x1, y1, x2 - x1, y2 - y1}, room(x2 - x1, y2 - y1)};
  const cpu::ImageView source{mask.pixels.data(), mask.part.width, mask.part.height, 1};
  cpu::padded_crop(source, x1 + left - mask.part.x, y1 + top - mask.part.y, x2 - x1, y2 - y1, {}, result.pixels.data());
  return result;
}

ObjectMask mirrored(const ObjectMask& mask, int width) {
  ObjectMask result{mask.part, std::vector<uint8_t>(mask.pixels.size())};
  result.part.x = width - mask.part.x - mask.part.width;
  cpu::flip_horizontal({mask.pixels.data(), mask.part.width, mask.part.height, 1}, result.pixels.data());
  return result;
}

float ratio(int resized, int original) { return static_cast<float>(static_cast<double>(resized) / original); }

}  // namespace

int64_t ObjectMask::count() const {
  return std::ranges::count_if(pixels, [](uint8_t p) { return p != 0; });
}

ObjectMask mask_from_runs(const cpu::Rle& runs) {
  const cpu::RunMask mask = cpu::run_mask(runs);
  if (mask.edges.empty()) return {};
  const uint32_t height = mask.height;
  uint32_t top = height - 1;
  uint32_t bottom = 0;
  for (size_t i = 0; i < mask.edges.size(); i += 2) {
    const uint32_t begin = mask.edges[i];
    const uint32_t last = mask.edges[i + 1] - 1;
    const bool one_column = begin / height == last / height;
    top = std::min(top, one_column ? begin % height : 0);
    bottom = std::max(bottom, one_column ? last % height : height - 1);
  }
  const uint32_t left = mask.edges.front() / height;
  const uint32_t right = (mask.edges.back() - 1) / height;
  const cpu::Rect part{static_cast<int>(left), static_cast<int>(top), static_cast<int>(right - left + 1),
                       static_cast<int>(bottom - top + 1)};
  ObjectMask result{part, room(part.width, part.height)};
  for (size_t i = 0; i < mask.edges.size(); i += 2) {
    uint32_t y = mask.edges[i] % height;
    size_t x = mask.edges[i] / height - left;
    for (uint32_t at = mask.edges[i]; at < mask.edges[i + 1]; ++at) {
      result.pixels[static_cast<size_t>(y - top) * static_cast<size_t>(part.width) + x] = 1;
      if (++y == height) {
        y = 0;
        ++x;
      }
    }
  }
  return result;
}

std::vector<uint8_t> mask_canvas(const ObjectMask& mask, int width, int height) {
  std::vector<uint8_t> canvas = room(width, height);
  cpu::padded_crop({mask.pixels.data(), mask.part.width, mask.part.height, 1}, -mask.part.x, -mask.part.y, width,
                   height, {}, canvas.data());
  return canvas;
}

ImageSize pick_scale(const ScaleRule& rule, Rng& rng) {
  AZ_CHECK(!rule.scales.empty(), "scale: none is given");
  if (!rule.range) {
    if (rule.scales.size() == 1) return rule.scales[0];
    return rule.scales[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(rule.scales.size()) - 1))];
  }
  AZ_CHECK(rule.scales.size() == 2, "scale: a range has two scales, {} are given", rule.scales.size());
  const auto between = [&](int a, int b) { return static_cast<int>(rng.integer(std::min(a, b), std::max(a, b))); };
  const ImageSize& a = rule.scales[0];
  const ImageSize& b = rule.scales[1];
  const int long_side = between(std::max(a.width, a.height), std::max(b.width, b.height));
  const int short_side = between(std::min(a.width, a.height), std::min(b.width, b.height));
  return {long_side, short_side};
}

Placement resize_placement(const ImageSize& picture, const ImageSize& scale, bool keep_ratio) {
  Placement placement;
  if (keep_ratio) {
    const double long_limit = std::max(scale.width, scale.height);
    const double short_limit = std::min(scale.width, scale.height);
    const double factor = std::min(long_limit / std::max(picture.width, picture.height),
                                   short_limit / std::min(picture.width, picture.height));
    const auto resized = [&](int side) { return std::max(static_cast<int>(side * factor + 0.5), 1); };
    placement.resized = {resized(picture.width), resized(picture.height)};
    placement.scale_x = placement.scale_y = static_cast<float>(factor);
  } else {
    placement.resized = scale;
    placement.scale_x = ratio(scale.width, picture.width);
    placement.scale_y = ratio(scale.height, picture.height);
  }
  placement.window = placement.resized;
  return placement;
}

int padded_size(int size, int divisor) { return divisor > 0 ? (size + divisor - 1) / divisor * divisor : size; }

Placement zoom_placement(const ImageSize& picture, const ImageSize& target, const ZoomRule& rule, Rng& rng) {
  const double zoom = std::exp(rng.uniform(std::log(rule.zoom_low), std::log(rule.zoom_high)));
  const double stretch = std::sqrt(rng.uniform(1 - rule.aspect, 1 + rule.aspect));
  const auto side = [](double length) { return std::max(static_cast<int>(std::lround(length)), 1); };
  const ImageSize resized{side(target.width * zoom * stretch), side(target.height * zoom / stretch)};
  Placement placement = resize_placement(picture, resized, false);
  const auto start = [&](int from, int window) {
    const int slack = from - window;
    return static_cast<int>(rng.integer(std::min(slack, 0), std::max(slack, 0)));
  };
  placement.left = start(resized.width, target.width);
  placement.top = start(resized.height, target.height);
  placement.window = target;
  return placement;
}

Image place_image(const Image& picture, const Placement& placement, const std::array<uint8_t, 4>& fill) {
  Image resized(placement.resized.width, placement.resized.height, picture.channels);
  cpu::resize_bilinear(picture.view(), resized.width, resized.height, resized.pixels.data());
  if (placement.left == 0 && placement.top == 0 && placement.window == placement.resized) return resized;
  Image window(placement.window.width, placement.window.height, picture.channels);
  cpu::padded_crop(resized.view(), placement.left, placement.top, window.width, window.height, fill,
                   window.pixels.data());
  return window;
}

BoxCorners place_box(const BoxCorners& box, const Placement& placement) {
  const auto shift_x = static_cast<float>(placement.left);
  const auto shift_y = static_cast<float>(placement.top);
  BoxCorners placed{box[0] * placement.scale_x - shift_x, box[1] * placement.scale_y - shift_y,
                    box[2] * placement.scale_x - shift_x, box[3] * placement.scale_y - shift_y};
  const auto width = static_cast<float>(placement.window.width);
  const auto height = static_cast<float>(placement.window.height);
  if (placement.flip) placed = {width - placed[2] - 1, placed[1], width - placed[0] - 1, placed[3]};
  return {std::clamp(placed[0], 0.0F, width - 1), std::clamp(placed[1], 0.0F, height - 1),
          std::clamp(placed[2], 0.0F, width - 1), std::clamp(placed[3], 0.0F, height - 1)};
}

PlacedMask place_mask(const ObjectMask& mask, const ImageSize& picture, const Placement& placement) {
  if (mask.pixels.empty()) return {{}, 0};
  const cpu::NearestResize sizes{picture.width, picture.height, placement.resized.width, placement.resized.height};
  ObjectMask resized{cpu::nearest_reach(mask.part, sizes), {}};
  resized.pixels = room(resized.part.width, resized.part.height);
  cpu::resize_nearest(mask.pixels.data(), mask.part, sizes, resized.part, resized.pixels.data());
  const int64_t before = resized.count();
  const bool whole = placement.left == 0 && placement.top == 0 && placement.window == placement.resized;
  if (!whole) resized = cut(resized, placement.left, placement.top, placement.window);
  if (placement.flip) resized = mirrored(resized, placement.window.width);
  return {std::move(resized), before};
}

}  // namespace az::data
