// Masks as run lengths, as pycocotools has them (specification: COCO API maskApi.c).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace az::cpu {

/// Column by column, background first.
struct Rle {
  uint32_t height = 0;
  uint32_t width = 0;
  std::vector<uint32_t> counts;

  bool operator==(const Rle&) const = default;
};

/// A binary mask, rows from the top, values 0 and 1.
struct Mask {
  int height = 0;
  int width = 0;
  std::vector<uint8_t> pixels;  // [height, width]

  bool operator==(const Mask&) const = default;
};

Rle rle_encode(const Mask& mask);
Mask rle_decode(const Rle& rle);
std::string rle_to_string(const Rle& rle);
Rle rle_from_string(std::string_view text, uint32_t height, uint32_t width);
/// Polygon parts [x0, y0, x1, y1, ...] rasterised and united (exactly as rleFrPoly and rleMerge).
Rle rle_from_polygons(std::span<const std::vector<double>> parts, uint32_t height, uint32_t width);

}  // namespace az::cpu
