#include "ops/pool.h"

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
  int64_t n, h, w, c;
  int kernel, stride, padding;
};
const std::vector<Case> kCases = {{1, 1, 1, 3, 1, 1, 0},  {2, 2, 3, 17, 2, 2, 0},   {1, 7, 31, 64, 3, 2, 1},
                                  {2, 33, 7, 1, 3, 1, 1}, {1, 3, 33, 257, 3, 3, 0}, {1, 9, 8, 16, 5, 2, 2},
                                  {1, 1, 1, 65, 3, 2, 1}, {1, 20, 17, 2, 15, 4, 7}, {1, 4, 5, 31, 2, 1, 0},
                                  {2, 5, 4, 33, 3, 2, 1}, {0, 4, 5, 32, 3, 2, 1},   {2, 6, 5, 32, 3, 2, 1}};

/// The same elements one element further on, so that no pixel begins at a multiple of 16 bytes.
Tensor shifted(const Tensor& x) {
  Tensor wide = Tensor::empty({x.numel() + 1}, x.dtype(), x.device());
  Tensor view = wide.narrowed(1, x.numel()).reshaped(x.shape());
  view.copy_from(x);
  return view;
}

/// Values and the places of the first maxima, window by window from the definition.
struct Reference {
  std::vector<double> y;
  std::vector<size_t> from;
  int64_t h, w;
};
Reference reference(const std::vector<double>& x, const Case& k) {
  Reference r{{}, {}, (k.h + 2 * k.padding - k.kernel) / k.stride + 1, (k.w + 2 * k.padding - k.kernel) / k.stride + 1};
  for (int64_t n = 0; n < k.n; ++n)
    for (int64_t oy = 0; oy < r.h; ++oy)
      for (int64_t ox = 0; ox < r.w; ++ox)
        for (int64_t c = 0; c < k.c; ++c) {
          double best = -INFINITY;
          size_t from = 0;
          for (int64_t i = oy * k.stride - k.padding; i < oy * k.stride - k.padding + k.kernel; ++i)
            for (int64_t j = ox * k.stride - k.padding; j < ox * k.stride - k.padding + k.kernel; ++j) {
              if (i < 0 || j < 0 || i >= k.h || j >= k.w) continue;
              const auto at = static_cast<size_t>(((n * k.h + i) * k.w + j) * k.c + c);
              if (x[at] > best) {
                best = x[at];
                from = at;
              }
            }
          r.y.push_back(best);
          r.from.push_back(from);
        }
  return r;
}

std::vector<double> doubles(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

/// y and dx, for dy rounded to y's type, in f64.
struct Run {
  Shape shape;
  std::vector<double> y, dx;
};
Run run(Tensor x, const Case& k, const std::function<double(size_t)>& dy_at) {
  autograd::set_requires_grad(x, true);
  const Tensor y = ops::max_pool(x, {k.kernel, k.stride, k.padding});
  std::vector<double> dy(static_cast<size_t>(y.numel()));
  for (size_t i = 0; i < dy.size(); ++i) dy[i] = dy_at(i);
  const DType sum_type = is_half(y.dtype()) ? DType::f32 : y.dtype();
  const Tensor w = Tensor::from(dy, y.shape(), y.device()).to(sum_type);
  autograd::backward(ops::weighted_sum(ops::cast(y, sum_type), w));
  return {y.shape(), doubles(y), doubles(autograd::grad(x))};
}
double ordinal(size_t i) { return static_cast<double>(i + 1); }

}  // namespace

TEST_CASE("max_pool takes the largest value, and its gradient goes to the first of equal ones") {
  for (Device* device : test::devices(test::Against::reference))
    for (const Case& k : kCases)
      for (const DType dtype : {DType::f32, DType::f64})
        for (const bool ties : {false, true}) {
          const test::Sizes sizes{k.n, k.h, k.w, k.c};
          CAPTURE(device->name());
          CAPTURE(k.c);
          CAPTURE(k.kernel);
          // Whole numbers -3..3 repeat inside a window.
          auto values = doubles(test::uniform({k.n, k.h, k.w, k.c}, -3, 3, dtype, test::cpu()));
          if (ties)
            for (double& v : values) v = std::round(v);
          const Tensor x = Tensor::from(values, {k.n, k.h, k.w, k.c}, *device).to(dtype);
          const Reference want = reference(values, k);
          std::vector<double> sums(values.size());
          for (size_t i = 0; i < want.from.size(); ++i) sums[want.from[i]] += ordinal(i);
          for (const bool aligned : {true, false}) {
            const Run got = run(aligned ? x.clone() : shifted(x), k, ordinal);
            REQUIRE(got.shape == Shape{k.n, want.h, want.w, k.c});
            CHECK(got.y == want.y);
            CHECK(got.dx == sums);  // sums of whole numbers are exact
          }
        }
}

