#include "ops/elementwise.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/node.h"
#include "ops/cast.h"
#include "ops/reduce.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

const std::vector<int64_t> kLengths = {0, 1, 31, 32, 33, 257, 40000};
/// Half a step of a 16-bit type, relative.
double half_step(DType dtype) { return dtype == DType::bf16 ? 0x1p-8 : 0x1p-11; }

std::vector<double> host(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

/// Values of an op at odd lengths, aligned and not, and its gradients in double.
template <class Op, class F>
void check_map(Op op, F reference, double tolerance, DType dtype = DType::f32) {
  for (Device* device : test::devices(test::Against::reference))
    for (const int64_t n : kLengths)
      for (const int64_t skipped : {0, 1}) {
        const test::Sizes sizes{n};
        CAPTURE(n);
        CAPTURE(skipped);
        const Tensor x = test::uniform({n + skipped}, -6, 6, dtype, *device).narrowed(skipped, n);
        const std::vector<double> y = host(op(x));
        const std::vector<double> in = host(x);
        REQUIRE(y.size() == in.size());
        double worst = 0;
        for (size_t i = 0; i < y.size(); ++i) {
          const double want = reference(in[i]);
          worst = std::max(worst, std::abs(y[i] - want) / std::max(1.0, std::abs(want)));
        }
        CHECK(worst <= tolerance);
        if (n > 0 && n < 1000 && dtype == DType::f32) {
          const auto check = test::check_gradients([&](const auto& t) { return op(t[0]); }, {x.to(DType::f64)});
          CHECK_MESSAGE(check.worst < 1e-7, check.where);
        }
      }
}

/// Gradient of sum(op(x) * w) with respect to x, w and x drawn.
template <class Op>
std::vector<double> gradient_of(Op op, int64_t n, DType dtype, Device& device) {
  Tensor x = test::uniform({n + 1}, -2, 2, dtype, device, 5).narrowed(1, n);  // not aligned
  autograd::set_requires_grad(x, true);
  const Tensor y = ops::cast(op(x), DType::f32);
  autograd::backward(ops::weighted_sum(y, test::uniform({n}, -1, 1, DType::f32, device, 6)));
  CHECK(autograd::grad(x).dtype() == dtype);
  return host(autograd::grad(x));
}

const auto kRelu = [](const Tensor& x) { return ops::relu(x); };
const auto kExp = [](const Tensor& x) { return ops::exp(x); };
const auto kSigmoid = [](const Tensor& x) { return ops::sigmoid(x); };
const auto kScale = [](const Tensor& x) { return ops::scale(x, -2.5); };
const auto kAdd = [](const Tensor& x) { return ops::add(x, x); };

}  // namespace

TEST_CASE("maps agree with their formulas and their own differences") {
  // 3e-7: expf is good to 2 ulp, and one division follows.
  check_map(
      kExp, [](double v) { return std::exp(v); }, 3e-7);
  check_map(
      kSigmoid, [](double v) { return 1 / (1 + std::exp(-v)); }, 3e-7);
  check_map(
      kRelu, [](double v) { return v > 0 ? v : 0; }, 0);
  check_map(
      kScale, [](double v) { return -2.5 * v; }, 1e-7);
  check_map(
      kAdd, [](double v) { return 2 * v; }, 0);
}

TEST_CASE("maps of bf16 and f16 are rounded once; their exponentials are f32") {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    check_map(
        kExp, [](double v) { return std::exp(v); }, 3e-7, dtype);
    check_map(
        kSigmoid, [](double v) { return 1 / (1 + std::exp(-v)); }, 3e-7, dtype);
    check_map(
        kRelu, [](double v) { return v > 0 ? v : 0; }, 0, dtype);
    check_map(
        kScale, [](double v) { return -2.5 * v; }, half_step(dtype), dtype);
    check_map(
        kAdd, [](double v) { return 2 * v; }, 0, dtype);
  }
}

TEST_CASE("f16 overflows to infinity and keeps its subnormals on every device") {
  for (Device* device : test::devices()) {
    const Tensor x = Tensor::from(std::vector<float>{60000, -60000, 0x1p-23F, 3 * 0x1p-24F}, {4}, *device);
    const Tensor h = ops::cast(x, DType::f16);
    CHECK(host(ops::add(h, h)) == std::vector<double>{INFINITY, -INFINITY, 0x1p-22, 6 * 0x1p-24});
    CHECK(host(ops::scale(h, 0.5)) == std::vector<double>{30000, -30000, 0x1p-24, 2 * 0x1p-24});  // 1.5 steps: to even
  }
}

