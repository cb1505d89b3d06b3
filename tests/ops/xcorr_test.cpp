#include "ops/xcorr.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>

#include "autograd/node.h"
#include "ops/cast.h"
#include "ops/reduce.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

using Values = std::vector<double>;

struct Case {
  int64_t n, kernels, h, w, kh, kw, c;
};
// The tracker's sizes 4x4 to 7x7 on both sides of a tile of 5 outputs and of 32 channels, and sizes nobody uses.
const std::vector<Case> kCases = {{1, 1, 9, 9, 5, 5, 33},   {2, 2, 7, 12, 5, 5, 7},  {3, 1, 6, 5, 5, 5, 5},
                                  {1, 1, 13, 8, 7, 7, 31},  {2, 2, 7, 7, 7, 7, 32},  {2, 1, 8, 13, 6, 6, 17},
                                  {1, 1, 12, 11, 4, 4, 64}, {2, 2, 7, 6, 3, 2, 3},   {2, 1, 4, 17, 1, 9, 5},
                                  {2, 2, 1, 1, 1, 1, 257},  {1, 1, 5, 31, 5, 1, 16}, {0, 1, 6, 6, 5, 5, 8},
                                  {1, 1, 6, 7, 5, 5, 257}};

struct Reference {
  Values y, dsearch, dkernel;
};
/// y and the gradients of sum(y * dy), from the definition.
Reference reference(const Case& k, const Values& search, const Values& kernel, const Values& dy) {
  Reference r{Values(dy.size()), Values(search.size()), Values(kernel.size())};
  size_t at = 0;
  for (int64_t n = 0; n < k.n; ++n)
    for (int64_t o = 0; o + k.kh <= k.h; ++o)
      for (int64_t p = 0; p + k.kw <= k.w; ++p)
        for (int64_t c = 0; c < k.c; ++c, ++at)
          for (int64_t i = 0; i < k.kh; ++i)
            for (int64_t j = 0; j < k.kw; ++j) {
              const auto x = static_cast<size_t>(((n * k.h + o + i) * k.w + p + j) * k.c + c);
              const auto t = static_cast<size_t>((((k.kernels > 1 ? n : 0) * k.kh + i) * k.kw + j) * k.c + c);
              r.y[at] += search[x] * kernel[t];
              r.dsearch[x] += dy[at] * kernel[t];
              r.dkernel[t] += dy[at] * search[x];
            }
  return r;
}

struct Inputs {
  Tensor search, kernel, dy;
};
Inputs inputs(const Case& k, DType dtype, Device& device) {
  return {test::uniform({k.n, k.h, k.w, k.c}, -1, 1, dtype, test::cpu(), 1).to(device),
          test::uniform({k.kernels, k.kh, k.kw, k.c}, -1, 1, dtype, test::cpu(), 2).to(device),
          test::uniform({k.n, k.h - k.kh + 1, k.w - k.kw + 1, k.c}, -1, 1, dtype, test::cpu(), 3).to(device)};
}

Values doubles(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

/// The op's output and gradients for sum(y * dy).
Reference run(Inputs in) {
  autograd::set_requires_grad(in.search, true);
  autograd::set_requires_grad(in.kernel, true);
  const Tensor y = ops::xcorr_depthwise(in.search, in.kernel);
  const DType wide = y.dtype() == DType::f64 ? DType::f64 : DType::f32;
  autograd::backward(ops::weighted_sum(ops::cast(y, wide), ops::cast(in.dy, wide)));
  return {doubles(y), doubles(autograd::grad(in.search)), doubles(autograd::grad(in.kernel))};
}

void check_close(const Values& got, const Values& want, double relative, double absolute) {
  REQUIRE(got.size() == want.size());
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i)
    worst = std::max(worst, std::abs(got[i] - want[i]) / (absolute + relative * std::abs(want[i])));
  CHECK(worst <= 1);
}

}  // namespace

TEST_CASE("cross-correlation and its gradients agree with their formulas") {
  for (Device* device : test::devices(test::Against::reference))
    for (const Case& k : kCases)
      for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
        const test::Sizes sizes{k.n, k.h, k.w, k.c};
        CAPTURE(device->name());
        CAPTURE(k.kh);
        CAPTURE(k.c);
        CAPTURE(dtype_name(dtype));
        const Inputs in = inputs(k, dtype, *device);
        const Reference got = run(in);
        const Reference want = reference(k, doubles(in.search), doubles(in.kernel), doubles(in.dy));
        // Up to 49 products below 1, or 192 for a kernel's gradient, each sum rounded; bf16 keeps 8 bits of the result,
        // f16 11.
        const double relative = dtype == DType::bf16 ? 0x1p-8 : dtype == DType::f16 ? 0x1p-11 : 0;
        const double absolute = dtype == DType::f64 ? 1e-13 : 5e-6;
        check_close(got.y, want.y, relative, absolute);
        check_close(got.dsearch, want.dsearch, relative, absolute);
        check_close(got.dkernel, want.dkernel, relative, absolute);
      }
}

