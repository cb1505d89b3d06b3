// Pictures on the device against the CPU's loops, to the bit. Every output starts 0 to 3 bytes off an aligned address
// and has guards around it.
#include "cuda/build.h"

#ifdef AZ_CUDA_BUILT
#include "cuda/image.h"

#include <doctest/doctest.h>

#include <vector>

#include "cuda/device.h"
#include "tensor/rng.h"
#include "tensor/tensor.h"
#include "tests/support/devices.h"

namespace az::test {
namespace {

using cpu::ImageView;

std::vector<uint8_t> noise(int width, int height, int channels, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  std::vector<uint8_t> pixels(static_cast<size_t>(width) * static_cast<size_t>(height * channels));
  for (auto& p : pixels) p = static_cast<uint8_t>(rng.integer(0, 255));
  return pixels;
}

Tensor upload(const std::vector<uint8_t>& values) {
  return Tensor::from(values, {static_cast<int64_t>(values.size())}, *cuda());
}

/// Runs both and compares; `run(on_device, pixels, out)` calls the one or the other.
template <class T, class Run>
void compare(const std::vector<uint8_t>& pixels, size_t count, const Run& run) {
  std::vector<T> want(count);
  run(false, pixels.data(), want.data());
  const Tensor source = upload(pixels);
  for (const size_t odd : {0, 1, 3}) {
    const std::vector<T> guards(count + 8, T(77));
    Tensor out = Tensor::from(guards, {static_cast<int64_t>(guards.size())}, *cuda());
    run(true, source.data<uint8_t>(), out.mutable_data<T>() + odd);
    std::vector<T> expected = guards;
    std::copy(want.begin(), want.end(), expected.begin() + static_cast<std::ptrdiff_t>(odd));
    CAPTURE(odd);
    CHECK(out.to_vector<T>() == expected);
  }
}

cuda::Stream& stream() { return cuda::device_of(*cuda()).stream(); }
size_t bytes(int width, int height, int channels) {
  return static_cast<size_t>(width) * static_cast<size_t>(height * channels);
}

constexpr int kSizes[][2] = {{0, 0}, {1, 1}, {31, 3}, {32, 2}, {33, 5}, {257, 3}, {5, 33}};

}  // namespace

TEST_CASE("bilinear resize on the device equals the CPU's") {
  if (cuda() == nullptr) return;
  const Compared compared(Against::cpu);
  const int sizes[][4] = {{1, 1, 5, 3},    {5, 3, 1, 1},  {31, 17, 64, 33}, {64, 33, 31, 17}, {7, 9, 257, 20},
                          {257, 7, 3, 32}, {33, 33, 33, 33}, {9, 31, 600, 19}};
  for (const auto& s : sizes) {
    for (int channels = 1; channels <= 4; ++channels) {
      CAPTURE(s[0]);
      CAPTURE(channels);
      const Sizes sizes{s[2], s[3]};
      compare<uint8_t>(noise(s[0], s[1], channels, 1), bytes(s[2], s[3], channels),
                       [&](bool on_device, const uint8_t* pixels, uint8_t* out) {
                         const ImageView view{pixels, s[0], s[1], channels};
                         if (!on_device) return cpu::resize_bilinear(view, s[2], s[3], out);
                         cuda::resize_bilinear(stream(), view, s[2], s[3], out);
                       });
    }
  }
}

TEST_CASE("nearest resize on the device equals the CPU's, parts that reach beyond the source included") {
  if (cuda() == nullptr) return;
  const Compared compared(Against::cpu);
  const cpu::Rect whole{0, 0, 40, 30}, inner{11, 4, 17, 13};
  for (const auto& [w, h] : {std::pair{64, 48}, {17, 9}, {257, 7}, {40, 30}, {1, 1}, {31, 33}, {32, 2}}) {
    const cpu::NearestResize sizes{40, 30, w, h};
    for (const auto& [from, part] : {std::pair{whole, cpu::Rect{0, 0, w, h}},
                                     {inner, cpu::nearest_reach(inner, sizes)},
                                     {inner, cpu::Rect{0, 0, w, h}},
                                     {whole, cpu::Rect{0, 0, 0, h}}}) {
      CAPTURE(w);
      const Sizes extents{part.width, part.height};
      compare<uint8_t>(noise(from.width, from.height, 1, 2), bytes(part.width, part.height, 1),
                       [&, from = from, part = part](bool on_device, const uint8_t* pixels, uint8_t* out) {
                         if (!on_device) return cpu::resize_nearest(pixels, from, sizes, part, out);
                         cuda::resize_nearest(stream(), pixels, from, sizes, part, out);
                       });
    }
  }
}

TEST_CASE("flip on the device equals the CPU's") {
  if (cuda() == nullptr) return;
  const Compared compared(Against::cpu);
  for (const auto& s : kSizes) {
    for (int channels = 1; channels <= 4; ++channels) {
      CAPTURE(s[0]);
      const Sizes sizes{s[0], s[1]};
      compare<uint8_t>(noise(s[0], s[1], channels, 3), bytes(s[0], s[1], channels),
                       [&](bool on_device, const uint8_t* pixels, uint8_t* out) {
                         const ImageView view{pixels, s[0], s[1], channels};
                         if (!on_device) return cpu::flip_horizontal(view, out);
                         cuda::flip_horizontal(stream(), view, out);
                       });
    }
  }
}

TEST_CASE("crops beyond the picture on the device equal the CPU's") {
  if (cuda() == nullptr) return;
  const Compared compared(Against::cpu);
  const int corners[][2] = {{0, 0}, {-5, -2}, {12, 3}, {2147483647, 0}, {-2147483647 - 1, -2147483647 - 1}};
  for (const auto& corner : corners) {
    for (const auto& s : kSizes) {
      for (int channels = 1; channels <= 4; ++channels) {
        CAPTURE(corner[0]);
        CAPTURE(s[0]);
        const Sizes sizes{s[0], s[1]};
        compare<uint8_t>(noise(23, 9, channels, 4), bytes(s[0], s[1], channels),
                         [&](bool on_device, const uint8_t* pixels, uint8_t* out) {
                           const ImageView view{pixels, 23, 9, channels};
                           if (!on_device)
                             return cpu::padded_crop(view, corner[0], corner[1], s[0], s[1], {1, 2, 3, 4}, out);
                           cuda::padded_crop(stream(), view, corner[0], corner[1], s[0], s[1], {1, 2, 3, 4}, out);
                         });
      }
    }
  }
}

TEST_CASE("affine warp on the device equals the CPU's") {
  if (cuda() == nullptr) return;
  const Compared compared(Against::cpu);
  const cpu::Affine maps[] = {{1, 0, 0, 0, 1, 0},      {0.7, -0.3, 4.1, 0.2, 1.3, -6.7}, {-1, 0, 30, 0, -1, 12},
                              {0, 0, 5.5, 0, 0, 3.25}, {1e6, -1e6, 1e6, -1e6, 1e6, 17},  {3.3, 0.1, -40, 0, 0.4, 2}};
  for (const cpu::Affine& map : maps) {
    for (const auto& s : kSizes) {
      for (int channels = 1; channels <= 4; ++channels) {
        CAPTURE(map[0]);
        CAPTURE(s[0]);
        const Sizes sizes{s[0], s[1]};
        compare<uint8_t>(noise(37, 21, channels, 5), bytes(s[0], s[1], channels),
                         [&](bool on_device, const uint8_t* pixels, uint8_t* out) {
                           const ImageView view{pixels, 37, 21, channels};
                           if (!on_device) return cpu::warp_affine(view, map, s[0], s[1], {9, 8, 7, 6}, out);
                           cuda::warp_affine(stream(), view, map, s[0], s[1], {9, 8, 7, 6}, out);
                         });
      }
    }
  }
}

TEST_CASE_TEMPLATE("normalise on the device equals the CPU's in f32, and rounded once in 16 bits", T, bf16, f16) {
  if (cuda() == nullptr) return;
  const Compared compared(Against::cpu);
  const int sizes[][4] = {{0, 0, 4, 3},   {1, 1, 1, 1},     {31, 3, 32, 32},  {32, 2, 33, 2},
                          {33, 5, 64, 5}, {257, 2, 260, 4}, {257, 2, 257, 3}, {3, 2, 0, 0}};
  for (const auto& s : sizes) {
    for (int variant = 0; variant < 4; ++variant) {
      CAPTURE(s[0]);
      CAPTURE(variant);
      const Sizes sizes{s[0], s[1], s[2], s[3]};
      if (s[0] > s[2]) continue;
      const cpu::Normalise how{{123.675F, 116.28F, 103.53F}, {58.395F, 57.12F, 57.375F}, variant % 2 == 1, variant > 1};
      const auto pixels = noise(s[0], s[1], 3, 6);
      const auto cpu_run = [&](const uint8_t* p, float* out) {
        cpu::normalise({p, s[0], s[1], 3}, how, s[2], s[3], out);
      };
      compare<float>(pixels, bytes(s[2], s[3], 3), [&](bool on_device, const uint8_t* p, float* out) {
        if (!on_device) return cpu_run(p, out);
        cuda::normalise(stream(), {p, s[0], s[1], 3}, how, s[2], s[3], out);
      });
      std::vector<float> wide(bytes(s[2], s[3], 3));
      cpu_run(pixels.data(), wide.data());
      for (const int64_t odd : {0, 1}) {
        Tensor out = Tensor::zeros({static_cast<int64_t>(wide.size()) + 2}, dtype_of<T>, *cuda());
        const Tensor source = upload(pixels);
        cuda::normalise(stream(), {source.data<uint8_t>(), s[0], s[1], 3}, how, s[2], s[3],
                        out.mutable_data<T>() + odd);
        const auto got = out.to_vector<T>();
        int64_t wrong = 0;
        for (size_t i = 0; i < wide.size(); ++i) wrong += got[i + static_cast<size_t>(odd)].bits != T(wide[i]).bits;
        CHECK(wrong == 0);
        CHECK(got.back().bits == 0);
      }
    }
  }
}

TEST_CASE("normalise on the device follows its formula in double") {
  if (cuda() == nullptr) return;
  const Compared compared(Against::reference);
  const double mean[] = {123.675, 116.28, 103.53}, deviation[] = {58.395, 57.12, 57.375};
  for (const int width : {1, 31, 33})
    for (const bool mirrored : {false, true}) {
      CAPTURE(width);
      const int height = 3, padded = width + 2;
      const cpu::Normalise how{{123.675F, 116.28F, 103.53F}, {58.395F, 57.12F, 57.375F}, /*bgr=*/true, mirrored};
      const auto pixels = noise(width, height, 3, 7);
      const Tensor source = upload(pixels);
      Tensor out = Tensor::empty({height, padded, 3}, DType::f32, *cuda());
      cuda::normalise(stream(), {source.data<uint8_t>(), width, height, 3}, how, padded, height,
                      out.mutable_data<float>());
      const auto got = out.to_vector<float>();
      double worst = 0;
      for (int i = 0; i < height * padded * 3; ++i) {
        const int c = i % 3, x = i / 3 % padded, y = i / 3 / padded;
        const int from = (y * width + (mirrored ? width - 1 - x : x)) * 3 + 2 - c;
        const double want = x < width ? (pixels[static_cast<size_t>(from)] - mean[c]) / deviation[c] : 0;
        worst = std::max(worst, std::abs(double{got[static_cast<size_t>(i)]} - want));
      }
      CHECK(worst < 1e-6);  // means and deviations rounded to f32, two roundings of values below 3
    }
}

}  // namespace az::test
#endif
