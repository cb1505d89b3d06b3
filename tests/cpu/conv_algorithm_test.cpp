// The 1x1 product and the dot products of few outputs against plain loops in double, and which algorithm a shape takes.
#include "cpu/conv_algorithm.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "cpu/few_outputs.h"
#include "cpu/pointwise.h"
#include "tensor/error.h"
#include "tensor/rng.h"

using namespace az;
using cpu::ConvAlgorithm;
using cpu::ConvEpilogue;
using cpu::ConvPass;
using cpu::ConvShape;
using cpu::WinogradSimd;
using cpu::WinogradWeights;

namespace {

std::vector<float> uniform(int64_t count, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  std::vector<float> v(static_cast<size_t>(count));
  for (float& x : v) x = static_cast<float>(rng.normal());
  return v;
}

std::vector<double> wide(const std::vector<float>& v) { return {v.begin(), v.end()}; }

std::vector<WinogradSimd> instruction_sets() {
  if (cpu::winograd_simd() == WinogradSimd::none) return {};
  if (cpu::winograd_simd() == WinogradSimd::avx2) return {WinogradSimd::avx2};
  return {WinogradSimd::avx2, WinogradSimd::avx512};
}

struct Inputs {
  ConvShape d;
  std::vector<float> x, w, scale, bias, residual;
  explicit Inputs(const ConvShape& s)
      : d(s),
        x(uniform(s.x_count(), 1)),
        w(uniform(s.w_count(), 2)),
        scale(uniform(s.k, 3)),
        bias(uniform(s.k, 4)),
        residual(uniform(s.y_count(), 5)) {}

  std::vector<double> reference(bool full) const {
    std::vector<double> y(static_cast<size_t>(d.y_count()));
    const auto b = wide(bias), r = wide(residual), factor = wide(scale);
    cpu::conv_forward_plain(d, wide(x).data(), wide(w).data(), full ? factor.data() : nullptr,
                            full ? ConvEpilogue{b.data(), r.data(), true} : ConvEpilogue{}, y.data());
    return y;
  }
};

/// Runs `f(after, y)` into an array with guards, in which the residual lies where y goes; checks the guards.
template <class F>
std::vector<float> guarded(const Inputs& in, bool full, const F& f) {
  constexpr size_t kGuard = 64;
  constexpr float kMark = -12345.5F;
  std::vector<float> memory(in.residual.size() + 2 * kGuard, kMark);
  float* y = memory.data() + kGuard;
  std::ranges::copy(in.residual, y);
  f(full ? ConvEpilogue{in.bias.data(), y, true} : ConvEpilogue{}, y);
  for (size_t i = 0; i < kGuard; ++i) CHECK((memory[i] == kMark && memory[memory.size() - 1 - i] == kMark));
  return {memory.begin() + kGuard, memory.end() - kGuard};
}

std::vector<float> pointwise(WinogradSimd simd, const Inputs& in, bool full) {
  HugeBuffer packed, scratch;
  cpu::pointwise_pack(simd, WinogradWeights::forward, in.d.c, in.d.k, in.w.data(), full ? in.scale.data() : nullptr,
                      packed.reserve(cpu::pointwise_packed_count(simd, in.d.c, in.d.k)));
  return guarded(in, full, [&](const ConvEpilogue& after, float* y) {
    cpu::pointwise_forward(simd, in.d, in.x.data(), packed.data(), after, scratch, y);
  });
}

std::vector<float> few_outputs(WinogradSimd simd, const Inputs& in, bool full) {
  return guarded(in, full, [&](const ConvEpilogue& after, float* y) {
    cpu::few_outputs_forward(simd, in.d, in.x.data(), in.w.data(), full ? in.scale.data() : nullptr, after, y);
  });
}

/// The root of the mean square of the differences, beside that of the sums: the root of the number of products.
double rms(const std::vector<float>& got, const std::vector<double>& want, const ConvShape& d) {
  REQUIRE(got.size() == want.size());
  double square = 0;
  for (size_t i = 0; i < got.size(); ++i) square += std::pow(static_cast<double>(got[i]) - want[i], 2);
  return std::sqrt(square / static_cast<double>(got.size()) / static_cast<double>(d.r * d.s * d.c));
}

ConvShape one(int64_t n, int64_t h, int64_t w, int64_t c, int64_t k, int64_t stride = 1) {
  return {.n = n, .h = h, .w = w, .c = c, .k = k, .stride = stride};
}
ConvShape three(int64_t n, int64_t h, int64_t w, int64_t c, int64_t k, int64_t dilation = 1) {
  return {.n = n, .h = h, .w = w, .c = c, .k = k, .r = 3, .s = 3, .padding = dilation, .dilation = dilation};
}

/// Few pixels and many; strides; channels off the vectors; copied inputs (512 and more); weights too large to stay.
const std::vector<ConvShape> kPointwise = {
    one(1, 1, 1, 1, 1),       one(2, 9, 7, 31, 33),    one(1, 33, 31, 16, 36),     one(2, 21, 30, 64, 257, 2),
    one(1, 19, 23, 33, 8, 3), one(1, 12, 17, 600, 48), one(2, 13, 11, 520, 600, 2)};
const std::vector<ConvShape> kFew = {three(1, 1, 1, 1, 1),
                                     three(2, 9, 13, 64, 4),
                                     three(1, 7, 8, 33, 3, 2),
                                     {.n = 1, .h = 12, .w = 11, .c = 257, .k = 2, .r = 3, .s = 5, .stride = 2}};

}  // namespace

