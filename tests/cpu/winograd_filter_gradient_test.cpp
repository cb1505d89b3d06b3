#include "cpu/winograd_filter_gradient.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/error.h"
#include "tensor/rng.h"

using namespace az;
using cpu::ConvShape;
using cpu::WinogradSimd;

namespace {

ConvShape shape(int64_t n, int64_t h, int64_t w, int64_t c, int64_t k) {
  return {.n = n, .h = h, .w = w, .c = c, .k = k, .r = 3, .s = 3, .padding = 1};
}

std::vector<WinogradSimd> instruction_sets() {
  std::vector<WinogradSimd> sets;
  if (cpu::winograd_simd() != WinogradSimd::none) sets.push_back(WinogradSimd::avx2);
  if (cpu::winograd_simd() == WinogradSimd::avx512) sets.push_back(WinogradSimd::avx512);
  return sets;
}

std::vector<float> normal(int64_t count, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(rng.normal());
  return values;
}

struct Inputs {
  ConvShape d;
  std::vector<float> x, dy, scale, before;
  explicit Inputs(const ConvShape& s)
      : d(s),
        x(normal(s.x_count(), 1)),
        dy(normal(s.y_count(), 2)),
        scale(normal(s.k, 3)),
        before(normal(s.w_count(), 4)) {}
};

/// With `full`: scaled, and added to `before`. Guard values around the result are checked.
std::vector<float> run(WinogradSimd simd, const Inputs& in, bool full) {
  constexpr size_t kGuard = 64;
  constexpr float kMark = -12345.5F;
  std::vector<float> memory(in.before.size() + 2 * kGuard, kMark);
  const auto at = memory.begin() + kGuard, end = at + static_cast<std::ptrdiff_t>(in.before.size());
  if (full) std::ranges::copy(in.before, at);
  HugeBuffer scratch;
  cpu::winograd_filter_gradient(simd, in.d, in.x.data(), in.dy.data(), full ? in.scale.data() : nullptr, full, scratch,
                                &*at);
  CHECK(std::all_of(memory.begin(), at, [&](float v) { return v == kMark; }));
  CHECK(std::all_of(end, memory.end(), [&](float v) { return v == kMark; }));
  return {at, end};
}

std::vector<double> reference(const Inputs& in, bool full) {
  const std::vector<double> x(in.x.begin(), in.x.end()), dy(in.dy.begin(), in.dy.end());
  std::vector<double> dw(in.before.size());
  cpu::conv_backward_weights_plain(in.d, x.data(), dy.data(), dw.data());
  if (full)
    for (size_t i = 0; i < dw.size(); ++i) {
      const size_t row = i / (dw.size() / in.scale.size());
      dw[i] = static_cast<double>(in.before[i]) + dw[i] * static_cast<double>(in.scale[row]);
    }
  return dw;
}

struct Deviation {
  double rms = 0, worst = 0;
};

/// In units of the sums' rms: each is of h * w * n products of two normal numbers.
Deviation deviation(const std::vector<float>& got, const std::vector<double>& want, const ConvShape& d) {
  REQUIRE(got.size() == want.size());
  double square = 0, worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double e = std::abs(static_cast<double>(got[i]) - want[i]);
    square += e * e;
    worst = std::max(worst, e);
  }
  const double unit = std::sqrt(static_cast<double>(d.n * d.h * d.w));
  return {std::sqrt(square / static_cast<double>(got.size())) / unit, worst / unit};
}

}  // namespace

