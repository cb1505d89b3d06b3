#include "cpu/mask_paste.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

AZ_SIMD void blend_rows(const float* upper, const float* lower, float weight, int count, float* out) {
  for (int i = 0; i < count; ++i) out[i] = upper[i] + (lower[i] - upper[i]) * weight;
}

AZ_SIMD void compare(const float* values, float threshold, size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; ++i) out[i] = values[i] > threshold ? 1 : 0;
}

}  // namespace

int MaskPaster::taps(double start, double scale, int size, int pixels, std::vector<Tap>& out) {
  const double stretch = pixels > 1 ? static_cast<double>(pixels) / (pixels - 1) : 1.0;
  const auto position = [&](int i) { return scale * (i * stretch - start); };
  // Positions above -1 and below `size` see the mask. A pixel of slack, for the bounds are divided and not multiplied.
  const auto bound = [&](double u) {
    return static_cast<int>(std::clamp((u / scale + start) / stretch, 0.0, static_cast<double>(pixels)));
  };
  int first = std::max(bound(-1) - 1, 0);
  while (first < pixels && position(first) <= -1) ++first;
  out.clear();
  for (int i = first; i < pixels && position(i) < size; ++i) {
    const double u = position(i), below = std::floor(u);
    out.push_back({static_cast<int>(below) + 1, static_cast<float>(u - below)});
  }
  return first;
}

void MaskPaster::paste(const float* logits, int size, const MaskPlace& place, int width, int height, PastedMask& out) {
  AZ_CHECK(size >= 1 && width >= 1 && height >= 1, "mask paste: a mask of side {} into {} x {} pixels", size, width,
           height);
  AZ_CHECK(std::isfinite(place.x) && std::isfinite(place.y) && std::isfinite(place.side) && place.side > 0,
           "mask paste: a mask at ({}, {}) with side {}", place.x, place.y, place.side);
  const int padded = size + 2;
  padded_.assign(static_cast<size_t>(padded) * static_cast<size_t>(padded), -1.0F);
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x)
      padded_[static_cast<size_t>((y + 1) * padded + x + 1)] = 1 / (1 + std::exp(-logits[y * size + x]));
  const double scale = size / place.side;
  out.window.x = taps(place.x, scale, size, width, columns_);
  out.window.y = taps(place.y, scale, size, height, rows_);
  out.window.width = static_cast<int>(columns_.size());
  out.window.height = static_cast<int>(rows_.size());
  if (columns_.empty() || rows_.empty()) out.window = {};
  out.values.resize(static_cast<size_t>(out.window.width) * static_cast<size_t>(out.window.height));
  row_.resize(static_cast<size_t>(padded));
  float* to = out.values.data();
  for (int y = 0; y < out.window.height; ++y) {
    const Tap row = rows_[static_cast<size_t>(y)];
    const float* upper = &padded_[static_cast<size_t>(row.first * padded)];
    blend_rows(upper, upper + padded, row.weight, padded, row_.data());
    for (const Tap& c : columns_) {
      const float left = row_[static_cast<size_t>(c.first)], right = row_[static_cast<size_t>(c.first) + 1];
      *to++ = left + (right - left) * c.weight;
    }
  }
}

void threshold_mask(const PastedMask& mask, float threshold, std::vector<uint8_t>& out) {
  out.resize(mask.values.size());
  compare(mask.values.data(), threshold, mask.values.size(), out.data());
}

}  // namespace az::cpu
