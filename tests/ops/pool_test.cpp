#include "ops/pool.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>

#include "autograd/node.h"
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
                                  {1, 1, 1, 65, 3, 2, 1}, {1, 20, 17, 2, 15, 4, 7}};

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

/// y and dx for dy = 1, 2, 3, ...
std::pair<Tensor, Tensor> run(Tensor x, const Case& k) {
  autograd::set_requires_grad(x, true);
  const Tensor y = ops::max_pool(x, k.kernel, k.stride, k.padding);
  std::vector<double> dy(static_cast<size_t>(y.numel()));
  for (size_t i = 0; i < dy.size(); ++i) dy[i] = static_cast<double>(i + 1);
  autograd::backward(ops::weighted_sum(y, Tensor::from(dy, y.shape(), y.device()).to(y.dtype())));
  return {y, autograd::grad(x)};
}

}  // namespace

TEST_CASE("max_pool takes the largest value, and its gradient goes to the first of equal ones") {
  for (const Case& k : kCases)
    for (const DType dtype : {DType::f32, DType::f64})
      for (const bool ties : {false, true}) {
        CAPTURE(k.c);
        CAPTURE(k.kernel);
        // Whole numbers -3..3 repeat inside a window.
        Tensor x = test::uniform({k.n, k.h, k.w, k.c}, -3, 3, DType::f64, test::cpu());
        if (ties)
          for (int64_t i = 0; i < x.numel(); ++i) x.mutable_data<double>()[i] = std::round(x.data<double>()[i]);
        x = x.to(dtype).clone();
        const Reference want = reference(x.to(DType::f64).to_vector<double>(), k);
        const auto [y, dx] = run(x, k);
        REQUIRE(y.shape() == Shape{k.n, want.h, want.w, k.c});
        CHECK(y.to(DType::f64).to_vector<double>() == want.y);
        std::vector<double> sums(static_cast<size_t>(x.numel()));
        for (size_t i = 0; i < want.from.size(); ++i) sums[want.from[i]] += static_cast<double>(i + 1);
        CHECK(dx.to(DType::f64).to_vector<double>() == sums);  // sums of whole numbers are exact
      }
}

TEST_CASE("max_pool lets NaN and -inf through, and has a right gradient by differences") {
  Tensor x = Tensor::full({1, 2, 4, 1}, -INFINITY, DType::f32, test::cpu());
  x.mutable_data<float>()[1] = NAN;
  const auto y = ops::max_pool(x, 2, 2, 0).to_vector<float>();
  CHECK(std::isnan(y[0]));
  CHECK(y[1] == -INFINITY);
  const Tensor d = test::uniform({1, 7, 6, 3}, -1, 1, DType::f64, test::cpu());
  const auto check = test::check_gradients([](const auto& t) { return ops::max_pool(t[0], 3, 2, 1); }, {d}, 1e-6, 200);
  CHECK_MESSAGE(check.worst < 1e-8, check.where);
}

TEST_CASE("max_pool gives the same bits for any number of threads") {
  const Case k{2, 45, 38, 24, 3, 2, 1};
  const Tensor x = test::uniform({k.n, k.h, k.w, k.c}, -3, 3, DType::f32, test::cpu());
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto one = run(x.clone(), k);
  omp_set_num_threads(2);
  const auto two = run(x.clone(), k);
  omp_set_num_threads(threads);
  CHECK(one.first.to_vector<float>() == two.first.to_vector<float>());
  CHECK(one.second.to_vector<float>() == two.second.to_vector<float>());
}

TEST_CASE("max_pool names what does not fit") {
  const Tensor x = Tensor::zeros({1, 2, 2, 6}, DType::f32, test::cpu());
  CHECK_THROWS_WITH_AS(ops::max_pool(x, 3, 2, 0),
                       "max_pool: no window of 3 with padding 0 fits into x f32 [1, 2, 2, 6] cpu", Error);
  CHECK_THROWS_WITH_AS(
      ops::max_pool(x, 2, 2, 2),
      "max_pool: kernel 2, stride 2, padding 2; want kernel 1..15, stride >= 1 and padding 0..kernel/2", Error);
  CHECK_THROWS_AS(ops::max_pool(x, 2, 0, 0), Error);
  CHECK_THROWS_AS(ops::max_pool(x, 16, 1, 8), Error);
  CHECK_THROWS_AS(ops::max_pool(Tensor::zeros({1, 0, 2, 6}, DType::f32, test::cpu()), 3, 2, 1), Error);
  CHECK_THROWS_WITH_AS(ops::max_pool(Tensor::zeros({6}, DType::f32, test::cpu()), 2, 2, 0),
                       "max_pool: x is f32 [6] cpu, want [n, h, w, c]", Error);
}
