// Winograd's convolution against plain loops in double, at sizes on and off its tiles and vectors.
#include "cpu/winograd.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "math/winograd.h"
#include "tensor/dtype.h"
#include "tensor/error.h"
#include "tensor/rng.h"

using namespace az;
using cpu::ConvEpilogue;
using cpu::ConvMaps;
using cpu::ConvShape;
using cpu::WinogradCall;
using cpu::WinogradSimd;
using cpu::WinogradTile;
using cpu::WinogradWeights;

namespace {

std::vector<float> normal(int64_t count, double scale, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  std::vector<float> v(static_cast<size_t>(count));
  for (float& x : v) x = static_cast<float>(rng.normal() * scale);
  return v;
}

std::vector<double> wide(const std::vector<float>& v) { return {v.begin(), v.end()}; }

ConvShape shape(int64_t n, int64_t h, int64_t w, int64_t c, int64_t k, int64_t dilation = 1) {
  return {.n = n, .h = h, .w = w, .c = c, .k = k, .r = 3, .s = 3, .padding = dilation, .dilation = dilation};
}
ConvShape strided(ConvShape d) {
  d.stride = 2;
  return d;
}

std::vector<WinogradTile> tiles_for(const ConvShape& d) {
  if (d.stride == 2) return {WinogradTile::four_stride2};
  return {WinogradTile::two, WinogradTile::four};
}

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
        x(normal(s.x_count(), 1, 1)),
        w(normal(s.w_count(), std::sqrt(2.0 / static_cast<double>(9 * s.c)), 2)),
        scale(normal(s.k, 0.2, 3)),
        bias(normal(s.k, 0.1, 4)),
        residual(normal(s.y_count(), 1, 5)) {
    for (float& v : scale) v += 1;
  }
};

/// Guard values before and after an array: a store outside of it is seen.
struct Guarded {
  static constexpr size_t kGuard = 64;
  static constexpr float kMark = -12345.5F;
  std::vector<float> memory;

  explicit Guarded(const std::vector<float>& values) : memory(values.size() + 2 * kGuard, kMark) {
    std::copy(values.begin(), values.end(), data());
  }
  float* data() { return memory.data() + kGuard; }
  std::vector<float> values() const { return {memory.begin() + kGuard, memory.end() - kGuard}; }
  bool intact() const {
    for (size_t i = 0; i < kGuard; ++i)
      if (memory[i] != kMark || memory[memory.size() - 1 - i] != kMark) return false;
    return true;
  }
};

/// relu(conv(x, w * scale) + bias + residual), or the sums alone.
std::vector<float> run(WinogradSimd simd, const Inputs& in, bool full, WinogradTile tile = WinogradTile::four) {
  HugeBuffer packed, scratch;
  cpu::winograd_pack(simd, WinogradWeights::forward, in.d.c, in.d.k, in.w.data(), full ? in.scale.data() : nullptr,
                     packed.reserve(cpu::winograd_packed_count(simd, in.d.c, in.d.k, tile)), tile);
  Guarded y(full ? in.residual : std::vector<float>(static_cast<size_t>(in.d.y_count())));
  const ConvEpilogue after =
      full ? ConvEpilogue{in.bias.data(), y.data(), true} : ConvEpilogue{};  // the residual lies where y goes
  cpu::winograd_forward(simd, in.d, in.x.data(), packed.data(), after, scratch, y.data(), tile);
  CHECK(y.intact());
  return y.values();
}

std::vector<double> reference(const Inputs& in, bool full) {
  std::vector<double> y(static_cast<size_t>(in.d.y_count()));
  const auto bias = wide(in.bias), residual = wide(in.residual), scale = wide(in.scale);
  const ConvEpilogue after = full ? ConvEpilogue{bias.data(), residual.data(), true} : ConvEpilogue{};
  cpu::conv_forward_plain(in.d, wide(in.x).data(), wide(in.w).data(), full ? scale.data() : nullptr, after, y.data());
  return y;
}

/// In units of the sums' rms, which is the root of 2 for weights of this scale.
struct Deviation {
  double rms = 0, worst = 0;
};

Deviation deviation(const std::vector<float>& got, const std::vector<double>& want) {
  REQUIRE(got.size() == want.size());
  double square = 0, worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double e = std::abs(static_cast<double>(got[i]) - want[i]);
    square += e * e;
    worst = std::max(worst, e);
  }
  return {std::sqrt(square / static_cast<double>(got.size()) / 2), worst / std::sqrt(2.0)};
}