TEST_CASE_TEMPLATE("max_pool in 16 bits is the f32 op on the rounded input, rounded", T, bf16, f16) {
  const auto gradient = [](size_t i) { return doubles(test::uniform({1}, -1, 1, dtype_of<T>, test::cpu(), i))[0]; };
  for (Device* device : test::devices(test::Against::cpu))
    for (const Case& k : kCases)
      for (const bool aligned : {true, false}) {
        const test::Sizes sizes{k.n, k.h, k.w, k.c};
        CAPTURE(device->name());
        CAPTURE(k.c);
        const Tensor x = test::uniform({k.n, k.h, k.w, k.c}, -3, 3, dtype_of<T>, *device);
        const Run got = run(aligned ? x.clone() : shifted(x), k, gradient);
        const Run want = run(x.to(test::cpu()).to(DType::f32), k, gradient);
        CHECK(got.y == want.y);  // a maximum is one of the inputs
        CHECK(got.dx == doubles(Tensor::from(want.dx, {k.n, k.h, k.w, k.c}, test::cpu()).to(dtype_of<T>)));
      }
}

TEST_CASE("max_pool lets NaN and -inf through, and has a right gradient by differences") {
  for (Device* device : test::devices()) {
    std::vector<float> values(8, -INFINITY);
    values[1] = NAN;
    const auto y = ops::max_pool(Tensor::from(values, {1, 2, 4, 1}, *device), {2, 2, 0}).to_vector<float>();
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == -INFINITY);
    const Tensor d = test::uniform({1, 7, 6, 3}, -1, 1, DType::f64, *device);
    const auto check = test::check_gradients(
        [](const auto& t) {
          return ops::max_pool(t[0], {3, 2, 1});
        },
        {d}, 1e-6, 200);
    CHECK_MESSAGE(check.worst < 1e-8, check.where);
  }
}

TEST_CASE("max_pool gives the same bits for any number of threads") {
  const Case k{2, 45, 38, 24, 3, 2, 1};
  const Tensor x = test::uniform({k.n, k.h, k.w, k.c}, -3, 3, DType::f32, test::cpu());
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const Run one = run(x.clone(), k, ordinal);
  omp_set_num_threads(2);
  const Run two = run(x.clone(), k, ordinal);
  omp_set_num_threads(threads);
  CHECK(one.y == two.y);
  CHECK(one.dx == two.dx);
}

TEST_CASE("max_pool names what does not fit") {
  const Tensor x = Tensor::zeros({1, 2, 2, 6}, DType::f32, test::cpu());
  CHECK_THROWS_WITH_AS(ops::max_pool(x, {3, 2, 0}), "max_pool: no window of 3 with padding 0 fits into x [1, 2, 2, 6]",
                       Error);
  CHECK_THROWS_WITH_AS(
      ops::max_pool(x, {2, 2, 2}),
      "max_pool: kernel 2, stride 2, padding 2; want kernel 1..15, stride >= 1 and padding 0..kernel/2", Error);
  CHECK_THROWS_AS(ops::max_pool(x, {2, 0, 0}), Error);
  CHECK_THROWS_AS(ops::max_pool(x, {16, 1, 8}), Error);
  CHECK_THROWS_AS(ops::max_pool(Tensor::zeros({1, 0, 2, 6}, DType::f32, test::cpu()), {3, 2, 1}), Error);
  CHECK_THROWS_WITH_AS(ops::max_pool(Tensor::zeros({6}, DType::f32, test::cpu()), {2, 2, 0}),
                       "max_pool: x is [6], want [n, h, w, c]", Error);
}
