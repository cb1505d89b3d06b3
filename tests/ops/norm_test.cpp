#include "ops/norm.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>
#include <functional>

#include "autograd/node.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

/// Normalises [images, pixels, c] from the definition: two passes, in double.
std::vector<double> reference(const std::vector<double>& x, const std::vector<double>& weight,
                              const std::vector<double>& bias, int64_t images, int64_t pixels, int64_t c,
                              int64_t groups, double eps) {
  std::vector<double> y(x.size());
  const int64_t width = c / groups;
  for (int64_t n = 0; n < images; ++n)
    for (int64_t g = 0; g < groups; ++g) {
      const auto each = [&](const std::function<void(size_t, size_t)>& f) {
        for (int64_t p = 0; p < pixels; ++p)
          for (int64_t i = g * width; i < (g + 1) * width; ++i)
            f(static_cast<size_t>((n * pixels + p) * c + i), static_cast<size_t>(i));
      };
      const auto count = static_cast<double>(pixels * width);
      double mean = 0, variance = 0;
      each([&](size_t at, size_t) { mean += x[at] / count; });
      each([&](size_t at, size_t) { variance += (x[at] - mean) * (x[at] - mean) / count; });
      each([&](size_t at, size_t i) { y[at] = weight[i] * (x[at] - mean) / std::sqrt(variance + eps) + bias[i]; });
    }
  return y;
}

struct Case {
  int64_t n, h, w, c;
  int groups;
};
const std::vector<Case> kCases = {{1, 1, 1, 16, 2},  {2, 1, 2, 3, 1},    {2, 3, 7, 17, 17}, {1, 7, 31, 64, 32},
                                  {2, 31, 33, 1, 1}, {1, 33, 3, 257, 1}, {3, 2, 2, 3, 3},   {2, 33, 31, 4, 2},
                                  {0, 2, 3, 8, 4},   {2, 5, 3, 31, 1},   {2, 3, 5, 33, 11}, {17, 3, 3, 32, 8},
                                  {1, 1, 3, 1044, 4}};

/// Whether finite differences of the case are quick on an emulated device; all cases compare gradients with the CPU's.
bool is_small(const Case& k) { return k.n > 0 && k.n * k.h * k.w * k.c <= 950; }

struct Inputs {
  Tensor x, weight, bias, residual;
};
Inputs inputs(const Case& k, DType dtype, Device& dev) {
  const DType parameters = dtype == DType::f64 ? DType::f64 : DType::f32;
  return {test::uniform({k.n, k.h, k.w, k.c}, -3, 5, dtype, dev, 1), test::uniform({k.c}, -1, 2, parameters, dev, 2),
          test::uniform({k.c}, -1, 1, parameters, dev, 3), test::uniform({k.n, k.h, k.w, k.c}, -2, 2, dtype, dev, 4)};
}

/// The same elements one element further on, so that no pixel begins at a multiple of 16 bytes.
Tensor shifted(const Tensor& x) {
  Tensor wide = Tensor::empty({x.numel() + 1}, x.dtype(), x.device());
  Tensor view = wide.narrowed(1, x.numel()).reshaped(x.shape());
  view.copy_from(x);
  return view;
}

std::vector<double> doubles(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

/// The largest difference after the optional residual and ReLU.
double worst(const Tensor& y, std::vector<double> want, bool relu, const Tensor& residual = {}) {
  const auto got = doubles(y);
  const auto added = residual.defined() ? doubles(residual) : std::vector<double>(got.size());
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double v = want[i] + added[i];
    worst = std::max(worst, std::abs(got[i] - (relu ? std::max(v, 0.0) : v)));
  }
  return worst;
}

/// Gradients of sum(y * w) for all inputs, one after the other.
std::vector<Tensor> gradients(std::vector<Tensor> leaves, const std::function<Tensor(const std::vector<Tensor>&)>& f) {
  for (Tensor& t : leaves) autograd::set_requires_grad(t, true);
  const Tensor y = f(leaves);
  const DType sum_type = y.dtype() == DType::f64 ? DType::f64 : DType::f32;
  // bf16 values whatever the type, so that all types of y get the same gradient.
  const Tensor w = test::uniform(y.shape(), -1, 1, DType::bf16, y.device(), 9).to(sum_type);
  autograd::backward(ops::weighted_sum(ops::cast(y, sum_type), w));
  std::vector<Tensor> result{y};
  for (const Tensor& t : leaves) result.push_back(autograd::grad(t));
  return result;
}

}  // namespace