TEST_CASE("gradients of every type are the same on all devices") {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::f64})
    for (Device* device : test::devices(test::Against::cpu))
      for (const int64_t n : {0, 1, 31, 32, 33, 257}) {
        const test::Sizes sizes{n};
        CHECK(gradient_of(kRelu, n, dtype, *device) == gradient_of(kRelu, n, dtype, test::cpu()));
        CHECK(gradient_of(kScale, n, dtype, *device) == gradient_of(kScale, n, dtype, test::cpu()));
        CHECK(gradient_of(kAdd, n, dtype, *device) == gradient_of(kAdd, n, dtype, test::cpu()));
        const auto got = gradient_of(kSigmoid, n, dtype, *device), want = gradient_of(kSigmoid, n, dtype, test::cpu());
        // The two devices' expf differ by 2 ulp, which may turn one rounding to 16 bits.
        const double off = is_half(dtype) ? half_step(dtype) : 1e-6;
        for (size_t i = 0; i < got.size(); ++i) CHECK(std::abs(got[i] - want[i]) < off);
      }
}

TEST_CASE("add, exp_scaled, reshape, narrow and concat_levels have the right gradients") {
  for (Device* device : test::devices()) {
    Device& dev = *device;
    const Tensor a = test::uniform({3, 5}, -1, 1, DType::f64, dev, 1);
    const Tensor b = test::uniform({3, 5}, -1, 1, DType::f64, dev, 2);
    const Tensor s = test::uniform({1}, 0.5, 1, DType::f64, dev, 3);
    CHECK(test::check_gradients([](const auto& in) { return ops::add(in[0], in[1]); }, {a, b}).worst < 1e-8);
    CHECK(test::check_gradients([](const auto& in) { return ops::exp_scaled(in[0], in[1]); }, {a, s}).worst < 1e-7);
    const auto limited = [](const auto& in) { return ops::exp_scaled(in[0], in[1], 0.3); };
    CHECK(test::check_gradients(limited, {a, s}).worst < 1e-7);
    CHECK(test::check_gradients(
              [](const auto& in) {
                return ops::narrow(ops::reshape(in[0], {5, 3}), 1, 2);
              },
              {a})
              .worst < 1e-8);
    const Tensor p3 = test::uniform({2, 3, 2, 4}, -1, 1, DType::f64, dev, 4);
    const Tensor p4 = test::uniform({2, 1, 2, 4}, -1, 1, DType::f64, dev, 5);
    CHECK(test::check_gradients([](const auto& in) { return ops::concat_levels(in); }, {p3, p4}).worst < 1e-8);
  }
}

TEST_CASE("exp_scaled and its scale's gradient follow their formulas at odd lengths") {
  constexpr double kLimit = 2.5;
  for (Device* device : test::devices(test::Against::reference))
    for (const int64_t n : kLengths) {
      const test::Sizes sizes{n};
      CAPTURE(n);
      Tensor x = test::uniform({n + 1}, -3, 3, DType::f32, *device, 8).narrowed(1, n);
      Tensor s = Tensor::full({1}, 1.25, DType::f32, *device);
      autograd::set_requires_grad(x, true);
      autograd::set_requires_grad(s, true);
      const Tensor y = ops::exp_scaled(x, s, kLimit);
      const Tensor w = test::uniform({n}, -1, 1, DType::f32, *device, 9);
      autograd::backward(ops::weighted_sum(y, w));
      const auto vx = host(x), vy = host(y), vw = host(w), dx = host(autograd::grad(x));
      double worst = 0, ds = 0, size = 1;
      for (size_t i = 0; i < vx.size(); ++i) {
        const double z = 1.25 * vx[i], want = std::exp(std::min(z, kLimit));
        const double dz = z < kLimit ? vw[i] * want : 0;
        worst = std::max({worst, std::abs(vy[i] - want) / want, std::abs(dx[i] - dz * 1.25) / std::max(1.0, want)});
        ds += dz * vx[i];
        size += std::abs(dz * vx[i]);
      }
      CHECK(worst < 1e-6);  // a rounding of z times exp's slope, expf's own 2 ulp, two more roundings
      CHECK(std::abs(host(autograd::grad(s))[0] - ds) < 1e-6 * size);
    }
}