/// Roundings add up like the root of the number of products. Seen: 0.9e-7 times that of the channels; F(2x2) a third.
double rms_bound(int64_t channels, WinogradTile tile) {
  return (tile == WinogradTile::two ? 0.5e-7 : 1.2e-7) * std::sqrt(9 + static_cast<double>(channels));
}

}  // namespace

/// In one dimension: sum over the points p of A[p][o] G[p's][t] B[p][i] is 1 where i = stride o + t, else 0.
template <class Tile>
void check_matrices() {
  constexpr auto g = Tile::weight_matrix();
  constexpr auto b = Tile::input_matrix();
  constexpr auto a = Tile::output_matrix();
  for (size_t o = 0; o < Tile::kOut; ++o)
    for (size_t t = 0; t < 3; ++t)
      for (size_t i = 0; i < Tile::kIn; ++i) {
        double sum = 0;
        for (size_t p = 0; p < Tile::kIn; ++p)
          sum += a[p][o] * g[static_cast<size_t>(Tile::weight_of(static_cast<int>(p)))][t] * b[p][i];
        CHECK(sum == doctest::Approx(i == Tile::kStride * o + t ? 1.0 : 0.0).epsilon(1e-14));
      }
}

TEST_CASE("the matrices are a 3x3 convolution of a tile") {
  check_matrices<math::Winograd4x4>();
  check_matrices<math::Winograd2x2>();
  check_matrices<math::Winograd4x4Stride2>();
}

TEST_CASE("Winograd agrees with double sums, on and off its tiles and vectors") {
  const std::vector<std::pair<int64_t, int64_t>> maps = {{1, 1}, {4, 4}, {5, 3}, {1, 9}, {33, 17}};
  const std::vector<std::pair<int64_t, int64_t>> channels = {{1, 1},   {3, 31},  {16, 64}, {31, 16},
                                                             {64, 36}, {8, 257}, {257, 8}};
  for (const auto& [h, w] : maps)
    for (const auto& [c, k] : channels)
      for (const bool full : {false, true}) {
        const ConvShape plain = shape(h == 5 ? 2 : 1, h, w, c, k);
        for (const ConvShape& d : {plain, strided(plain)}) {
          const Inputs in(d);
          const auto want = reference(in, full);
          for (const WinogradSimd simd : instruction_sets())
            for (const WinogradTile tile : tiles_for(d)) {
              CAPTURE(static_cast<int>(simd));
              CAPTURE(static_cast<int>(tile));
              CAPTURE(h);
              CAPTURE(w);
              CAPTURE(c);
              CAPTURE(k);
              CAPTURE(full);
              const Deviation e = deviation(run(simd, in, full, tile), want);
              CHECK(e.rms < rms_bound(c, tile));
              CHECK(e.worst < 10 * rms_bound(c, tile));
            }
        }
      }
}

namespace {

/// Both tiles on every instruction set, with bias, residual and ReLU.
void check_against_double(const ConvShape& d) {
  const Inputs in(d);
  REQUIRE(cpu::winograd_fits(d));
  const auto want = reference(in, true);
  for (const WinogradSimd simd : instruction_sets())
    for (const WinogradTile tile : tiles_for(d)) {
      CAPTURE(d.dilation);
      CAPTURE(d.h);
      CAPTURE(d.w);
      CHECK(deviation(run(simd, in, true, tile), want).rms < rms_bound(d.c, tile));
    }
}

}  // namespace

TEST_CASE("a dilated convolution is one of every d-th row and column") {
  // Maps smaller than the dilation, and sizes on and off its multiples.
  for (const auto& [h, w, dilation] :
       std::vector<std::array<int64_t, 3>>{{1, 1, 2}, {3, 2, 4}, {16, 8, 2}, {23, 37, 4}, {9, 31, 3}})
    check_against_double(shape(2, h, w, 17, 19, dilation));
}

TEST_CASE("without padding the outputs are smaller than the map") {
  for (const auto& [h, w, dilation] :
       std::vector<std::array<int64_t, 3>>{{3, 3, 1}, {4, 9, 1}, {31, 31, 1}, {8, 6, 2}, {5, 5, 2}, {17, 22, 3}}) {
    ConvShape d = shape(2, h, w, 17, 19, dilation);
    d.padding = 0;
    check_against_double(d);
    if (dilation == 1) check_against_double(strided(d));
  }
}

