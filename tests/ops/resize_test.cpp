#include "ops/resize.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>
#include <functional>

#include "autograd/node.h"
#include "ops/cast.h"
#include "ops/reduce.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

struct Case {
  int64_t n, h, w, c, to_h, to_w;
};
const std::vector<Case> kCases = {
    {1, 1, 1, 3, 1, 1},   {2, 3, 7, 17, 6, 14}, {1, 7, 3, 16, 31, 33}, {1, 31, 33, 16, 7, 2}, {2, 2, 1, 257, 3, 5},
    {1, 33, 31, 1, 1, 7}, {1, 5, 6, 3, 5, 6},   {1, 4, 4, 2, 8, 4},    {2, 3, 5, 32, 6, 10},  {1, 4, 3, 33, 9, 5},
    {0, 4, 3, 31, 8, 6},  {1, 2, 3, 31, 4, 6},  {1, 2, 1, 33, 4, 2},   {1, 1, 2, 257, 2, 4},  {1, 2, 3, 32, 3, 4}};

std::vector<double> doubles(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

/// The same elements one element further on, so that no pixel begins at a multiple of 16 bytes.
Tensor shifted(const Tensor& x) {
  Tensor wide = Tensor::empty({x.numel() + 1}, x.dtype(), x.device());
  Tensor view = wide.narrowed(1, x.numel()).reshaped(x.shape());
  view.copy_from(x);
  return view;
}

/// The pixel of [h, w, c] at rows and columns that may lie between pixels, from the definition.
double sample(const std::vector<double>& x, const Case& k, int64_t n, double i, double j, int64_t c) {
  const auto at = [&](int64_t row, int64_t column) {
    row = std::min(row, k.h - 1);
    column = std::min(column, k.w - 1);
    return x[static_cast<size_t>(((n * k.h + row) * k.w + column) * k.c + c)];
  };
  const auto top = static_cast<int64_t>(i), left = static_cast<int64_t>(j);
  const double fi = i - static_cast<double>(top), fj = j - static_cast<double>(left);
  return (1 - fi) * ((1 - fj) * at(top, left) + fj * at(top, left + 1)) +
         fi * ((1 - fj) * at(top + 1, left) + fj * at(top + 1, left + 1));
}

/// Compares every pixel with a sample at source(i, in, out).
template <class F>
void check_values(const Tensor& x, const Tensor& y, const Case& k, double tolerance, F source) {
  REQUIRE(y.shape() == Shape{k.n, k.to_h, k.to_w, k.c});
  const auto in = x.to(DType::f64).to_vector<double>(), got = y.to(DType::f64).to_vector<double>();
  size_t at = 0;
  double worst = 0;
  for (int64_t n = 0; n < k.n; ++n)
    for (int64_t i = 0; i < k.to_h; ++i)
      for (int64_t j = 0; j < k.to_w; ++j)
        for (int64_t c = 0; c < k.c; ++c)
          worst = std::max(worst,
                           std::abs(got[at++] - sample(in, k, n, source(i, k.h, k.to_h), source(j, k.w, k.to_w), c)));
  CHECK(worst <= tolerance);
}

using Op = std::function<Tensor(const Tensor&)>;

void check_gradient(const Op& op, const Case& k, Device& device) {
  const Tensor x = test::uniform({k.n, k.h, k.w, k.c}, -1, 1, DType::f64, device);
  const auto check =
      test::check_gradients([&](const auto& t) { return op(t[0]); }, {x}, 1e-3, 6);  // linear: any step will do
  CHECK_MESSAGE(check.worst < 1e-9, check.where);
}

}  // namespace

TEST_CASE("resize_nearest copies floor(i * in / out)") {
  for (Device* device : test::devices(test::Against::reference))
    for (const Case& k : kCases) {
      const test::Sizes sizes{k.n, k.h, k.w, k.c};
      CAPTURE(device->name());
      CAPTURE(k.to_h);
      const auto source = [](int64_t i, int64_t in, int64_t out) { return static_cast<double>(i * in / out); };
      for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
        const Tensor x = test::uniform({k.n, k.h, k.w, k.c}, -3, 3, dtype, *device);
        check_values(x, ops::resize_nearest(x, k.to_h, k.to_w), k, 0, source);
        check_values(x, ops::resize_nearest(shifted(x), k.to_h, k.to_w), k, 0, source);
      }
      check_gradient([&](const Tensor& t) { return ops::resize_nearest(t, k.to_h, k.to_w); }, k, *device);
    }
}