TEST_CASE("exp_scaled agrees between devices, forward and backward") {
  const auto run = [](Device& device, int64_t n, DType dtype) {
    Tensor x = test::uniform({n + 1}, -3, 3, dtype, device, 8).narrowed(1, n);
    Tensor s = Tensor::full({1}, 1.25, dtype, device);
    autograd::set_requires_grad(x, true);
    autograd::set_requires_grad(s, true);
    const Tensor y = ops::exp_scaled(x, s, 2.5);
    autograd::backward(ops::weighted_sum(y, test::uniform({n}, -1, 1, dtype, device, 9)));
    return std::vector{host(y), host(autograd::grad(x)), host(autograd::grad(s))};
  };
  for (Device* device : test::devices(test::Against::cpu))
    for (const DType dtype : {DType::f32, DType::f64})
      for (const int64_t n : kLengths) {
        CAPTURE(n);
        const test::Sizes sizes{n};
        const auto got = run(*device, n, dtype), want = run(test::cpu(), n, dtype);
        // ds is a sum of n terms below 40; a double exponential is the library's.
        for (size_t i = 0; i < got.size(); ++i) {
          const double off = i < 2 && dtype == DType::f32 ? 0 : dtype == DType::f32 ? 5e-7 : 1e-14;
          for (size_t e = 0; e < got[i].size(); ++e)
            CHECK(std::abs(got[i][e] - want[i][e]) <= off * std::max(i == 2 ? double(n) : 1.0, std::abs(want[i][e])));
        }
      }
}

TEST_CASE("concat_levels and its gradient agree between devices at odd sizes") {
  const auto run = [](Device& device, int64_t n) {
    std::vector<Tensor> levels{test::uniform({2, 1, 1, n}, -1, 1, DType::f32, device, 1),
                               test::uniform({2, 2, 3, n}, -1, 1, DType::f32, device, 2)};
    for (Tensor& x : levels) autograd::set_requires_grad(x, true);
    const Tensor joined = ops::concat_levels(levels);
    autograd::backward(ops::weighted_sum(joined, test::uniform(joined.shape(), -1, 1, DType::f32, device, 3)));
    return std::vector{host(joined), host(autograd::grad(levels[0])), host(autograd::grad(levels[1]))};
  };
  for (Device* device : test::devices(test::Against::cpu))
    for (const int64_t n : {0, 1, 31, 32, 33, 257}) {
      CAPTURE(n);
      const test::Sizes sizes{n};
      CHECK(run(*device, n) == run(test::cpu(), n));
    }
}

TEST_CASE("concat_levels joins levels of any type image by image, and hands each its gradient") {
  const std::vector<Shape> shapes = {{3, 5, 7, 3}, {3, 1, 2, 3}, {3, 0, 4, 3}, {3, 1, 1, 3}};
  for (Device* device : test::devices(test::Against::reference))
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::f64, DType::i32, DType::u8}) {
      std::vector<Tensor> levels;
      std::vector<double> want;
      for (size_t l = 0; l < shapes.size(); ++l) {
        const Shape larger{shapes[l][0] + 1, shapes[l][1], shapes[l][2], shapes[l][3]};
        levels.push_back(test::uniform(larger, 0, 99, dtype, *device, l).narrowed(1, 3));  // not aligned
      }
      for (size_t n = 0; n < 3; ++n)
        for (const Tensor& x : levels) {
          const auto v = host(x.narrowed(static_cast<int64_t>(n), 1));
          want.insert(want.end(), v.begin(), v.end());
        }
      CHECK(host(ops::concat_levels(levels)) == want);
    }
  for (Device* device : test::devices(test::Against::reference))
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      std::vector<Tensor> levels;
      for (const Shape& s : shapes) levels.push_back(test::uniform(s, -1, 1, dtype, *device));
      for (Tensor& x : levels) autograd::set_requires_grad(x, true);
      const Tensor joined = ops::concat_levels(levels);
      const Tensor w = test::uniform(joined.shape(), -1, 1, dtype, *device, 3);
      autograd::backward(ops::weighted_sum(ops::cast(joined, DType::f32), ops::cast(w, DType::f32)));
      std::vector<double> gradients;  // image by image, as they were joined
      for (int64_t n = 0; n < 3; ++n)
        for (const Tensor& x : levels) {
          const auto v = host(autograd::grad(x).narrowed(n, 1));
          gradients.insert(gradients.end(), v.begin(), v.end());
        }
      CHECK(gradients == host(w));
    }
}

TEST_CASE("a tensor used twice gets the sum of its gradients, and a leaf's gradients add up") {
  for (Device* device : test::devices(test::Against::reference))
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::f64}) {
      Tensor x = Tensor::full({257}, 3.0, dtype, *device);
      autograd::set_requires_grad(x, true);
      const auto loss = [&] { return ops::sum(ops::cast(ops::add(ops::scale(x, 2), ops::add(x, x)), DType::f32)); };
      autograd::backward(loss());
      CHECK(host(autograd::grad(x)) == std::vector<double>(257, 4.0));
      autograd::backward(loss());
      CHECK(host(autograd::grad(x)) == std::vector<double>(257, 8.0));
    }
}