TEST_CASE("maps of several sizes in one call give what they give alone") {
  const std::vector<std::pair<int64_t, int64_t>> sizes = {{25, 31}, {13, 16}, {7, 8}, {1, 1}};
  for (const WinogradSimd simd : instruction_sets())
    for (const WinogradTile tile : {WinogradTile::two, WinogradTile::four, WinogradTile::four_stride2}) {
      std::vector<Inputs> levels;
      for (const auto& [h, w] : sizes) {
        const ConvShape d = shape(2, h, w, 33, 40);
        levels.emplace_back(tile == WinogradTile::four_stride2 ? strided(d) : d);
      }
      HugeBuffer packed, scratch;
      const Inputs& first = levels[0];  // all have the same weights, scale and bias
      cpu::winograd_pack(simd, WinogradWeights::forward, 33, 40, first.w.data(), first.scale.data(),
                         packed.reserve(cpu::winograd_packed_count(simd, 33, 40, tile)), tile);
      std::vector<Guarded> y;
      std::vector<ConvMaps<float>> maps;
      for (const Inputs& in : levels) y.emplace_back(std::vector<float>(static_cast<size_t>(in.d.y_count())));
      for (size_t i = 0; i < levels.size(); ++i)
        maps.push_back({2, levels[i].d.h, levels[i].d.w, levels[i].x.data(), levels[i].residual.data(), y[i].data()});
      cpu::winograd_forward(WinogradCall<float>{.simd = simd,
                                                .tile = tile,
                                                .c = 33,
                                                .k = 40,
                                                .packed = packed.data(),
                                                .bias = first.bias.data(),
                                                .relu = true,
                                                .maps = maps},
                            scratch);
      for (size_t i = 0; i < levels.size(); ++i) {
        CHECK(y[i].intact());
        CHECK(y[i].values() == run(simd, levels[i], true, tile));
      }
    }
}

TEST_CASE("bf16 maps are widened, and the result is rounded once") {
  for (const ConvShape& d : {shape(1, 9, 10, 16, 32), shape(2, 5, 7, 19, 37), strided(shape(1, 11, 18, 19, 37))}) {
    Inputs in(d);
    for (auto* values : {&in.x, &in.residual})
      for (float& v : *values) v = static_cast<float>(bf16(v));
    const auto narrow = [](const std::vector<float>& from) {
      std::vector<bf16> to(from.size());
      std::ranges::transform(from, to.begin(), [](float v) { return bf16(v); });
      return to;
    };
    const auto x = narrow(in.x);
    for (const WinogradSimd simd : instruction_sets())
      for (const WinogradTile tile : tiles_for(d)) {
        HugeBuffer packed, scratch;
        cpu::winograd_pack(simd, WinogradWeights::forward, d.c, d.k, in.w.data(), in.scale.data(),
                           packed.reserve(cpu::winograd_packed_count(simd, d.c, d.k, tile)), tile);
        auto y = narrow(in.residual);
        y.resize(y.size() + 32, bf16(-1.0F));
        cpu::winograd_forward(simd, d, x.data(), packed.data(), {in.bias.data(), y.data(), true}, scratch, y.data(),
                              tile);
        const auto want = narrow(run(simd, in, true, tile));
        for (size_t i = 0; i < want.size(); ++i) CHECK(y[i].bits == want[i].bits);
        for (size_t i = want.size(); i < y.size(); ++i) CHECK(y[i].bits == bf16(-1.0F).bits);
      }
  }
}

TEST_CASE("AVX2, AVX-512 and any number of threads give the same bits") {
  const int threads = omp_get_max_threads();
  // Few tiles, which all threads share, and many, of which each thread takes its own.
  for (const ConvShape& d : {shape(1, 13, 21, 33, 40), shape(2, 70, 75, 9, 33), shape(1, 19, 23, 20, 24, 2),
                             strided(shape(1, 31, 30, 33, 40)), strided(shape(2, 140, 150, 9, 33))})
    for (const WinogradTile tile : tiles_for(d)) {
      const Inputs in(d);
      std::vector<std::vector<float>> results;
      for (const WinogradSimd simd : instruction_sets())
        for (const int count : {1, 2, 3}) {
          omp_set_num_threads(count);
          results.push_back(run(simd, in, true, tile));
        }
      omp_set_num_threads(threads);
      for (const auto& r : results) CHECK(r == results.front());
    }
}

TEST_CASE("rotated weights give the data gradient") {
  for (const ConvShape& d : {shape(1, 7, 6, 17, 35), shape(2, 9, 12, 40, 5), shape(1, 11, 14, 8, 24, 4)}) {
    const Inputs in(d);
    const std::vector<float>& dy = in.residual;
    std::vector<double> want(static_cast<size_t>(d.x_count()));
    cpu::conv_backward_data_plain(d, wide(dy).data(), wide(in.w).data(), wide(in.scale).data(), want.data());
    for (const WinogradSimd simd : instruction_sets())
      for (const WinogradTile tile : tiles_for(d)) {
        HugeBuffer packed, scratch;
        cpu::winograd_pack(simd, WinogradWeights::backward_data, d.c, d.k, in.w.data(), in.scale.data(),
                           packed.reserve(cpu::winograd_packed_count(simd, d.k, d.c, tile)), tile);
        Guarded dx(std::vector<float>(static_cast<size_t>(d.x_count())));
        cpu::winograd_forward(simd, shape(d.n, d.h, d.w, d.k, d.c, d.dilation), dy.data(), packed.data(), {}, scratch,
                              dx.data(), tile);
        CHECK(dx.intact());
        CHECK(deviation(dx.values(), want).rms < rms_bound(d.k, tile));
      }
  }
}