TEST_CASE("Winograd's filter gradient agrees with double sums, on and off its tiles and vectors") {
  const std::vector<std::pair<int64_t, int64_t>> maps = {{1, 1}, {4, 4}, {5, 3}, {1, 9}, {33, 17}};
  const std::vector<std::pair<int64_t, int64_t>> channels = {{1, 1},   {3, 31},  {16, 64}, {31, 16},
                                                             {64, 36}, {8, 257}, {257, 8}};
  for (const WinogradSimd simd : instruction_sets())
    for (const auto& [h, w] : maps)
      for (const auto& [c, k] : channels)
        for (const bool full : {false, true}) {
          CAPTURE(static_cast<int>(simd));
          CAPTURE(h);
          CAPTURE(w);
          CAPTURE(c);
          CAPTURE(k);
          CAPTURE(full);
          const Inputs in(shape(h == 5 ? 2 : 1, h, w, c, k));
          const Deviation e = deviation(run(simd, in, full), reference(in, full), in.d);
          CHECK(e.rms < 2e-6);
          CHECK(e.worst < 2e-5);
        }
}

TEST_CASE("the filter gradient's bits do not depend on the instruction set or the threads") {
  const int threads = omp_get_max_threads();
  // One chunk of tiles, and several.
  for (const ConvShape& d : {shape(1, 13, 21, 33, 40), shape(2, 70, 75, 19, 33)}) {
    const Inputs in(d);
    std::vector<std::vector<float>> results;
    for (const WinogradSimd simd : instruction_sets())
      for (const int count : {1, 2, 3}) {
        omp_set_num_threads(count);
        results.push_back(run(simd, in, true));
      }
    omp_set_num_threads(threads);
    for (const auto& r : results) CHECK(r == results.front());
  }
}

TEST_CASE("the filter gradient's error stays within six times direct convolution's") {
  if (cpu::winograd_simd() == WinogradSimd::none) return;
  cpu::CpuDevice device;
  device.set_winograd(false);
  for (const int64_t side : {12, 40, 100}) {
    const Inputs in(shape(1, side, side, 32, 32));
    std::vector<float> direct(in.before.size());
    cpu::conv_backward_weights(device, in.d, in.x.data(), in.dy.data(), direct.data());
    const auto want = reference(in, false);
    const Deviation ours = deviation(run(cpu::winograd_simd(), in, false), want, in.d),
                    theirs = deviation(direct, want, in.d);
    CAPTURE(side);
    MESSAGE(side << "x" << side << " map: rms " << ours.rms << ", direct " << theirs.rms);
    CHECK(ours.rms < 6 * theirs.rms);
    CHECK(ours.rms < 1.2e-6);
  }
}

TEST_CASE("the device chooses Winograd's filter gradient by the shape, unless it is turned off") {
  if (cpu::winograd_simd() == WinogradSimd::none) return;
  cpu::CpuDevice device;
  const Inputs in(shape(1, 24, 20, 64, 64));
  REQUIRE(cpu::winograd_filter_gradient_pays(in.d));
  const auto backward = [&] {
    std::vector<float> dw(in.before.size());
    cpu::conv_backward_weights(device, in.d, in.x.data(), in.dy.data(), dw.data());
    return dw;
  };
  CHECK(backward() == run(cpu::winograd_simd(), in, false));
  device.set_winograd(false);
  CHECK(backward() != run(cpu::winograd_simd(), in, false));
}

TEST_CASE("Winograd's filter gradient is for 3x3 with stride 1 and padding 1") {
  ConvShape d = shape(1, 8, 8, 16, 16);
  d.stride = 2;
  HugeBuffer scratch;
  CHECK_THROWS_WITH_AS(
      cpu::winograd_filter_gradient(cpu::winograd_simd(), d, nullptr, nullptr, nullptr, false, scratch, nullptr),
      "conv2d backward: Winograd is for 3x3 with stride 1, padding 1, no dilation and no groups", az::Error);
  // No tiles: zero, or nothing to add.
  std::vector<float> dw(shape(0, 8, 8, 1, 1).w_count(), 1.0F);
  cpu::winograd_filter_gradient(cpu::winograd_simd(), shape(0, 8, 8, 1, 1), nullptr, nullptr, nullptr, true, scratch,
                                dw.data());
  CHECK(dw.front() == 1);
  cpu::winograd_filter_gradient(cpu::winograd_simd(), shape(0, 8, 8, 1, 1), nullptr, nullptr, nullptr, false, scratch,
                                dw.data());
  CHECK(dw.front() == 0);
}