TEST_CASE("cross-correlation and its gradients agree between devices") {
  for (Device* device : test::devices(test::Against::cpu))
    for (const Case& k : kCases)
      for (const DType dtype : {DType::f32, DType::f64}) {
        const test::Sizes sizes{k.n, k.h, k.w, k.c};
        CAPTURE(device->name());
        CAPTURE(k.kh);
        CAPTURE(k.c);
        const Reference got = run(inputs(k, dtype, *device)), want = run(inputs(k, dtype, test::cpu()));
        const double absolute = dtype == DType::f64 ? 1e-13 : 5e-6;  // as above
        check_close(got.y, want.y, 0, absolute);
        check_close(got.dsearch, want.dsearch, 0, absolute);
        check_close(got.dkernel, want.dkernel, 0, absolute);
      }
}

TEST_CASE("gradients of the cross-correlation agree with differences") {
  for (Device* device : test::devices())
    for (const Case& k : {Case{2, 2, 7, 8, 5, 5, 3}, Case{2, 1, 8, 7, 7, 4, 2}}) {
      const Inputs in = inputs(k, DType::f64, *device);
      const auto check = test::check_gradients([](const auto& at) { return ops::xcorr_depthwise(at[0], at[1]); },
                                               {in.search, in.kernel});
      CHECK_MESSAGE(check.worst < 1e-8, check.where);
    }
}

TEST_CASE("views that begin at any element correlate as their copies do") {
  for (Device* device : test::devices(test::Against::itself))
    for (const int64_t side : {5, 3}) {  // the tracker's kernels, and any other
      // A pixel of 33 elements: rows 1 and 2 begin where no vector would.
      const Inputs in = inputs({3, 3, 9, 7, side, side, 33}, DType::f32, *device);
      const Reference view = run({in.search.narrowed(1, 2), in.kernel.narrowed(1, 2), in.dy.narrowed(1, 2)});
      const Reference copy =
          run({in.search.narrowed(1, 2).clone(), in.kernel.narrowed(1, 2).clone(), in.dy.narrowed(1, 2).clone()});
      CHECK(view.y == copy.y);
      CHECK(view.dsearch == copy.dsearch);
      CHECK(view.dkernel == copy.dkernel);
    }
}

TEST_CASE("without images the output is empty and a shared kernel's gradient zero") {
  for (Device* device : test::devices()) {
    const Reference got = run(inputs({0, 1, 9, 9, 5, 5, 8}, DType::f32, *device));
    CHECK(got.y.empty());
    CHECK(got.dsearch.empty());
    CHECK(got.dkernel == Values(200, 0.0));
  }
}

TEST_CASE("infinities outside of an output's window do not reach it") {
  for (Device* device : test::devices()) {
    const Case k{1, 1, 8, 9, 5, 5, 4};
    Values search = doubles(inputs(k, DType::f32, *device).search);
    search.back() = INFINITY;  // of the last pixel: the last window alone holds it
    const Inputs in = inputs(k, DType::f32, *device);
    const Tensor y = ops::xcorr_depthwise(
        Tensor::from(std::vector<float>(search.begin(), search.end()), in.search.shape(), *device), in.kernel);
    const auto values = y.to_vector<float>();
    for (size_t i = 0; i + 1 < values.size(); ++i) REQUIRE(std::isfinite(values[i]));
    CHECK(std::isinf(values.back()));
  }
}

TEST_CASE("the same bits for any number of threads") {
  const Inputs in = inputs({2, 1, 14, 13, 5, 5, 40}, DType::f32, test::cpu());
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const Reference one = run(in);
  for (const int count : {2, 3, 7}) {
    omp_set_num_threads(count);
    const Reference many = run(in);
    CHECK(many.y == one.y);
    CHECK(many.dsearch == one.dsearch);
    CHECK(many.dkernel == one.dkernel);
  }
  omp_set_num_threads(threads);
}

TEST_CASE("messages of the cross-correlation") {
  Device& dev = test::cpu();
  const auto zeros = [&](const Shape& shape, DType dtype = DType::f32) { return Tensor::zeros(shape, dtype, dev); };
  const Tensor search = zeros({2, 9, 9, 4});
  CHECK_THROWS_WITH_AS(ops::xcorr_depthwise(zeros({9, 9, 4}), search),
                       "xcorr_depthwise: search is f32 [9, 9, 4] cpu, want f32, bf16, f16 or f64 [n, h, w, c]", Error);
  CHECK_THROWS_WITH_AS(ops::xcorr_depthwise(search, zeros({2, 5, 5, 4}, DType::f64)),
                       "xcorr_depthwise: kernel is f64 [2, 5, 5, 4] cpu, want f32 [n or 1, kh, kw, c]", Error);
  CHECK_THROWS_WITH_AS(ops::xcorr_depthwise(search, zeros({2, 5, 5, 3})),
                       "xcorr_depthwise: kernel has 3 channels, search has 4", Error);
  CHECK_THROWS_WITH_AS(ops::xcorr_depthwise(search, zeros({3, 5, 5, 4})),
                       "xcorr_depthwise: 3 kernels for 2 search features, want as many or 1", Error);
  CHECK_THROWS_WITH_AS(ops::xcorr_depthwise(search, zeros({2, 10, 5, 4})),
                       "xcorr_depthwise: a kernel of 10x5 does not fit into a search feature of 9x9", Error);
}
