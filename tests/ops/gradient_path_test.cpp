// What a gradient meets on its way from one op to the next: other gradients of the same tensor, and the mask of a ReLU.
// They are taken along by whoever writes it, which must change no bit.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "autograd/accumulate.h"
#include "autograd/node.h"
#include "cpu/conv.h"
#include "ops/cast.h"
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/pool.h"
#include "ops/reduce.h"
#include "ops/resize.h"
#include "tensor/error.h"
#include "tensor/profiler.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

std::vector<double> values(const Tensor& t) { return t.to(test::cpu()).to(DType::f64).to_vector<double>(); }

Tensor random(const Shape& shape, DType dtype, Device& device, uint64_t seed) {
  return test::uniform(shape, -1, 1, DType::f32, test::cpu(), seed).to(dtype).to(device);
}

/// A backbone's stage and what follows: a block with a projection (its 1x1 with a stride), a plain block, and a lateral
/// convolution of the first block's result, which so has three consumers.
struct Stage {
  std::vector<Tensor> weights;
  Tensor x;
  ops::Conv2dOptions inner;  // of the second block's middle convolution

  Stage(DType dtype, Device& device, int64_t kernel, int64_t dilation)
      : x(random({2, 13, 18, 24}, dtype, device, 1)), inner{.padding = dilation * (kernel / 2), .dilation = dilation} {
    const DType parameter = dtype == DType::f64 ? dtype : DType::f32;
    uint64_t seed = 2;
    for (const auto& [k, size, c] :
         {std::tuple(16, 1, 24), std::tuple(20, 3, 16), std::tuple(48, 1, 20), std::tuple(48, 1, 24),
          std::tuple(16, 1, 48), std::tuple(20, static_cast<int>(kernel), 16), std::tuple(48, 1, 20),
          std::tuple(17, 1, 48)})
      weights.push_back(random({k, size, size, c}, parameter, device, seed++));
    for (Tensor& w : weights) autograd::set_requires_grad(w, true);
    autograd::set_requires_grad(x, true);
  }

  /// `hide` stands between any two ops: the identity, or something that no op looks through.
  template <class Hide>
  std::vector<Tensor> gradients(const Hide& hide) const {
    const auto& w = weights;
    Tensor y = hide(ops::relu(hide(x)));
    Tensor shortcut = hide(ops::conv2d(y, w[3], {.stride = 2}));
    Tensor z = hide(ops::conv2d(y, w[0], {}, {.relu = true}));
    z = hide(ops::conv2d(z, w[1], {.stride = 2, .padding = 1}, {.relu = true}));
    const Tensor first = hide(ops::conv2d(z, w[2], {}, {.residual = shortcut, .relu = true}));
    z = hide(ops::conv2d(first, w[4], {}, {.relu = true}));
    z = hide(ops::conv2d(z, w[5], inner, {.relu = true}));
    const Tensor second = hide(ops::conv2d(z, w[6], {}, {.residual = first, .relu = true}));
    const Tensor lateral = hide(ops::conv2d(first, w[7], {}));
    const auto loss = [&](const Tensor& t, uint64_t seed) {
      return ops::weighted_sum(ops::cast(t, DType::f32), random(t.shape(), DType::f32, t.device(), seed));
    };
    const auto f64_loss = [&](const Tensor& t, uint64_t seed) {
      return ops::weighted_sum(t, random(t.shape(), DType::f32, t.device(), seed).to(DType::f64));
    };
    const bool wide = x.dtype() == DType::f64;
    autograd::backward(wide ? ops::add(f64_loss(second, 20), f64_loss(lateral, 21))
                            : ops::add(loss(second, 20), loss(lateral, 21)));
    std::vector<Tensor> all = {autograd::grad(x)};
    for (const Tensor& t : weights) all.push_back(autograd::grad(t));
    return all;
  }
};

Tensor as_it_is(const Tensor& t) { return t; }
Tensor hidden(const Tensor& t) { return ops::scale(t, 1); }

}  // namespace

TEST_CASE("gradient path: sums and masks on the way give the bits of separate passes") {
  for (Device* device : test::devices())
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64})
      for (const auto& [kernel, dilation] : {std::pair(3, 1), std::pair(3, 2), std::pair(1, 1)}) {
        CAPTURE(device->name());
        CAPTURE(dtype_name(dtype));
        CAPTURE(kernel);
        const auto got = Stage(dtype, *device, kernel, dilation).gradients(as_it_is);
        const auto want = Stage(dtype, *device, kernel, dilation).gradients(hidden);
        REQUIRE(got.size() == want.size());
        for (size_t i = 0; i < got.size(); ++i) {
          CAPTURE(i);
          CHECK(values(got[i]) == values(want[i]));
        }
      }
}