TEST_CASE("the error stays within three times direct convolution's, that of F(2x2) within one and a half") {
  if (cpu::winograd_simd() == WinogradSimd::none) return;
  cpu::CpuDevice device;
  device.set_winograd(false);
  for (const int64_t c : {64, 256, 512})
    for (const ConvShape& d : {shape(1, 12, 14, c, 32), strided(shape(1, 24, 28, c, 32))}) {
      const Inputs in(d);
      std::vector<float> direct(static_cast<size_t>(d.y_count()));
      cpu::conv_forward(device, d, in.x.data(), in.w.data(), nullptr, {}, {}, direct.data());
      const auto want = reference(in, false);
      const Deviation theirs = deviation(direct, want);
      MESSAGE(c << " channels, stride " << d.stride << ", direct: rms " << theirs.rms << ", largest " << theirs.worst);
      for (const WinogradTile tile : tiles_for(d)) {
        const Deviation ours = deviation(run(cpu::winograd_simd(), in, false, tile), want);
        const bool two = tile == WinogradTile::two;
        CAPTURE(c);
        CAPTURE(two);
        MESSAGE(c << " channels, F(" << (two ? "2x2" : "4x4") << "): rms " << ours.rms << ", largest " << ours.worst);
        CHECK(ours.rms < (two ? 1.5 : 3) * theirs.rms);
        CHECK(ours.worst < (two ? 2 : 6) * theirs.worst);
      }
    }
}

TEST_CASE("the device chooses Winograd by the shape, unless it is turned off") {
  if (cpu::winograd_simd() == WinogradSimd::none) return;
  cpu::CpuDevice device;
  const Inputs in(shape(1, 24, 20, 64, 64));
  REQUIRE(cpu::winograd_pays(in.d));
  const auto forward = [&] {
    std::vector<float> y(static_cast<size_t>(in.d.y_count()));
    const cpu::WeightIdentity identity{1, 1, 2, 1, in.w.data()};
    cpu::conv_forward(device, in.d, in.x.data(), in.w.data(), in.scale.data(), identity,
                      {in.bias.data(), in.residual.data(), true}, y.data());
    return y;
  };
  CHECK(forward() == run(cpu::winograd_simd(), in, true));
  CHECK(forward() == run(cpu::winograd_simd(), in, true));  // from the weights that were kept
  device.set_winograd(false);
  CHECK(forward() != run(cpu::winograd_simd(), in, true));
}

TEST_CASE("Winograd is for 3x3 with stride 1, or 2 without dilation, and padding equal to the dilation or none") {
  ConvShape d = shape(1, 8, 8, 16, 16);
  CHECK(cpu::winograd_fits(d));
  CHECK(cpu::winograd_fits(shape(1, 8, 8, 16, 16, 4)));
  for (auto ConvShape::*field : {&ConvShape::r, &ConvShape::s, &ConvShape::stride, &ConvShape::padding,
                                 &ConvShape::dilation, &ConvShape::groups}) {
    ConvShape other = d;
    other.*field = 4;
    CHECK(!cpu::winograd_fits(other));
  }
  CHECK(cpu::winograd_fits(strided(d)));
  CHECK(!cpu::winograd_fits(strided(shape(1, 8, 8, 16, 16, 2))));
  HugeBuffer scratch;
  float* none = nullptr;
  const auto forward = [&](const ConvShape& kind) {
    cpu::winograd_forward(cpu::winograd_simd(), kind, none, nullptr, {}, scratch, none);
  };
  CHECK_THROWS_WITH_AS(
      forward(strided(shape(1, 8, 8, 16, 16, 2))),
      "conv2d: Winograd is for 3x3 with stride 1, or 2 without dilation, padding equal to the dilation "
      "or 0, and no groups",
      az::Error);
  CHECK_THROWS_WITH_AS(forward(strided(d)), "conv2d: Winograd's tile is not of stride 2", az::Error);
  // Nothing to do is no error.
  cpu::winograd_forward(cpu::winograd_simd(), shape(0, 8, 8, 16, 16), none, nullptr, {}, scratch, none);
}
