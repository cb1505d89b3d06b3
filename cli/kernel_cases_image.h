// Cases of `bench kernels` on 8-bit pictures and masks: image and polygon_fill.
#pragma once

#include <cmath>

#include "cli/kernel_timer.h"
#include "cuda/image.h"
#include "cuda/polygon_fill.h"

namespace az::cli {

/// A COCO picture (480x640) to the network's input, and back. One picture a launch.
template <class Cuda>
void time_image(KernelTimer<Cuda>& b) {
  const KernelSizes& z = b.sizes;
  const auto height = static_cast<int>(z.height), width = static_cast<int>(z.width);
  const cpu::ImageView small{b.template zeros<uint8_t>(z.pixels(1)), width / 2, height / 2, 3};
  const cpu::ImageView whole{b.template zeros<uint8_t>(3 * z.pixels(1)), width, height, 3};
  uint8_t* out = b.template empty<uint8_t>(3 * z.pixels(1));
  const Shape shape{z.height, z.width, 3};
  const auto many = static_cast<double>(shape.numel());
  const auto time = [&](const char* what, double bytes, const std::function<void()>& work) {
    b.template time<uint8_t>("image", what, shape, {bytes}, work);
  };
  time("resize bilinear x2", 1.25 * many, [&] { cuda::resize_bilinear(b.stream(), small, width, height, out); });
  time("flip", 2 * many, [&] { cuda::flip_horizontal(b.stream(), whole, out); });
  time("padded crop", 2 * many, [&] { cuda::padded_crop(b.stream(), whole, 3, 5, width, height, {}, out); });
  const cpu::Affine turn{0.98, -0.2, 9, 0.2, 0.98, -9};
  time("warp affine", 2 * many, [&] { cuda::warp_affine(b.stream(), whole, turn, width, height, {}, out); });
  const cpu::Rect from{0, 0, width / 2, height / 2}, to{0, 0, width, height};
  const cpu::NearestResize sizes{from.width, from.height, to.width, to.height};
  b.template time<uint8_t>("image", "resize nearest x2", {z.height, z.width}, {1.25 * many / 3},
                           [&] { cuda::resize_nearest(b.stream(), small.pixels, from, sizes, to, out); });
  const cpu::Normalise how{.mean = {123, 116, 104}, .std = {58, 57, 57}};
  for_activations([&](auto type) {
    using T = decltype(type);
    T* y = b.template empty<T>(shape.numel());
    b.template time<T>("image", "normalise", shape, {many * static_cast<double>(1 + sizeof(T))},
                       [&] { cuda::normalise<T>(b.stream(), whole, how, width, height, y); });
  });
  b.clear();
}

/// Masks of the 100 detections of a picture, of 36 vertices.
template <class Cuda>
void time_polygon_fill(KernelTimer<Cuda>& b) {
  const KernelSizes& z = b.sizes;
  const int n = z.channels < 256 ? 3 : 100, vertices = static_cast<int>(z.rays);
  std::vector<float> polygons;
  for (int i = 0; i < n; ++i)
    for (int k = 0; k < vertices; ++k) {
      const double angle = 6.283185307179586 * k / vertices, part = (i + 1.0) / (n + 1);
      const double radius = static_cast<double>(z.height) * (0.05 + 0.3 * part);
      polygons.push_back(static_cast<float>(static_cast<double>(z.width) * part + radius * std::cos(angle)));
      polygons.push_back(static_cast<float>(static_cast<double>(z.height) / 2 + radius * std::sin(angle)));
    }
  const float* at = b.upload(polygons);
  uint8_t* masks = b.template empty<uint8_t>(n * z.pixels(1));
  b.template time<uint8_t>("polygon_fill", "masks", {n, z.height, z.width}, {static_cast<double>(n * z.pixels(1))},
                           [&] {
                             cuda::fill_polygons(b.stream(), at, nullptr, n, vertices, /*round=*/false,
                                                 static_cast<int>(z.height), static_cast<int>(z.width), masks);
                           });
  b.clear();
}

}  // namespace az::cli