TEST_CASE("gradient path: bottlenecks in f32 on the CPU leave no pass over a gradient besides their convolutions") {
  Device& device = test::cpu();
  const auto count = [&](const char* name, const std::vector<Span>& spans) {
    return std::ranges::count_if(spans, [&](const Span& s) { return std::string(s.name) == name; });
  };
  const Tensor weights[] = {random({64, 1, 1, 256}, DType::f32, device, 1),
                            random({64, 3, 3, 64}, DType::f32, device, 2),
                            random({256, 1, 1, 64}, DType::f32, device, 3)};
  Tensor x = random({1, 24, 24, 256}, DType::f32, device, 4);
  autograd::set_requires_grad(x, true);
  Tensor y = ops::relu(x);
  constexpr int kBlocks = 3;
  for (int block = 0; block < kBlocks; ++block) {
    const Tensor inner =
        ops::conv2d(ops::conv2d(y, weights[0], {}, {.relu = true}), weights[1], {.padding = 1}, {.relu = true});
    y = ops::conv2d(inner, weights[2], {}, {.residual = y, .relu = true});
  }
  const Tensor loss = ops::sum(y);
  Profiler profiler(device);
  autograd::backward(loss);
  const auto spans = profiler.take();
  if (!cpu::conv_fuses(static_cast<cpu::CpuDevice&>(device), {.n = 1, .h = 24, .w = 24, .c = 256, .k = 64}, DType::f32)
           .cut)
    return;  // a processor without AVX2
  CHECK(count("gradient sum", spans) == 0);
  CHECK(count("conv2d mask gradient", spans) == 1);  // the last block's, whose gradient the loss made
}

TEST_CASE("gradient path: consumers in any order") {
  // 1x1, strided 1x1 (which writes every second pixel), 3x3 by Winograd, 3x3 that only oneDNN does.
  for (Device* device : test::devices()) {
    const Tensor one = random({16, 1, 1, 20}, DType::f32, *device, 1),
                 three = random({16, 3, 3, 20}, DType::f32, *device, 2);
    std::vector<int> order = {0, 1, 2, 3};
    do {
      CAPTURE(order);
      const auto gradient = [&](const auto& hide) {
        Tensor x = random({1, 17, 22, 20}, DType::f32, *device, 3);
        autograd::set_requires_grad(x, true);
        const Tensor y = hide(ops::relu(x));
        Tensor loss;
        for (const int which : order) {
          const ops::Conv2dOptions options{.stride = which % 2 ? 2 : 1, .padding = which / 2};
          const Tensor z = ops::conv2d(y, which < 2 ? one : three, options);
          const Tensor part = ops::weighted_sum(z, random(z.shape(), DType::f32, *device, 4));
          loss = loss.defined() ? ops::add(loss, part) : part;
        }
        autograd::backward(loss);
        return values(autograd::grad(x));
      };
      CHECK(gradient(as_it_is) == gradient(hidden));
    } while (std::ranges::next_permutation(order).found);
  }
}

TEST_CASE("gradient path: gradients that others hold too are not written over") {
  for (Device* device : test::devices()) {
    const Tensor w = random({16, 1, 1, 16}, DType::f32, *device, 1);
    const auto gradient = [&](const auto& hide) {
      Tensor x = random({1, 6, 7, 16}, DType::f32, *device, 2);
      autograd::set_requires_grad(x, true);
      const Tensor y = hide(ops::relu(x));
      // add gives one gradient to both of its inputs: y's and the convolution's.
      const Tensor z = ops::add(hide(ops::conv2d(y, w, {}, {.relu = true})), y);
      autograd::backward(ops::weighted_sum(z, random(z.shape(), DType::f32, *device, 3)));
      return values(autograd::grad(x));
    };
    CHECK(gradient(as_it_is) == gradient(hidden));
    const auto twice = [&](const auto& hide) {  // both inputs of one op
      Tensor x = random({1, 6, 7, 16}, DType::f32, *device, 2);
      autograd::set_requires_grad(x, true);
      const Tensor y = hide(ops::relu(x));
      const Tensor z = ops::conv2d(y, w, {}, {.residual = y, .relu = true});
      autograd::backward(ops::weighted_sum(z, random(z.shape(), DType::f32, *device, 3)));
      return values(autograd::grad(x));
    };
    CHECK(twice(as_it_is) == twice(hidden));
  }
}

