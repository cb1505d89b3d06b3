// Masks of polygons on the device against the CPU's, pixel by pixel.
#include "cuda/build.h"

#ifdef AZ_CUDA_BUILT
#include "cuda/polygon_fill.h"

#include <doctest/doctest.h>

#include <limits>

#include "cpu/polygon_fill.h"
#include "cuda/device.h"
#include "math/polar.h"
#include "math/polygon.h"
#include "tensor/rng.h"
#include "tensor/tensor.h"
#include "tests/support/devices.h"

namespace az::test {
namespace {

/// Masks of the first `count` of n polygons [n, vertices, 2]; the others keep the value 7.
std::vector<uint8_t> by_cpu(const std::vector<float>& polygons, int count, int n, int vertices, bool round, int height,
                            int width) {
  const auto pixels = static_cast<size_t>(height) * static_cast<size_t>(width);
  std::vector<uint8_t> masks(static_cast<size_t>(n) * pixels, 7);
  for (size_t p = 0; p < static_cast<size_t>(count); ++p) {
    std::vector<cpu::Point> points;
    for (size_t v = 0; v < static_cast<size_t>(vertices); ++v) {
      const float* xy = &polygons[(p * static_cast<size_t>(vertices) + v) * 2];
      points.push_back({math::vertex_pixel(xy[0], round), math::vertex_pixel(xy[1], round)});
    }
    const cpu::Mask mask = cpu::PolygonFill(points, height, width).to_mask();
    std::ranges::copy(mask.pixels, masks.begin() + static_cast<std::ptrdiff_t>(p * pixels));
  }
  return masks;
}

void compare(const std::vector<float>& polygons, int count, int n, int vertices, bool round, int height, int width,
             int odd = 0) {
  const Compared compared(Against::cpu);
  const Sizes sizes{n, vertices, height, width};
  auto& device = cuda::device_of(*cuda());
  const std::vector<uint8_t> masks = by_cpu(polygons, count, n, vertices, round, height, width);
  std::vector<uint8_t> want(static_cast<size_t>(odd), 7);
  want.insert(want.end(), masks.begin(), masks.end());
  want.resize(masks.size() + 16, 7);
  const Tensor in = Tensor::from(polygons, {static_cast<int64_t>(polygons.size())}, device);
  const Tensor counter = Tensor::from(std::vector<int32_t>{count}, {1}, device);
  Tensor out = Tensor::full({static_cast<int64_t>(want.size())}, 7, DType::u8, device);
  cuda::fill_polygons(device.stream(), in.data<float>(), count == n ? nullptr : counter.data<int32_t>(), n, vertices,
                      round, height, width, out.mutable_data<uint8_t>() + odd);
  CHECK(out.to_vector<uint8_t>() == want);
}

/// Vertices around the picture, some far outside of it.
std::vector<float> random_polygons(Rng& rng, int n, int vertices, int height, int width) {
  std::vector<float> polygons;
  for (int p = 0; p < n; ++p) {
    const double beyond = p % 3 == 0 ? 3000 : 12;
    for (int v = 0; v < vertices; ++v) {
      polygons.push_back(static_cast<float>(rng.uniform(-beyond, width + beyond)));
      polygons.push_back(static_cast<float>(rng.uniform(-beyond, height + beyond)));
    }
  }
  return polygons;
}

}  // namespace

TEST_CASE("polygons on the device fill the CPU's pixels, for masks of any size and alignment") {
  if (cuda() == nullptr) return;
  Rng rng(21, Purpose::test);
  const int sizes[] = {0, 1, 31, 32, 33, 257};
  for (const int height : sizes) {
    for (const int width : sizes) {
      CAPTURE(height);
      CAPTURE(width);
      compare(random_polygons(rng, 3, 7, height, width), 3, 3, 7, true, height, width, (height + width) % 16);
    }
  }
}

TEST_CASE("polygons on the device: any number of vertices and polygons, whole and fractional ones") {
  if (cuda() == nullptr) return;
  Rng rng(22, Purpose::test);
  for (const int vertices : {0, 1, 2, 3, 31, 32, 33, 257, 1024}) {
    for (const bool round : {false, true}) {
      CAPTURE(vertices);
      compare(random_polygons(rng, 2, vertices, 40, 90), 2, 2, vertices, round, 40, 90);
    }
  }
  for (const int n : {0, 1, 33}) {
    CAPTURE(n);
    const auto polygons = random_polygons(rng, n, 5, 40, 50);
    compare(polygons, n, n, 5, true, 40, 50);
    compare(polygons, n / 2, n, 5, true, 40, 50);  // the count is on the device
  }
}

TEST_CASE("polygons on the device: what is not finite, far away, level, or covered twice") {
  if (cuda() == nullptr) return;
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::vector<float>> cases = {
      {kNan, 3, kInf, kNan, -kInf, kInf, 1e30F, -1e30F},
      {-1e9F, -1e9F, 2e9F, -1e9F, 2e9F, 2e9F, -1e9F, 2e9F},
      {1e6F, 20, -1e6F, 21, 5, 5, 9, 30},
      {2, 7, 40, 7, 12, 7, 33, 7},
      {5, 1, 5, 30, 5, 9, 5, 12},
      {0, 0, 8, 0, 8, 8, 0, 8, 0, 0, 2, 2, 6, 2, 6, 6, 2, 6, 2, 2},
      {2, 0, 4, 2, 2, 4, 0, 2},
      {-5, -5, -1, -5, -1, -1, -5, -1},
  };
  for (const auto& polygon : cases) {
    CAPTURE(polygon[0]);
    for (const bool round : {false, true}) compare(polygon, 1, 1, static_cast<int>(polygon.size() / 2), round, 33, 50);
  }
}

TEST_CASE("a row's pixels of a line are those that the CPU's walk draws") {
  constexpr int kFar = 11, kSide = 2 * kFar + 1;
  for (int x = -kFar; x <= kFar; ++x) {
    for (int y = -kFar; y <= kFar; ++y) {
      const std::vector<cpu::Point> line = {{kFar, kFar}, {kFar + x, kFar + y}};
      const cpu::PolygonFill walked(line, kSide, kSide);
      int64_t wrong = 0;
      for (int row = 0; row < kSide; ++row) {
        // A polygon of two vertices is drawn both ways; both start at the smaller x.
        const math::PixelRun run = math::line_run(line[0].x, line[0].y, line[1].x, line[1].y, row);
        const math::PixelRun back = math::line_run(line[1].x, line[1].y, line[0].x, line[0].y, row);
        for (int column = 0; column < kSide; ++column) {
          const bool drawn =
              (column >= run.first && column <= run.last) || (column >= back.first && column <= back.last);
          wrong += drawn && !walked.at(column, row);
          wrong += x != 0 && !drawn && walked.at(column, row);
        }
      }
      CHECK(wrong == 0);
    }
  }
}

}  // namespace az::test
#endif
