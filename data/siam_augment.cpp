#include "data/siam_augment.h"

#include <algorithm>
#include <cmath>

#include "cpu/warp.h"
#include "tensor/error.h"

namespace az::data {
namespace {

constexpr int kMaxBlur = 45;

/// The index of a row that is continued by reflection without its edge.
int reflected(int i, int count) {
  if (count == 1) return 0;
  const int period = 2 * (count - 1);
  i = std::abs(i) % period;
  return i < count ? i : period - i;
}

/// A side of the window around `middle`: stretched, then moved by `shift`, but not out of 0..last.
void stretch(double middle, double side, double scale, double shift, int picture_side, double& low, double& high) {
  const double half = side * std::min(scale, picture_side / side) / 2;
  low = middle - half;
  high = middle + half;
  const double move = std::max(-low, std::min(picture_side - 1 - high, shift));
  low += move;
  high += move;
}

cpu::Affine window_map(const SiamWindow& window, int side) {
  const CornerBox& w = window.corners;
  return {(w.x2 - w.x1) / (side - 1), 0, w.x1, 0, (w.y2 - w.y1) / (side - 1), w.y1};
}

}  // namespace

SiamDraws draw_siam_window(Rng& rng) {
  SiamDraws draws;
  draws.shift_x = rng.uniform(-1, 1);
  draws.shift_y = rng.uniform(-1, 1);
  draws.scale_x = rng.uniform(-1, 1);
  draws.scale_y = rng.uniform(-1, 1);
  return draws;
}

SiamWindow siam_window(int picture_side, int side, const SiamAugment& augment, const SiamDraws& draws) {
  AZ_CHECK(side >= 2 && side <= picture_side && augment.scale >= 0 && augment.scale < 1 && augment.shift >= 0,
           "siam_window: {} pixels of {}, shifted by up to {} and stretched by up to {}", side, picture_side,
           augment.shift, augment.scale);
  SiamWindow window;
  window.scale_x = 1 + augment.scale * draws.scale_x;
  window.scale_y = 1 + augment.scale * draws.scale_y;
  const double middle = picture_side / 2;  // of whole pixels, as the reference divides
  CornerBox& c = window.corners;
  stretch(middle, side - 1, window.scale_x, augment.shift * draws.shift_x, picture_side, c.x1, c.x2);
  stretch(middle, side - 1, window.scale_y, augment.shift * draws.shift_y, picture_side, c.y1, c.y2);
  return window;
}

CornerBox siam_box(const SiamWindow& window, const CornerBox& box) {
  const CornerBox& w = window.corners;
  return {(box.x1 - w.x1) / window.scale_x, (box.y1 - w.y1) / window.scale_y, (box.x2 - w.x1) / window.scale_x,
          (box.y2 - w.y1) / window.scale_y};
}

CornerBox box_in_crop511(double width, double height) {
  const double scale = kExemplarSide / exemplar_extent(width, height);
  const double middle = kCropSide / 2, w = width * scale, h = height * scale;
  return {middle - w / 2, middle - h / 2, middle + w / 2, middle + h / 2};
}

std::optional<CrossBlur> draw_blur(double probability, Rng& rng) {
  if (!rng.chance(probability)) return std::nullopt;
  const int size = 2 * static_cast<int>(std::rint(rng.normal())) + 1;
  if (size < 0 || rng.chance(0.5)) return std::nullopt;
  return CrossBlur{std::min(size, kMaxBlur), rng.uniform()};
}

void apply_blur(const CrossBlur& blur, int side, std::vector<float>& picture) {
  const int reach = blur.size / 2;
  const auto down = static_cast<float>(blur.column / blur.size);
  const auto across = static_cast<float>((1 - blur.column) / blur.size);
  const std::vector<float> source = picture;
  const auto at = [&](int x, int y) { return source.data() + (ptrdiff_t{y} * side + x) * 3; };
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      std::array<float, 3> column{}, row{};
      for (int k = -reach; k <= reach; ++k) {
        const float* const above = at(x, reflected(y + k, side));
        const float* const beside = at(reflected(x + k, side), y);
        for (size_t c = 0; c < 3; ++c) column[c] += above[c], row[c] += beside[c];
      }
      float* const to = picture.data() + (ptrdiff_t{y} * side + x) * 3;
      for (size_t c = 0; c < 3; ++c) to[c] = down * column[c] + across * row[c];
    }
  }
}

std::array<float, 3> draw_colour_offset(Rng& rng) {
  // The reference's "rgbVar": principal directions of colour times their spread.
  constexpr double kSpread[3][3] = {{-0.55919361, 0.98062831, -0.41940627},
                                    {1.72091413, 0.19879334, -1.82968581},
                                    {4.64467907, 4.73710203, 4.88324118}};
  std::array<double, 3> n{};
  for (double& value : n) value = rng.normal();
  std::array<float, 3> offset{};
  for (size_t c = 0; c < 3; ++c)
    offset[2 - c] = static_cast<float>(kSpread[c][0] * n[0] + kSpread[c][1] * n[1] + kSpread[c][2] * n[2]);
  return offset;
}

Image to_grey(const Image& picture) {
  AZ_CHECK(picture.channels == 3, "to_grey: {} channels, want 3", picture.channels);
  // 0.299, 0.587 and 0.114 in 15 bits.
  constexpr int kRed = 9798, kGreen = 19235, kBlue = 3735;
  Image grey(picture.width, picture.height, 1);
  const uint8_t* from = picture.pixels.data();
  for (uint8_t& value : grey.pixels) {
    value = static_cast<uint8_t>((kRed * from[0] + kGreen * from[1] + kBlue * from[2] + (1 << 14)) >> 15);
    from += 3;
  }
  return grey;
}

std::vector<float> siam_pixels(const Image& picture, const SiamWindow& window, int side,
                               const std::array<float, 3>& offset) {
  AZ_CHECK(picture.channels == 1 || picture.channels == 3, "siam_pixels: {} channels, want 1 or 3", picture.channels);
  const size_t pixels = static_cast<size_t>(side) * static_cast<size_t>(side);
  std::vector<uint8_t> warped(pixels * static_cast<size_t>(picture.channels));
  cpu::warp_exact(picture.view(), window_map(window, side), side, side, {}, warped.data());
  std::vector<float> out(pixels * 3);
  for (size_t i = 0; i < pixels; ++i)
    for (size_t c = 0; c < 3; ++c) {
      const uint8_t value = picture.channels == 1 ? warped[i] : warped[3 * i + (2 - c)];
      out[3 * i + c] = static_cast<float>(value) - offset[c];
    }
  return out;
}

std::vector<int8_t> siam_mask(const Image& mask, const SiamWindow& window, int side) {
  Image ones(mask.width, mask.height, 1);
  const size_t step = static_cast<size_t>(mask.channels);
  for (size_t i = 0; i < ones.pixels.size(); ++i) ones.pixels[i] = mask.pixels[i * step] != 0 ? 1 : 0;
  std::vector<float> share(static_cast<size_t>(side) * static_cast<size_t>(side));
  cpu::warp_exact(ones.view(), window_map(window, side), side, side, {}, share.data());
  std::vector<int8_t> out(share.size());
  std::ranges::transform(share, out.begin(), [](float v) { return static_cast<int8_t>(v > 0.5F ? 1 : -1); });
  return out;
}

CornerBox mirror(int side, const CornerBox& box) { return {side - 1 - box.x2, box.y1, side - 1 - box.x1, box.y2}; }

}  // namespace az::data