TEST_CASE("a gradient that somebody holds is not written to") {
  for (Device* device : test::devices()) {
    Tensor x = Tensor::full({5}, 3.0, DType::f32, *device);
    autograd::set_requires_grad(x, true);
    autograd::backward(ops::sum(ops::scale(x, 2)));
    const Tensor held = autograd::grad(x);
    autograd::backward(ops::sum(ops::scale(x, 3)));
    CHECK(host(held) == std::vector<double>(5, 2.0));
    CHECK(host(autograd::grad(x)) == std::vector<double>(5, 5.0));
    // One gradient for two branches, each of which goes on adding to it.
    autograd::clear_grad(x);
    const Tensor a = ops::scale(x, 2), b = ops::scale(x, 3), both = ops::add(a, b);
    autograd::backward(ops::sum(ops::add(both, ops::add(ops::scale(a, 10), ops::scale(b, 100)))));
    CHECK(host(autograd::grad(x)) == std::vector<double>(5, 11.0 * 2 + 101.0 * 3));
  }
}

TEST_CASE("an edit in place between forward and backward is an error") {
  Tensor x = Tensor::full({4}, 3.0, DType::f64, test::cpu());
  autograd::set_requires_grad(x, true);
  Tensor y = ops::exp(x);
  const Tensor loss = ops::sum(y);
  y.mutable_data<double>()[0] = 0;
  CHECK_THROWS_WITH_AS(
      autograd::backward(loss),
      "exp: f64 [4] cpu was edited in place after the op saved it for backward; clone it before editing", Error);
}

TEST_CASE("no_grad records nothing, and a step's memory is the same the second time") {
  for (Device* device : test::devices()) {
    Tensor x = Tensor::full({64, 64}, 0.1, DType::f32, *device);
    autograd::set_requires_grad(x, true);
    {
      const autograd::NoGrad off;
      CHECK_FALSE(autograd::requires_grad(ops::exp(x)));
    }
    Allocator& memory = device->allocator();
    const auto step = [&] {
      const StepScope scope(memory, 1);
      Tensor y = x;
      for (int i = 0; i < 5; ++i) y = ops::sigmoid(ops::add(y, x));
      autograd::backward(ops::sum(y));
      autograd::clear_grad(x);
    };
    step();
    step();
    const auto before = memory.stats();
    step();
    const auto after = memory.stats();
    CHECK(after.live_bytes == before.live_bytes);
    CHECK(after.raw_allocations == before.raw_allocations);
  }
}

TEST_CASE("Tensor::full fills every type") {
  for (Device* device : test::devices(test::Against::reference))
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::f64, DType::i32, DType::i64, DType::u8})
      for (const int64_t n : {0, 1, 31, 32, 33, 257, 4097}) {
        const test::Sizes sizes{n};
        CHECK(host(Tensor::full({n}, 7, dtype, *device)) == std::vector<double>(static_cast<size_t>(n), 7.0));
      }
}

TEST_CASE("messages name the op and the shapes") {
  Device& dev = test::cpu();
  CHECK_THROWS_WITH_AS(ops::add(Tensor::zeros({2}, DType::f32, dev), Tensor::zeros({3}, DType::f32, dev)),
                       "add: f32 [2] cpu and f32 [3] cpu do not match", Error);
  CHECK_THROWS_WITH_AS(ops::exp(Tensor::zeros({3}, DType::i32, dev)),
                       "exp: x is i32 [3] cpu, want f32, bf16, f16 or f64", Error);
  const Tensor level = Tensor::zeros({1, 1, 1, 1}, DType::f32, dev);
  CHECK_THROWS_WITH_AS(ops::concat_levels(std::vector<Tensor>(9, level)), "concat_levels: 9 levels, want 1 to 8",
                       Error);
}

TEST_CASE("count_up counts in place") {
  for (Device* device : test::devices(test::Against::both)) {  // the CPU counts the same in its turn
    CAPTURE(device->name());
    Tensor counter = Tensor::zeros(Shape{}, DType::i64, *device);
    const uint64_t version = counter.version();
    for (int i = 0; i < 3; ++i) ops::count_up(counter);
    CHECK(counter.to_vector<int64_t>() == std::vector<int64_t>{3});
    CHECK(counter.version() > version);
    Tensor wrong = Tensor::zeros({2}, DType::i64, *device);
    CHECK_THROWS_WITH_AS(ops::count_up(wrong), doctest::Contains("count_up: counter is i64 [2]"), Error);
  }
}