TEST_CASE("gradient path: a sum that is cut where a ReLU's result is not above 0") {
  for (Device* device : test::devices(test::Against::both))  // all devices round the same sum
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::f64})
      for (const int64_t count : {0, 1, 31, 32, 33, 257, 20003})
        for (const bool given : {false, true}) {
          const test::Sizes sizes{count};
          CAPTURE(device->name());
          CAPTURE(dtype_name(dtype));
          CAPTURE(count);
          Tensor a = random({count}, dtype, *device, 1), b = random({count}, dtype, *device, 2);
          const Tensor relu = random({count}, dtype, *device, 3);
          const Tensor held_a = given ? Tensor() : a, held_b = given ? Tensor() : b;
          const auto x = values(a), y = values(b), r = values(relu);
          Tensor sum = a;
          a = {};
          autograd::accumulate(sum, std::move(b), relu);
          const auto got = values(sum);
          std::vector<double> want;
          for (size_t i = 0; i < x.size(); ++i) want.push_back(r[i] > 0 ? x[i] + y[i] : 0);
          const Tensor rounded = Tensor::from(want, {count}, test::cpu()).to(dtype);
          CHECK(got == values(rounded));
          if (!given) CHECK(values(held_a) == x);
          if (!given) CHECK(values(held_b) == y);
        }
  Tensor sum = random({2, 3}, DType::f32, test::cpu(), 1);
  CHECK_THROWS_WITH_AS(autograd::accumulate(sum, sum, random({3, 2}, DType::f32, test::cpu(), 1)),
                       "backward: a gradient f32 [2, 3] cpu of a ReLU's result f32 [3, 2] cpu", Error);
}

TEST_CASE("gradient path: a ReLU's result with two consumers passes the gradient check") {
  for (Device* device : test::devices()) {
    const auto f = [](const std::vector<Tensor>& v) {
      const Tensor y = ops::relu(v[0]);
      return ops::add(ops::exp(y), ops::sigmoid(y));
    };
    const auto check = test::check_gradients(f, {random({33}, DType::f64, *device, 1)});
    CHECK_MESSAGE(check.worst < 1e-7, check.where);
  }
}

TEST_CASE("gradient path: a residual of half the size is nearest upsampling and a residual") {
  struct Case {
    int64_t n, h, w, c, k;
    ops::Conv2dOptions options;
  };
  // By the 1x1 product (groups of pixels that cross rows, few pixels, copied inputs), a stride, and convolutions that
  // take no such residual.
  for (Device* device : test::devices())
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::f64})
      for (const Case& t :
           {Case{2, 6, 10, 33, 40, {}}, Case{1, 2, 2, 16, 16, {}}, Case{2, 18, 22, 17, 36, {}},
            Case{1, 4, 26, 520, 48, {}}, Case{2, 8, 11, 20, 24, {.stride = 2}}, Case{1, 4, 6, 3, 5, {}}})
        for (const bool relu : {false, true}) {
          CAPTURE(device->name());
          CAPTURE(dtype_name(dtype));
          CAPTURE(t.c);
          const DType parameter = dtype == DType::f64 ? dtype : DType::f32;
          const auto run = [&](bool fused) {
            std::vector<Tensor> in = {random({t.n, t.h, t.w, t.c}, dtype, *device, 1),
                                      random({t.k, 1, 1, t.c}, parameter, *device, 2),
                                      random({t.k}, parameter, *device, 3)};
            const int64_t oh = (t.h - 1) / t.options.stride + 1, ow = (t.w - 1) / t.options.stride + 1;
            in.push_back(random({t.n, oh / 2, ow / 2, t.k}, dtype, *device, 4));
            for (Tensor& leaf : in) autograd::set_requires_grad(leaf, true);
            const Tensor residual = fused ? in[3] : ops::resize_nearest(in[3], oh, ow);
            const Tensor y = ops::conv2d(in[0], in[1], t.options, {.bias = in[2], .residual = residual, .relu = relu});
            const Tensor out = dtype == DType::f64 ? y : ops::cast(y, DType::f32);
            autograd::backward(
                ops::weighted_sum(out, random(y.shape(), DType::f32, test::cpu(), 5).to(out.dtype()).to(*device)));
            std::vector<std::vector<double>> all = {values(y)};
            for (const Tensor& leaf : in) all.push_back(values(autograd::grad(leaf)));
            return all;
          };
          CHECK(run(true) == run(false));
        }
  Device& device = test::cpu();
  const Tensor x = Tensor::zeros({1, 5, 4, 8}, DType::f32, device),
               w = Tensor::zeros({16, 1, 1, 8}, DType::f32, device);
  CHECK_THROWS_WITH_AS(ops::conv2d(x, w, {}, {.residual = Tensor::zeros({1, 2, 2, 16}, DType::f32, device)}),
                       "conv2d: residual is f32 [1, 2, 2, 16] cpu, the output is [1, 5, 4, 16]", Error);
}

TEST_CASE("gradient path: a residual of half the size passes the gradient check") {
  for (Device* device : test::devices()) {
    const auto f = [&](const std::vector<Tensor>& v) { return ops::conv2d(v[0], v[1], {}, {.residual = v[2]}); };
    const auto check = test::check_gradients(
        f, {random({2, 4, 6, 3}, DType::f64, *device, 1), random({5, 1, 1, 3}, DType::f64, *device, 2),
            random({2, 2, 3, 5}, DType::f64, *device, 3)});
    CHECK_MESSAGE(check.worst < 1e-8, check.where);
  }
}
