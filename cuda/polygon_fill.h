// Masks of polygons on the device, equal to cpu/polygon_fill to the bit.
#pragma once

#include <cstdint>

#include "cuda/stream.h"

namespace az::cuda {

inline constexpr int kMostVertices = 1024;  // of a polygon

/// Filled masks of detections: polygon i to mask i, edge pixels included, even-odd where it covers itself.
/// polygons [n, vertices, 2] x, y in pixels, anywhere; made whole by math::vertex_pixel(., round); vertices: at most
/// 1024 count    [1] on the device: polygons there are, at most n; masks from there on are left as they are. Null: n.
/// masks    [n, height, width] 0 or 1, any alignment
void fill_polygons(Stream& stream, const float* polygons, const int32_t* count, int n, int vertices, bool round,
                   int height, int width, uint8_t* masks);

}  // namespace az::cuda