TEST_CASE("group_norm agrees with its formula, and its gradient with differences") {
  for (Device* device : test::devices(test::Against::reference))
    for (const Case& k : kCases)
      for (const bool relu : {false, true}) {
        const test::Sizes sizes{k.n, k.h, k.w, k.c};
        CAPTURE(device->name());
        CAPTURE(k.c);
        CAPTURE(k.groups);
        const Inputs in = inputs(k, DType::f32, *device);
        const auto want =
            reference(doubles(in.x), doubles(in.weight), doubles(in.bias), k.n, k.h * k.w, k.c, k.groups, 1e-5);
        // A few roundings of values below 8.
        CHECK(worst(ops::group_norm(in.x, in.weight, in.bias, k.groups, 1e-5, relu), want, relu) < 4e-6);
        CHECK(worst(ops::group_norm(shifted(in.x), in.weight, in.bias, k.groups, 1e-5, relu), want, relu) < 4e-6);
        if (!is_small(k)) continue;
        const Inputs d = inputs(k, DType::f64, *device);
        const auto check = test::check_gradients(
            [&](const auto& t) { return ops::group_norm(t[0], t[1], t[2], k.groups, 1e-3, relu); },
            {d.x, d.weight, d.bias}, 1e-6,
            20);  // a small step, so that none of the sampled differences crosses the ReLU's corner
        // The rounding of a mean, the same in all of a group's outputs, is divided by the step.
        CHECK_MESSAGE(check.worst < 1e-5, check.where);
      }
}

TEST_CASE("group_norm keeps its precision when the mean is far above the spread") {
  for (Device* device : test::devices()) {
    const Tensor x = test::uniform({1, 40, 40, 8}, 999, 1001, DType::f32, *device);
    const Tensor weight = Tensor::full({8}, 1, DType::f32, *device);
    const Tensor bias = Tensor::zeros({8}, DType::f32, *device);
    const Tensor y = ops::group_norm(x, weight, bias, 2, 1e-5, false);
    const auto want = reference(doubles(x), doubles(weight), doubles(bias), 1, 1600, 8, 2, 1e-5);
    CHECK(worst(y, want, false) < 5e-4);  // scale * x is near 1700, where a float moves in steps of 1.2e-4
  }
}

TEST_CASE("batch_norm in training: formula, running statistics, gradients with and without a residual") {
  for (Device* device : test::devices(test::Against::reference))
    for (const Case& k : kCases) {
      if (k.n * k.h * k.w < 2) continue;
      const test::Sizes sizes{k.n, k.h, k.w, k.c};
      CAPTURE(device->name());
      CAPTURE(k.c);
      const Inputs in = inputs(k, DType::f32, *device);
      const int64_t count = k.n * k.h * k.w;
      for (const bool relu : {false, true})
        for (const Tensor& residual : {Tensor(), in.residual}) {
          CAPTURE(relu);
          Tensor mean = Tensor::full({k.c}, 0.5, DType::f32, *device);
          Tensor var = Tensor::full({k.c}, 2, DType::f32, *device);
          const Tensor y = ops::batch_norm(in.x, in.weight, in.bias, mean, var, true, 0.1, 1e-5, relu, residual);
          const auto x = doubles(in.x);
          CHECK(worst(y, reference(x, doubles(in.weight), doubles(in.bias), 1, count, k.c, k.c, 1e-5), relu,
                      residual) < 2e-5);  // few values make a large scale
          const auto got_mean = doubles(mean), got_var = doubles(var);
          for (size_t c = 0; c < got_mean.size(); c += 13) {
            double m = 0, v = 0;
            for (size_t i = c; i < x.size(); i += got_mean.size()) m += x[i] / static_cast<double>(count);
            for (size_t i = c; i < x.size(); i += got_mean.size())
              v += (x[i] - m) * (x[i] - m) / static_cast<double>(count - 1);
            CHECK(got_mean[c] == doctest::Approx(0.9 * 0.5 + 0.1 * m).epsilon(1e-6));
            CHECK(got_var[c] == doctest::Approx(0.9 * 2 + 0.1 * v).epsilon(1e-6));
          }
        }
      if (!is_small(k)) continue;
      const Inputs d = inputs(k, DType::f64, *device);
      for (const bool relu : {false, true}) {
        const auto check = test::check_gradients(
            [&](const auto& t) {
              Tensor mean = Tensor::zeros({k.c}, DType::f64, *device);
              Tensor var = Tensor::zeros({k.c}, DType::f64, *device);
              return ops::batch_norm(t[0], t[1], t[2], mean, var, true, 0.1, 0.1, relu, t.size() > 3 ? t[3] : Tensor());
            },
            relu ? std::vector{d.x, d.weight, d.bias, d.residual} : std::vector{d.x, d.weight, d.bias}, 1e-6, 4);
        CHECK_MESSAGE(check.worst < 1e-6, check.where);
      }
    }
}

