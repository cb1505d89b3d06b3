// Convolution of bf16 maps: every algorithm, against double sums of the same rounded values.
#include "cpu/conv_bf16.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>
#include <vector>

#include "cpu/winograd.h"
#include "tensor/rng.h"

using namespace az;
using cpu::ConvEpilogue;
using cpu::ConvShape;

namespace {

std::vector<float> normal(int64_t count, double scale, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  std::vector<float> v(static_cast<size_t>(count));
  for (float& x : v) x = static_cast<float>(rng.normal() * scale);
  return v;
}

std::vector<bf16> narrow(const std::vector<float>& v) {
  std::vector<bf16> result;
  for (const float x : v) result.emplace_back(x);
  return result;
}

std::vector<double> wide(const std::vector<bf16>& v) {
  std::vector<double> result;
  for (const bf16 x : v) result.push_back(static_cast<double>(static_cast<float>(x)));
  return result;
}

/// Values, and what the plain loops in double make of them after the rounding of x, residual, dy and w * scale.
struct Case {
  ConvShape d;
  std::vector<float> w, scale, bias;
  std::vector<bf16> x, residual, dy;
  std::vector<double> factored;

  explicit Case(const ConvShape& shape)
      : d(shape),
        w(normal(d.w_count(), std::sqrt(2.0 / static_cast<double>(d.r * d.s * d.c / d.groups)), 2)),
        scale(normal(d.k, 0.2, 3)),
        bias(normal(d.k, 0.1, 4)),
        x(narrow(normal(d.x_count(), 1, 1))),
        residual(narrow(normal(d.y_count(), 1, 5))),
        dy(narrow(normal(d.y_count(), 1, 6))) {
    for (float& v : scale) v += 1;
    std::vector<float> product(w);
    const size_t row = w.size() / scale.size();
    for (size_t i = 0; i < w.size(); ++i) product[i] *= scale[i / row];
    factored = wide(narrow(product));
  }

  std::vector<double> forward() const {
    const std::vector<double> b(bias.begin(), bias.end()), r = wide(residual);
    std::vector<double> y(residual.size());
    cpu::conv_forward_plain<double>(d, wide(x).data(), factored.data(), nullptr, {b.data(), r.data(), true}, y.data());
    return y;
  }
  std::vector<double> backward_data() const {
    std::vector<double> dx(x.size());
    cpu::conv_backward_data_plain<double>(d, wide(dy).data(), factored.data(), nullptr, dx.data());
    return dx;
  }
  std::vector<double> backward_weights() const {
    std::vector<double> dw(w.size());
    cpu::conv_backward_weights_plain<double>(d, wide(x).data(), wide(dy).data(), dw.data());
    return dw;
  }
};

struct Results {
  std::vector<bf16> y, dx;
  std::vector<float> dw;
};

Results run(cpu::CpuDevice& device, const Case& in, uint64_t id = 0) {
  Results to{in.residual, std::vector<bf16>(in.x.size()), std::vector<float>(in.w.size())};
  const cpu::WeightIdentity identity{id, 1, id, 1, in.w.data()};
  const ConvEpilogue after{in.bias.data(), to.y.data(), true};  // the residual lies where y goes
  cpu::conv_forward(device, in.d, in.x.data(), in.w.data(), in.scale.data(), identity, after, to.y.data());
  cpu::conv_backward_data(device, in.d, in.dy.data(), in.w.data(), in.scale.data(), identity, to.dx.data());
  cpu::conv_backward_weights(device, in.d, in.x.data(), in.dy.data(), to.dw.data());
  return to;
}

/// The largest difference beyond half a step of bf16 (or none, for f32), in units of the largest value.
double beyond_rounding(const std::vector<double>& got, const std::vector<double>& want, double half_step) {
  double largest = 0, worst = 0;
  for (const double v : want) largest = std::max(largest, std::abs(v));
  for (size_t i = 0; i < want.size(); ++i)
    worst = std::max(worst, std::abs(got[i] - want[i]) - half_step * std::abs(want[i]));
  return worst / largest;
}

void check_near(const Results& got, const Case& in) {
  // The sums are f32: a few thousand products with Winograd's roundings are good to 1e-5 of the largest result, and a
  // result that lies within that of a tie may go to the other side by no more than that.
  constexpr double kSums = 1e-5, kHalfStep = 0x1p-8;
  CHECK(beyond_rounding(wide(got.y), in.forward(), kHalfStep) < kSums);
  CHECK(beyond_rounding(wide(got.dx), in.backward_data(), kHalfStep) < kSums);
  CHECK(beyond_rounding({got.dw.begin(), got.dw.end()}, in.backward_weights(), 0) < kSums);
}

bool same_bits(const std::vector<bf16>& a, const std::vector<bf16>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](bf16 x, bf16 y) { return x.bits == y.bits; });
}