TEST_CASE("resize_bilinear samples at the documented coordinates") {
  const auto centres = [](int64_t i, int64_t in, int64_t out) {
    const double at = (static_cast<double>(i) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5;
    return std::max(at, 0.0);
  };
  const auto corners = [](int64_t i, int64_t in, int64_t out) {
    return out > 1 ? static_cast<double>(i) * static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0.0;
  };
  for (Device* device : test::devices(test::Against::reference))
    for (const Case& k : kCases) {
      const test::Sizes sizes{k.n, k.h, k.w, k.c};
      CAPTURE(device->name());
      CAPTURE(k.to_h);
      for (const DType dtype : {DType::f32, DType::f64}) {
        // A coordinate near 32 in float is good to 4e-6, and neighbours differ by up to 6.
        const double tolerance = dtype == DType::f32 ? 3e-5 : 1e-13;
        const Tensor x = test::uniform({k.n, k.h, k.w, k.c}, -3, 3, dtype, *device);
        check_values(x, ops::resize_bilinear(x, k.to_h, k.to_w, false), k, tolerance, centres);
        check_values(x, ops::resize_bilinear(shifted(x), k.to_h, k.to_w, true), k, tolerance, corners);
      }
      for (const bool align : {false, true})
        check_gradient([&](const Tensor& t) { return ops::resize_bilinear(t, k.to_h, k.to_w, align); }, k, *device);
    }
}

TEST_CASE("resizing gives the same bits on every device, and in 16 bits those of f32 rounded") {
  using Bits = std::pair<std::vector<double>, std::vector<double>>;
  const auto run = [](Tensor x, const Case& k, int how, DType rounded) -> Bits {
    autograd::set_requires_grad(x, true);
    const Tensor y =
        how == 0 ? ops::resize_nearest(x, k.to_h, k.to_w) : ops::resize_bilinear(x, k.to_h, k.to_w, how == 1);
    const Tensor w = test::uniform(y.shape(), -1, 1, rounded, y.device(), 3).to(DType::f32);
    autograd::backward(ops::weighted_sum(ops::cast(y, DType::f32), w));
    return {doubles(y.to(rounded)), doubles(autograd::grad(x).to(rounded))};
  };
  for (Device* device : test::devices(test::Against::cpu))
    for (const Case& k : kCases)
      for (int how = 0; how < 3; ++how)
        for (const DType dtype : {DType::f32, DType::bf16, DType::f16})
          for (const bool aligned : {true, false}) {
            if (dtype == DType::f32 && !aligned) continue;
            const test::Sizes sizes{k.n, k.h, k.w, k.c};
            CAPTURE(device->name());
            CAPTURE(k.to_h);
            CAPTURE(how);
            const Tensor x = test::uniform({k.n, k.h, k.w, k.c}, -3, 3, dtype, *device);
            const Bits want = run(x.to(test::cpu()).to(DType::f32).clone(), k, how, dtype);
            CHECK(run(aligned ? x.clone() : shifted(x), k, how, dtype) == want);
          }
}

TEST_CASE("resizing gives the same bits for any number of threads") {
  const auto all = [&] {
    std::vector<std::vector<float>> bits;
    for (int how = 0; how < 3; ++how) {
      Tensor x = test::uniform({2, 40, 35, 24}, -3, 3, DType::f32, test::cpu());
      autograd::set_requires_grad(x, true);
      const Tensor y = how == 0 ? ops::resize_nearest(x, 80, 70) : ops::resize_bilinear(x, 67, 91, how == 1);
      autograd::backward(ops::weighted_sum(y, test::uniform(y.shape(), -1, 1, DType::f32, test::cpu(), 3)));
      bits.push_back(y.to_vector<float>());
      bits.push_back(autograd::grad(x).to_vector<float>());
    }
    return bits;
  };
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto one = all();
  omp_set_num_threads(2);
  const auto two = all();
  omp_set_num_threads(threads);
  CHECK(one == two);
}

TEST_CASE("resizing names what does not fit") {
  const Tensor x = Tensor::zeros({1, 2, 2, 6}, DType::f32, test::cpu());
  CHECK_THROWS_WITH_AS(
      ops::resize_nearest(x, 0, 4),
      "resize_nearest: cannot resize x f32 [1, 2, 2, 6] cpu to 0 x 4; want a height and width of 1 or more", Error);
  CHECK_THROWS_WITH_AS(ops::resize_bilinear(Tensor::zeros({6}, DType::f32, test::cpu()), 2, 2, true),
                       "resize_bilinear: x is f32 [6] cpu, want [n, h, w, c] with pixels", Error);
  CHECK_THROWS_AS(ops::resize_nearest(Tensor::zeros({1, 0, 2, 6}, DType::f32, test::cpu()), 2, 2), Error);
  CHECK_THROWS_WITH_AS(ops::resize_nearest(x, 2, int64_t{1} << 30),
                       "resize_nearest: x is f32 [1, 2, 2, 6] cpu: 2 rows of 6442450944 elements, want fewer than 2^31 "
                       "of each",
                       Error);
}