TEST_CASE("batch_norm in evaluation uses the running statistics, and frozen_norm is the same map") {
  for (Device* device : test::devices(test::Against::reference))
    for (const Case& k : kCases)
      for (const bool relu : {false, true})
        for (const bool with_residual : {false, true}) {
          const test::Sizes sizes{k.n, k.h, k.w, k.c};
          CAPTURE(device->name());
          CAPTURE(k.c);
          const Inputs in = inputs(k, DType::f64, *device);
          Tensor mean = test::uniform({k.c}, -1, 1, DType::f64, *device, 5);
          Tensor var = test::uniform({k.c}, 0.5, 2, DType::f64, *device, 6);
          const auto kept = doubles(var);
          const Tensor residual = with_residual ? in.residual : Tensor();
          const auto f = [&](const std::vector<Tensor>& t) {
            return ops::batch_norm(t[0], t[1], t[2], mean, var, false, 0.1, 1e-5, relu, t.size() > 3 ? t[3] : Tensor());
          };
          std::vector<Tensor> leaves{in.x, in.weight, in.bias};
          if (with_residual) leaves.push_back(residual);
          const Tensor y = f(leaves);
          const auto weight = doubles(in.weight), bias = doubles(in.bias), means = doubles(mean);
          std::vector<double> want = doubles(in.x);
          for (size_t i = 0; i < want.size(); ++i) {
            const size_t c = i % static_cast<size_t>(k.c);
            want[i] = weight[c] * (want[i] - means[c]) / std::sqrt(kept[c] + 1e-5) + bias[c];
          }
          CHECK(worst(y, want, relu, residual) < 1e-13);
          CHECK(doubles(var) == kept);
          if (is_small(k)) {
            const auto check = test::check_gradients(f, leaves, 1e-6, 4);
            CHECK_MESSAGE(check.worst < 1e-6, check.where);
          }

          const ops::FoldedNorm folded = ops::fold_norm(in.weight, in.bias, mean, var, 1e-5);
          const auto frozen = [&](const std::vector<Tensor>& t) {
            return ops::frozen_norm(t[0], folded.scale, folded.shift, relu, t.size() > 1 ? t[1] : Tensor());
          };
          std::vector<Tensor> maps{in.x};
          if (with_residual) maps.push_back(residual);
          CHECK(doubles(frozen(maps)) == doubles(y));
          if (!is_small(k)) continue;
          const auto own = test::check_gradients(frozen, maps, 1e-6, 4);
          CHECK_MESSAGE(own.worst < 1e-6, own.where);
        }
}