TEST_CASE("1x1 products agree with double sums") {
  for (const ConvShape& d : kPointwise)
    for (const bool full : {false, true}) {
      const Inputs in(d);
      const auto want = in.reference(full);
      for (const WinogradSimd simd : instruction_sets()) {
        CAPTURE(d.c);
        CAPTURE(d.k);
        CAPTURE(full);
        CHECK(rms(pointwise(simd, in, full), want, d) < 2e-6);
      }
    }
}

TEST_CASE("dot products to a few outputs agree with double sums") {
  for (const ConvShape& d : kFew)
    for (const bool full : {false, true}) {
      const Inputs in(d);
      const auto want = in.reference(full);
      for (const WinogradSimd simd : instruction_sets()) {
        CAPTURE(d.c);
        CAPTURE(d.k);
        CAPTURE(full);
        CHECK(rms(few_outputs(simd, in, full), want, d) < 5e-7);
      }
    }
}

TEST_CASE("1x1 and few outputs: AVX2, AVX-512 and any number of threads give the same bits") {
  const int threads = omp_get_max_threads();
  const auto check = [&](const std::vector<ConvShape>& shapes, const auto& run) {
    for (const ConvShape& d : shapes) {
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
  };
  check(kPointwise, pointwise);
  check(kFew, few_outputs);
}

TEST_CASE("a 1x1 product with exchanged channels gives the data gradient") {
  const ConvShape d = one(2, 9, 10, 40, 33);
  const Inputs in(d);
  std::vector<double> want(static_cast<size_t>(d.x_count()));
  cpu::conv_backward_data_plain(d, wide(in.residual).data(), wide(in.w).data(), wide(in.scale).data(), want.data());
  for (const WinogradSimd simd : instruction_sets()) {
    HugeBuffer packed, scratch;
    cpu::pointwise_pack(simd, WinogradWeights::backward_data, d.c, d.k, in.w.data(), in.scale.data(),
                        packed.reserve(cpu::pointwise_packed_count(simd, d.k, d.c)));
    std::vector<float> dx(want.size());
    cpu::pointwise_forward(simd, one(2, 9, 10, 33, 40), in.residual.data(), packed.data(), {}, scratch, dx.data());
    CHECK(rms(dx, want, one(2, 9, 10, 33, 40)) < 1e-6);
  }
}

namespace {

ConvShape strided(ConvShape d) {
  d.stride = 2;
  return d;
}

}  // namespace

TEST_CASE("a 1x1 product takes a coarse residual and a cut along") {
  for (const ConvShape& d : {one(1, 2, 2, 16, 16), one(2, 18, 14, 33, 40), one(2, 8, 30, 600, 257),
                             one(2, 11, 35, 17, 36, 2), one(1, 6, 58, 20, 48)}) {
    const Inputs in(d);
    const int64_t h = d.oh(), w = d.ow();
    const std::vector<float> coarse = uniform(d.n * (h / 2) * (w / 2) * d.k, 7), cut = uniform(d.y_count(), 8);
    std::vector<float> fine(in.residual.size());
    for (int64_t i = 0; i < d.y_count(); ++i) {
      const int64_t pixel = i / d.k, line = pixel / w % h, image = pixel / w / h;
      const int64_t from = (image * (h / 2) + line / 2) * (w / 2) + pixel % w / 2;
      fine[static_cast<size_t>(i)] = coarse[static_cast<size_t>(from * d.k + i % d.k)];
    }
    for (const WinogradSimd simd : instruction_sets()) {
      CAPTURE(d.c);
      CAPTURE(d.k);
      HugeBuffer packed, scratch;
      cpu::pointwise_pack(simd, WinogradWeights::forward, d.c, d.k, in.w.data(), nullptr,
                          packed.reserve(cpu::pointwise_packed_count(simd, d.c, d.k)));
      const auto run = [&](const ConvEpilogue& after) {
        return guarded(in, false, [&](const ConvEpilogue&, float* y) {
          cpu::pointwise_forward(simd, d, in.x.data(), packed.data(), after, scratch, y);
        });
      };
      auto want = run({.bias = in.bias.data(), .residual = fine.data()});
      CHECK(run({.bias = in.bias.data(), .residual = coarse.data(), .coarse = true}) == want);
      for (size_t i = 0; i < want.size(); ++i) want[i] = cut[i] > 0 ? want[i] : 0;
      CHECK(run({.bias = in.bias.data(), .residual = fine.data(), .cut = cut.data()}) == want);
    }
  }
}

TEST_CASE("a data gradient adds another gradient and cuts, or says that it cannot") {
  if (cpu::winograd_simd() == WinogradSimd::none) return;
  cpu::CpuDevice device;
  for (const auto& [d, sums, cuts] :
       {std::tuple(one(2, 17, 19, 40, 33), true, true), std::tuple(one(1, 18, 21, 32, 48, 2), true, true),
        std::tuple(one(2, 20, 31, 530, 17, 3), true, true), std::tuple(three(1, 31, 29, 20, 24, 2), true, false),
        std::tuple(strided(three(1, 18, 21, 32, 48)), false, false)}) {
    const Inputs in(d);
    CAPTURE(d.c);
    const auto written = [&, d = d](size_t i) {
      const int64_t pixel = static_cast<int64_t>(i) / d.c;
      return d.r > 1 || (pixel % d.w % d.stride == 0 && pixel / d.w % d.h % d.stride == 0);
    };
    const auto can = cpu::conv_fuses(device, d, DType::f32);
    CHECK(can.sum == sums);
    CHECK(can.cut == cuts);
    CHECK(can.part == (d.stride > 1));
    CHECK_FALSE(cpu::conv_fuses(device, d, DType::bf16).sum);
    std::vector<float> apart(in.x.size()), apart_sum(in.x.size()), cut = uniform(d.x_count(), 8);
    const auto gradient = [&, d = d](const cpu::ConvGradientAfter<float>& after, std::vector<float>& dx) {
      cpu::conv_backward_data(device, d, in.residual.data(), in.w.data(), in.scale.data(), {}, dx.data(), after);
    };
    gradient({}, apart);
    std::vector<float> dx = in.x;
    if (!sums) {
      CHECK_THROWS_AS(gradient({.sum = dx.data()}, dx), Error);
      CHECK_THROWS_AS(gradient({.cut = cut.data()}, dx), Error);
      continue;
    }
    gradient({.sum = in.x.data(), .cut = cuts ? cut.data() : nullptr}, apart_sum);
    gradient({.sum = dx.data(), .cut = cuts ? cut.data() : nullptr}, dx);
    CHECK(dx == apart_sum);
    for (size_t i = 0; i < dx.size(); ++i) {
      const float total = apart[i] + in.x[i];
      REQUIRE(dx[i] == (cuts && written(i) && !(cut[i] > 0) ? 0 : total));
    }
  }
}

TEST_CASE("the algorithm is a rule of the shape") {
  if (cpu::winograd_simd() == WinogradSimd::none) return;
  const auto chosen = [](const ConvShape& d, ConvPass pass = ConvPass::forward, DType maps = DType::f32,
                         bool winograd = true) {
    return std::string(cpu::conv_algorithm_name(cpu::conv_algorithm(d, pass, maps, winograd)));
  };
  CHECK(chosen(three(1, 100, 168, 256, 256)) == "winograd 4x4");
  CHECK(chosen(three(1, 100, 168, 256, 256), ConvPass::backward_data) == "winograd 4x4");
  CHECK(chosen(three(1, 13, 21, 512, 512)) == "winograd 2x2");
  CHECK(chosen(three(1, 31, 31, 256, 256, 2)) == "winograd 4x4");
  CHECK(chosen(three(1, 100, 168, 256, 256), ConvPass::forward, DType::f32, false) == "direct");
  CHECK(chosen(strided(three(1, 100, 168, 256, 256))) == "winograd 4x4/2");
  CHECK(chosen(strided(three(1, 25, 42, 256, 256))) == "direct");
  CHECK(chosen(strided(three(1, 200, 336, 128, 128))) == "direct");
  CHECK(chosen(strided(three(1, 100, 168, 256, 256)), ConvPass::forward, DType::bf16) == "direct");
  CHECK(chosen(strided(three(1, 100, 168, 256, 256)), ConvPass::backward_data) == "direct");
  CHECK(chosen(strided(three(1, 100, 168, 256, 256)), ConvPass::backward_weights) == "direct");
  CHECK(chosen(three(1, 7, 11, 256, 256)) == "direct");
  CHECK(chosen(three(1, 100, 168, 256, 4)) == "few outputs");
  CHECK(chosen(three(1, 100, 168, 4, 256), ConvPass::backward_data) == "direct");
  CHECK(chosen(one(1, 200, 336, 64, 256)) == "matmul");
  CHECK(chosen(one(1, 200, 336, 256, 512, 2)) == "matmul");
  CHECK(chosen(one(1, 200, 336, 256, 512, 2), ConvPass::backward_data) == "matmul");
  CHECK(chosen(one(1, 200, 336, 64, 256), ConvPass::forward, DType::bf16) == "direct");
  CHECK(chosen(one(1, 200, 336, 64, 256), ConvPass::backward_weights) == "direct");
  CHECK(chosen(three(1, 100, 168, 256, 256), ConvPass::backward_weights) == "winograd 4x4");
  CHECK(chosen(three(1, 100, 168, 256, 256, 2), ConvPass::backward_weights) == "direct");
  CHECK(chosen(three(1, 5, 6, 256, 256), ConvPass::backward_weights) == "direct");
}

TEST_CASE("a device computes every algorithm's shapes, and the data gradient") {
  cpu::CpuDevice device;
  uint64_t id = 1;
  for (const ConvShape& d :
       {three(1, 31, 29, 20, 24, 2), three(2, 15, 16, 16, 33, 4), three(1, 13, 21, 512, 512), three(1, 33, 31, 64, 3),
        one(2, 17, 19, 40, 33), one(1, 18, 21, 32, 48, 2), strided(three(4, 31, 30, 256, 257))}) {
    CAPTURE(cpu::conv_algorithm_name(cpu::conv_algorithm(d, ConvPass::forward)));
    const Inputs in(d);
    const cpu::WeightIdentity identity{.id = ++id, .version = 1, .data = in.w.data()};
    std::vector<float> y(in.residual.size()), dx(in.x.size());
    for (int use = 0; use < 3; ++use) {  // packed anew, packed to be kept, kept
      cpu::conv_forward(device, d, in.x.data(), in.w.data(), in.scale.data(), identity,
                        {in.bias.data(), in.residual.data(), true}, y.data());
      CHECK(rms(y, in.reference(true), d) < 4e-6);
    }
    std::vector<double> want(dx.size());
    cpu::conv_backward_data_plain(d, wide(in.residual).data(), wide(in.w).data(), wide(in.scale).data(), want.data());
    cpu::conv_backward_data(device, d, in.residual.data(), in.w.data(), in.scale.data(), identity, dx.data());
    ConvShape transposed = d;
    std::swap(transposed.c, transposed.k);
    CHECK(rms(dx, want, transposed) < 4e-6);
  }
}

TEST_CASE("the messages of the 1x1 product and of few outputs") {
  if (cpu::winograd_simd() == WinogradSimd::none) return;
  HugeBuffer scratch;
  CHECK_THROWS_WITH_AS(
      cpu::pointwise_forward(cpu::winograd_simd(), three(1, 4, 4, 8, 8), nullptr, nullptr, {}, scratch, nullptr),
      "conv2d: the 1x1 product is for 1x1 with no padding and no groups", Error);
  CHECK_THROWS_WITH_AS(cpu::pointwise_forward(cpu::winograd_simd(), one(1, 4, 5, 8, 8), nullptr, nullptr,
                                              {.coarse = true}, scratch, nullptr),
                       "conv2d: a coarse residual for [4, 5] pixels, want even sides", Error);
  CHECK_THROWS_WITH_AS(
      cpu::few_outputs_forward(cpu::winograd_simd(), three(1, 4, 4, 8, 5), nullptr, nullptr, nullptr, {}, nullptr),
      "conv2d: 5 outputs in 1 groups, want at most 4 and no groups", Error);
}
