// Masks as run lengths, as pycocotools 2.0.11 has them (specification: COCO API maskApi.c). Bit-parity with it needs
// doubles in the written order and no fused multiply-add, which the whole build is compiled without.
#pragma once

#include <array>
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

/// x, y of the upper left corner, width, height.
using Box = std::array<double, 4>;

/// Every byte but 0 is foreground. Error: the pixels are not height x width of them.
Rle rle_encode(const Mask& mask);
/// Runs as they are, zero-length ones included; what they leave over is background. Error: they exceed the picture, or
/// the picture has 2^31 pixels or more.
Mask rle_decode(const Rle& rle);

/// COCO's compressed form: differences to the run before the last, 5 bits a character.
std::string rle_to_string(const Rle& rle);
/// Error: a character outside '0'..'o', a text that stops within a number, or a run outside 0..2^32-1.
Rle rle_from_string(std::string_view text, uint32_t height, uint32_t width);
/// What is wrong with runs that should fill their picture exactly ("the runs cover 90 pixels of 100"); empty if
/// nothing.
std::string rle_problem(const Rle& rle);

/// The same from the picture's size and the pixels that all runs cover.
std::string runs_problem(uint32_t height, uint32_t width, uint64_t covered);

/// What a compressed text adds up to, without the runs themselves.
struct RunTotals {
  uint64_t covered = 0;              ///< pixels of all runs
  uint32_t area = 0;                 ///< foreground pixels, in 32 bits
  std::array<uint32_t, 4> box = {};  ///< as rle_box; means nothing where the runs exceed the picture
};
/// Error: as rle_from_string.
RunTotals run_totals(std::string_view text, uint32_t height);
/// Adds begin and end (exclusive) of the non-empty foreground runs, as RunMask has them. Error: as rle_from_string.
void append_edges(std::string_view text, std::vector<uint32_t>& edges);

/// The largest magnitude of a polygon's coordinate: five times it is still a 32-bit integer, as the reference needs.
constexpr double kMaxPolygonCoordinate = 4e8;

/// One polygon [x0, y0, x1, y1, ...] with the even-odd rule, a trailing odd number dropped, exactly as rleFrPoly: the
/// right and bottom boundary pixels stay out. Time grows with the columns an edge crosses, not with its length.
/// Error: a coordinate that is not finite or beyond kMaxPolygonCoordinate, or a picture of more than 2^32 - 1 pixels.
Rle rle_from_polygon(std::span<const double> xy, uint32_t height, uint32_t width);
/// Polygon parts rasterised and united (exactly as rleFrPoly and rleMerge). No part: no foreground.
Rle rle_from_polygons(std::span<const std::span<const double>> parts, uint32_t height, uint32_t width);
Rle rle_from_polygons(std::span<const std::vector<double>> parts, uint32_t height, uint32_t width);
/// The box as the polygon (x,y), (x,y+h), (x+w,y+h), (x+w,y).
Rle rle_from_box(const Box& box, uint32_t height, uint32_t width);

/// Union or intersection, folded from left to right. One mask: as it is. Masks of different size: size 0 x 0, no runs.
Rle rle_union(std::span<const Rle> masks);
Rle rle_intersection(std::span<const Rle> masks);

/// Foreground pixels, in 32 bits.
uint32_t rle_area(const Rle& rle);
/// The smallest box around the foreground; 0,0,0,0 without any. Foreground runs that are all empty give 0,0,0,0 too, or
/// with `compat` what pycocotools 2.0.11 gives: x = w, y = h and extents wrapped at 2^32.
Box rle_box(const Rle& rle, bool compat = false);

/// A mask taken apart for many comparisons: where its non-empty foreground runs begin and end.
struct RunMask {
  uint32_t height = 0;
  uint32_t width = 0;
  std::vector<uint32_t> edges;  ///< begin, end (exclusive), begin, end, ..., rising
  uint32_t area = 0;
  Box box = {};
};

RunMask run_mask(const Rle& rle);
/// Intersection over union of a detection and an object; over the detection's area for a crowd object. 0 where they do
/// not meet; -1 where their boxes meet but the pictures have different sizes, as the reference has it.
double mask_iou(const RunMask& detection, const RunMask& object, bool crowd);

/// A mask of a known picture for comparisons, its edges elsewhere.
struct RunView {
  std::span<const uint32_t> edges;  ///< as RunMask has them
  uint32_t area = 0;
  Box box = {};
};
/// The same for two masks of one picture.
double mask_iou(const RunView& detection, const RunView& object, bool crowd);
/// The largest value that mask_iou can have, from areas and boxes alone: for all pixels of the boxes' overlap that
/// either mask can fill. Never below mask_iou's own value. Edges are not looked at.
double mask_iou_bound(const RunView& detection, const RunView& object, bool crowd);
double rle_iou(const Rle& detection, const Rle& object, bool crowd);
/// The same for boxes, with no "+1".
double box_iou(const Box& detection, const Box& object, bool crowd);

}  // namespace az::cpu
