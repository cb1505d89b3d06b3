// PolarMask's head outputs to detections and masks (specification section 10), on the CPU.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "cpu/contour.h"
#include "cpu/rays.h"
#include "cpu/rle.h"
#include "math/polar_detect.h"

namespace az::models::polarmask {

/// One level's outputs for one image. Row-major over locations (j * stride + stride / 2, i * stride + stride / 2).
struct LevelOutputs {
  int height = 0;
  int width = 0;
  int stride = 0;
  std::span<const float> cls;         // [height, width, classes]  logits
  std::span<const float> centerness;  // [height, width]           logits
  std::span<const float> box;         // [height, width, 4]        left, top, right, bottom distances, px; may be empty
  std::span<const float> rays;        // [height, width, rays]     lengths, px of the network's input
};

struct PostprocessOptions {
  int classes = 80;  // without the background
  int rays = 36;
  int nms_pre = 1000;             // best locations kept of each level; 0 keeps all
  float score_threshold = 0.05f;  // on the class probability alone
  float nms_iou = 0.5f;
  int max_per_image = 100;
  float center_bias = 0.5f;     // score = p * (centerness + bias), so that it may reach 1.5
  bool mask_nms = false;        // suppress by the polygon's bounding rectangle; always so without box distances
  bool round_vertices = false;  // to the nearest pixel; the reference truncates
};

/// How the network's input relates to the picture.
struct ImageGeometry {
  int input_width = 0;  // resized, without padding
  int input_height = 0;
  float scale_x = 1;  // resized / original
  float scale_y = 1;
  int width = 0;  // original
  int height = 0;
};

/// Detections in the reference's order: class by class while there are at most max_per_image of them, else by score.
struct Detections {
  int rays = 0;
  std::vector<int32_t> label;     // [n]  0-based class
  std::vector<float> score;       // [n]
  std::vector<math::Box> box;     // [n]  in the original picture; x2, y2 inclusive
  std::vector<float> polygon;     // [n, rays, 2]  x, y in the original picture
  std::vector<int64_t> location;  // [n]  index over all levels

  size_t size() const { return label.size(); }
  std::span<const float> polygon_of(size_t i) const {
    const size_t width = static_cast<size_t>(rays) * 2;
    return std::span(polygon).subspan(i * width, width);
  }
};

/// Error: outputs whose sizes do not fit the level, the classes or the rays; a geometry without pixels.
Detections postprocess(std::span<const LevelOutputs> levels, const ImageGeometry& geometry,
                       const PostprocessOptions& options);

/// A logit that surely fails the threshold, so that most need no exponential. The margin covers the roundings.
float hopeless_logit(float threshold);

/// What decoding needs of a picture. Error: a geometry without pixels.
math::PolarFrame frame_of(const ImageGeometry& geometry);

/// Integer vertices of polygon [rays, 2]: truncated towards zero, or rounded to the nearest.
std::vector<cpu::Point> integer_vertices(std::span<const float> polygon, bool round);

/// The mask of a polygon on the original picture: integer vertices, filled as OpenCV does.
cpu::Rle polygon_mask(std::span<const float> polygon, const ImageGeometry& geometry, bool round = false);
/// The same of all detections, on all threads.
std::vector<cpu::Rle> polygon_masks(const Detections& found, const ImageGeometry& geometry, bool round = false);

/// The best mask that rays can give: perfect rays from the mask's own mass centre, decoded with truncated vertices at
/// the mask's own size. An empty mask stays empty.
cpu::Mask ray_ceiling_mask(const cpu::Mask& mask, int rays, cpu::LabelMode mode, bool round = false);

}  // namespace az::models::polarmask
