// Results that take the place of an input which nobody else holds.
#include <doctest/doctest.h>

#include <functional>

#include "autograd/node.h"
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/norm.h"
#include "ops/pool.h"
#include "ops/reduce.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

using Op = std::function<Tensor(Tensor)>;

std::vector<float> values(const Tensor& t) { return t.to_vector<float>(); }

Tensor random(const Shape& shape, Device& device) { return test::uniform(shape, -2, 3, DType::f32, device); }

/// The op on an x that somebody else holds, and on one that is given away: the same bits, and where that may be so on
/// the CPU, the same memory. A leaf that wants a gradient keeps its values.
void check_in_place(Device& device, const Shape& shape, const Op& op, bool with_gradient) {
  CAPTURE(device.name());
  const Tensor x = random(shape, device);
  const auto before = values(x);
  const Tensor apart = op(x);
  CHECK_FALSE(apart.shares_storage_with(x));
  CHECK(values(x) == before);
  for (const bool learns : {false, true}) {
    Tensor given = x.clone();
    if (learns) autograd::set_requires_grad(given, true);
    const uint64_t storage = given.storage_id();
    const Tensor y = op(std::move(given));
    CHECK(values(y) == values(apart));
    CHECK((y.storage_id() == storage) == (device.kind() == DeviceKind::cpu && (!learns || with_gradient)));
  }
}

}  // namespace

TEST_CASE("in place: a norm, a ReLU and distances take the place of an input that is given away") {
  for (Device* device : test::devices())
    for (const Shape& shape : {Shape{2, 3, 5, 8}, Shape{1, 33, 31, 40}}) {
      const Tensor weight = random({shape[3]}, *device), bias = random({shape[3]}, *device);
      for (const bool relu : {false, true})
        check_in_place(
            *device, shape, [&](Tensor x) { return ops::group_norm(std::move(x), weight, bias, 4, 1e-5, relu); },
            /*with_gradient=*/false);
      check_in_place(
          *device, shape, [](Tensor x) { return ops::relu(std::move(x)); }, /*with_gradient=*/true);
      const Tensor scale = Tensor::full(Shape{}, 0.5, DType::f32, *device);
      check_in_place(
          *device, shape, [&](Tensor x) { return ops::exp_scaled(std::move(x), scale); }, /*with_gradient=*/false);
    }
}

TEST_CASE("in place: a convolution writes over a residual that is given away, and gradients are the same") {
  struct Case {
    int64_t h, w, c, k, kernel;
  };
  // Plain and odd 1x1, direct and Winograd 3x3.
  for (Device* device : test::devices())
    for (const Case& t : {Case{5, 7, 16, 64, 1}, Case{3, 3, 5, 7, 1}, Case{4, 5, 3, 5, 3}, Case{19, 18, 32, 48, 3}}) {
      CAPTURE(t.k);
      CAPTURE(device->name());
      const ops::Conv2dOptions options{.padding = t.kernel / 2};
      const Tensor w = random({t.k, t.kernel, t.kernel, t.c}, *device);
      const auto run = [&](bool give, uint64_t* storage) {
        Tensor x = random({2, t.h, t.w, t.c}, *device);
        Tensor residual = random({2, t.h, t.w, t.k}, *device);
        const Tensor held = give ? Tensor() : residual;
        autograd::set_requires_grad(x, true);
        autograd::set_requires_grad(residual, true);
        *storage = residual.storage_id();
        return std::pair(ops::conv2d(x, w, options, {.residual = std::move(residual), .relu = true}), x);
      };
      uint64_t storage = 0;
      const auto [apart, x] = run(false, &storage);
      CHECK(apart.storage_id() != storage);
      const auto [over, same_x] = run(true, &storage);
      CHECK((over.storage_id() == storage) == (device->kind() == DeviceKind::cpu));
      CHECK(values(over) == values(apart));
      autograd::backward(ops::sum(apart));
      autograd::backward(ops::sum(over));
      CHECK(values(autograd::grad(x)) == values(autograd::grad(same_x)));
    }
}

TEST_CASE("in place: an input that two tensors hold stays as it is") {
  Device& device = test::cpu();
  Tensor x = random({1, 4, 4, 8}, device);
  const Tensor part = x.narrowed(0, 1);
  const auto before = values(part);
  const Tensor y = ops::relu(std::move(x));
  CHECK_FALSE(y.shares_storage_with(part));
  CHECK(values(part) == before);
}

TEST_CASE("in place: a max-pool that keeps no taps gives the same bits") {
  for (Device* device : test::devices())
    for (const auto& [kernel, stride, padding] : {std::tuple(3, 2, 1), std::tuple(2, 2, 0), std::tuple(5, 1, 2)}) {
      Tensor x = random({2, 9, 11, 67}, *device);
      const auto without = values(ops::max_pool(x, {kernel, stride, padding}));
      autograd::set_requires_grad(x, true);
      CHECK(without == values(ops::max_pool(x, {kernel, stride, padding})));
    }
}