TEST_CASE("norms agree between devices, from unaligned maps too, and in 16 bits are those of f32 rounded") {
  // y and all gradients of the three norms, on one device, from x and residual as they come.
  const auto all = [](const Inputs& in, const Case& k, bool relu) {
    Tensor mean = test::uniform(in.weight.shape(), -1, 1, DType::f32, in.x.device(), 5);
    Tensor var = test::uniform(in.weight.shape(), 0.5, 2, DType::f32, in.x.device(), 6);
    std::vector<Tensor> results;
    const auto add = [&](const std::vector<Tensor>& more) { results.insert(results.end(), more.begin(), more.end()); };
    add(gradients({in.x, in.weight, in.bias},
                  [&](const auto& t) { return ops::group_norm(t[0], t[1], t[2], k.groups, 1e-2, relu); }));
    for (const bool training : {true, false})
      add(gradients({in.x, in.weight, in.bias, in.residual}, [&](const auto& t) {
        return ops::batch_norm(t[0], t[1], t[2], mean, var, training, 0.1, 1e-2, relu, t[3]);
      }));
    add(gradients({in.x, in.residual},
                  [&](const auto& t) { return ops::frozen_norm(t[0], in.weight, in.bias, relu, t[1]); }));
    add({mean, var});
    return results;
  };
  const auto moved = [](const Inputs& in, bool aligned) {
    return Inputs{aligned ? in.x.clone() : shifted(in.x), in.weight.clone(), in.bias.clone(),
                  aligned ? in.residual.clone() : shifted(in.residual)};
  };
  for (Device* device : test::devices(test::Against::cpu))
    for (const Case& k : kCases)
      for (const DType dtype : {DType::f32, DType::bf16, DType::f16})
        for (const bool relu : {false, true})
          for (const bool aligned : {true, false}) {
            if (k.n * k.h * k.w < 2 || (!relu && !aligned)) continue;
            const test::Sizes sizes{k.n, k.h, k.w, k.c};
            CAPTURE(device->name());
            CAPTURE(k.c);
            CAPTURE(relu);
            Inputs wide = inputs(k, dtype, test::cpu());
            wide.x = wide.x.to(DType::f32).clone();
            wide.residual = wide.residual.to(DType::f32).clone();
            const auto want = all(wide, k, relu);
            const auto got = all(moved(inputs(k, dtype, *device), aligned), k, relu);
            REQUIRE(got.size() == want.size());
            for (size_t i = 0; i < got.size(); ++i) {
              CAPTURE(i);
              // Sums in another order move a scale by its last bit, and a 16-bit result by a step (bf16: 2^-8, f16:
              // 2^-11) if it lay at a boundary.
              const DType type = got[i].dtype();
              const double tolerance = type == DType::bf16 ? 1.0 / 250 : type == DType::f16 ? 1.0 / 2000 : 2e-6;
              const auto a = doubles(got[i]), b = doubles(want[i]);
              REQUIRE(a.size() == b.size());
              double off = 0;
              for (size_t e = 0; e < a.size(); ++e)
                off = std::max(off, std::abs(a[e] - b[e]) / std::max(1.0, std::abs(b[e])));
              CHECK(off <= tolerance);
            }
          }
}

TEST_CASE("frozen_norm has the same bits on every device, also where a thread takes several rows") {
  const Case k{1, 41, 100, 129, 1};
  const auto run = [&](Device& device) {
    const Inputs in = inputs(k, DType::f32, device);
    std::vector<std::vector<double>> bits;
    for (const Tensor& residual : {Tensor(), in.residual}) {
      std::vector<Tensor> leaves{in.x};
      if (residual.defined()) leaves.push_back(residual);
      for (const Tensor& t : gradients(leaves, [&](const auto& l) {
             return ops::frozen_norm(l[0], in.weight, in.bias, true, l.size() > 1 ? l[1] : Tensor());
           }))
        bits.push_back(doubles(t));
    }
    return bits;
  };
  const auto want = run(test::cpu());
  for (Device* device : test::devices()) CHECK(run(*device) == want);
}