const std::vector<ConvShape> kShapes = {
    {.n = 1, .h = 17, .w = 22, .c = 64, .k = 48, .r = 3, .s = 3, .stride = 1, .padding = 1},  // Winograd
    {.n = 2, .h = 13, .w = 15, .c = 67, .k = 35, .r = 3, .s = 3, .stride = 1, .padding = 1},  // off its vectors
    {.n = 1, .h = 9, .w = 7, .c = 32, .k = 36, .r = 3, .s = 3, .stride = 1, .padding = 1},    // few channels
    {.n = 1, .h = 33, .w = 31, .c = 3, .k = 17, .r = 7, .s = 7, .stride = 2, .padding = 3},   // a stem
    {.n = 1, .h = 11, .w = 13, .c = 40, .k = 31, .r = 1, .s = 1, .stride = 1, .padding = 0},  // a product
    {.n = 2, .h = 11, .w = 13, .c = 33, .k = 64, .r = 1, .s = 1, .stride = 2, .padding = 0},  //
    {.n = 1, .h = 12, .w = 9, .c = 64, .k = 1, .r = 3, .s = 3, .stride = 1, .padding = 1},    // one output
    {.n = 1, .h = 12, .w = 9, .c = 16, .k = 24, .r = 3, .s = 3, .stride = 1, .padding = 2, .dilation = 2},
    {.n = 1, .h = 8, .w = 9, .c = 12, .k = 6, .r = 3, .s = 3, .stride = 1, .padding = 1, .groups = 3},
    {.n = 1, .h = 1, .w = 1, .c = 5, .k = 2, .r = 1, .s = 1, .stride = 1, .padding = 0},
};

}  // namespace

TEST_CASE("convolution of bf16 maps agrees with double sums, by bf16 products, through f32 and on an exact device") {
  for (const ConvShape& d : kShapes) {
    CAPTURE(d.c);
    CAPTURE(d.k);
    const Case in(d);
    cpu::CpuDevice fast, widened, direct, exact(true);
    widened.set_bf16_products(false);
    direct.set_winograd(false);
    CHECK(!widened.bf16_products());
    CHECK(!exact.bf16_products());
    for (cpu::CpuDevice* device : {&fast, &widened, &direct, &exact}) check_near(run(*device, in), in);
  }
}

TEST_CASE("convolution of bf16 maps gives the same bits for any number of threads, from kept weights too") {
  const int threads = omp_get_max_threads();
  for (const ConvShape& d : kShapes) {
    CAPTURE(d.c);
    CAPTURE(d.k);
    const Case in(d);
    cpu::CpuDevice device;
    const Results want = run(device, in);
    for (const int count : {1, 2, 3}) {
      omp_set_num_threads(count);
      const Results got = run(device, in, 7);
      CHECK(same_bits(got.y, want.y));
      CHECK(same_bits(got.dx, want.dx));
    }
    omp_set_num_threads(threads);
  }
}

TEST_CASE("a weight beside f32 and bf16 maps by turns is packed for each") {
  cpu::CpuDevice device;
  const Case in(kShapes.front());
  REQUIRE(cpu::winograd_fits(in.d));
  REQUIRE(cpu::winograd_pays_bf16(in.d));
  const Results want = run(device, in);
  const std::vector<double> x = wide(in.x);
  const std::vector<float> x_wide(x.begin(), x.end());
  std::vector<float> first(in.residual.size()), second(first.size());
  for (std::vector<float>* y : {&first, &second}) {
    cpu::conv_forward(device, in.d, x_wide.data(), in.w.data(), in.scale.data(), {7, 1, 7, 1, in.w.data()}, {},
                      y->data());
    CHECK(same_bits(run(device, in, 7).y, want.y));
  }
  CHECK(first == second);
}