TEST_CASE("norms give the same bits for any number of threads") {
  const Case k{2, 67, 45, 48, 8};
  const Inputs in = inputs(k, DType::f32, test::cpu());
  const auto all = [&] {
    auto a = gradients({in.x, in.weight, in.bias},
                       [&](const auto& t) { return ops::group_norm(t[0], t[1], t[2], k.groups, 1e-5, true); });
    const auto b = gradients({in.x, in.weight, in.bias, in.residual}, [&](const auto& t) {
      Tensor mean = Tensor::zeros({k.c}, DType::f32, test::cpu());
      Tensor var = Tensor::zeros({k.c}, DType::f32, test::cpu());
      return ops::batch_norm(t[0], t[1], t[2], mean, var, true, 0.1, 1e-5, true, t[3]);
    });
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto one = all();
  omp_set_num_threads(2);
  const auto two = all();
  omp_set_num_threads(threads);
  REQUIRE(one.size() == 9);
  for (size_t i = 0; i < one.size(); ++i) CHECK(one[i].to_vector<float>() == two[i].to_vector<float>());
}

TEST_CASE("a norm's gradient skips what nobody wants") {
  for (Device* device : test::devices()) {
    const Inputs in = inputs({2, 5, 3, 16, 4}, DType::f32, *device);
    Tensor weight = in.weight.clone();
    autograd::set_requires_grad(weight, true);
    autograd::backward(ops::sum(ops::group_norm(in.x, weight, in.bias, 4, 1e-5, true)));
    CHECK(autograd::grad(weight).defined());
    Tensor residual = in.residual.clone();
    autograd::set_requires_grad(residual, true);
    autograd::backward(ops::sum(ops::frozen_norm(in.x, in.weight, in.bias, true, residual)));
    CHECK(autograd::grad(residual).defined());
  }
}

TEST_CASE("a NaN is not hidden by the ReLU") {
  for (Device* device : test::devices()) {
    const Tensor x = Tensor::from(std::vector<float>{NAN, 0}, {1, 1, 2, 1}, *device);
    const Tensor one = Tensor::full({1}, 1, DType::f32, *device);
    const auto y = ops::frozen_norm(x, one, one, true).to_vector<float>();
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == 1);
  }
}

TEST_CASE("norms name what does not fit") {
  Device& dev = test::cpu();
  const Tensor x = Tensor::zeros({1, 2, 2, 6}, DType::f32, dev);
  Tensor c6 = Tensor::zeros({6}, DType::f32, dev);
  Tensor c4 = Tensor::zeros({4}, DType::f32, dev);
  CHECK_THROWS_WITH_AS(ops::group_norm(x, c4, c6, 2, 1e-5, true),
                       "group_norm: weight is f32 [4] cpu, want f32 [6] for x f32 [1, 2, 2, 6] cpu", Error);
  CHECK_THROWS_WITH_AS(ops::group_norm(x, c6, c6, 4, 1e-5, true),
                       "group_norm: 4 groups do not divide the 6 channels of x f32 [1, 2, 2, 6] cpu", Error);
  CHECK_THROWS_AS(ops::group_norm(x, c6, c6, 0, 1e-5, true), Error);
  CHECK_THROWS_AS(ops::group_norm(Tensor::zeros({2, 0, 2, 6}, DType::f32, dev), c6, c6, 2, 1e-5, true), Error);
  CHECK_THROWS_WITH_AS(ops::group_norm(c6, c6, c6, 2, 1e-5, true),
                       "group_norm: x is f32 [6] cpu, want [n, h, w, c] with c >= 1", Error);
  CHECK_THROWS_WITH_AS(
      ops::batch_norm(Tensor::zeros({1, 1, 1, 6}, DType::f32, dev), c6, c6, c6, c6, true, 0.1, 1e-5, false),
      "batch_norm: x f32 [1, 1, 1, 6] cpu has 1 value(s) a channel, training wants two or more; enlarge "
      "the batch or the image",
      Error);
  CHECK_THROWS_WITH_AS(
      ops::batch_norm(x, c6, c6, c6, c6, false, 0.1, 1e-5, true, Tensor::zeros({1, 2, 1, 6}, DType::f32, dev)),
      "batch_norm: residual f32 [1, 2, 1, 6] cpu does not match x f32 [1, 2, 2, 6] cpu", Error);
  CHECK_THROWS_WITH_AS(ops::fold_norm(c6, c6, c4, c6, 1e-5), "fold_norm: f32 [4] cpu does not match weight f32 [6] cpu",
                       Error);
  autograd::set_requires_grad(c6, true);
  CHECK_THROWS_WITH_AS(
      ops::frozen_norm(x, c6, Tensor::zeros({6}, DType::f32, dev), true),
      "frozen_norm: scale and shift are constants but one wants a gradient; use batch_norm with training off", Error);
}
