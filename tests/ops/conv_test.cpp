#include "ops/conv.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/node.h"
#include "ops/reduce.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

struct Case {
  int64_t n, h, w, c, k, r, s;
  ops::Conv2dOptions options;
};

// Odd sizes, strides, dilations and groups; channels off the vector width.
const std::vector<Case> kCases = {
    {1, 5, 7, 3, 4, 3, 3, {1, 1, 1, 1}},    {2, 9, 8, 16, 33, 3, 3, {2, 1, 1, 1}},
    {1, 31, 33, 17, 5, 1, 1, {1, 0, 1, 1}}, {2, 12, 11, 8, 16, 1, 1, {2, 0, 1, 1}},
    {1, 13, 13, 8, 12, 3, 3, {1, 2, 2, 4}}, {1, 16, 15, 3, 64, 7, 7, {2, 3, 1, 1}},
    {1, 1, 1, 32, 32, 1, 1, {1, 0, 1, 1}},  {1, 7, 6, 64, 64, 3, 3, {1, 1, 1, 16}},
};

struct Inputs {
  Tensor x, w;
  ops::Epilogue e;
};

Inputs make(const Case& t, DType dtype, bool full) {
  Device& dev = test::cpu();
  Inputs in{test::uniform({t.n, t.h, t.w, t.c}, -1, 1, dtype, dev, 1),
            test::uniform({t.k, t.r, t.s, t.c / t.options.groups}, -1, 1, dtype, dev, 2),
            {}};
  if (full) {
    const Shape out = ops::conv2d(in.x, in.w, t.options).shape();
    in.e = {test::uniform({t.k}, 0.5, 1.5, dtype, dev, 3), test::uniform({t.k}, -1, 1, dtype, dev, 4),
            test::uniform(out, -1, 1, dtype, dev, 5), true};
  }
  return in;
}

double worst(const Tensor& got, const Tensor& want) {
  const auto a = got.to(DType::f64).to_vector<double>();
  const auto b = want.to_vector<double>();
  REQUIRE(a.size() == b.size());
  double scale = 1e-30, error = 0;
  for (const double v : b) scale = std::max(scale, std::abs(v));
  for (size_t i = 0; i < a.size(); ++i) error = std::max(error, std::abs(a[i] - b[i]));
  return error / scale;
}

}  // namespace

TEST_CASE("convolution and its gradients agree with the plain double twin") {
  for (const Case& t : kCases)
    for (const bool full : {false, true}) {
      CAPTURE(t.c);
      CAPTURE(t.k);
      CAPTURE(full);
      std::vector<Tensor> results[2];
      for (const DType dtype : {DType::f32, DType::f64}) {
        // The double run starts from the f32 values, so that only arithmetic differs.
        Inputs in = make(t, DType::f32, full);
        for (Tensor* p : {&in.x, &in.w, &in.e.scale, &in.e.bias, &in.e.residual})
          if (p->defined()) *p = p->to(dtype).clone();
        for (Tensor* p : {&in.x, &in.w, &in.e.bias, &in.e.residual})
          if (p->defined()) autograd::set_requires_grad(*p, true);
        const Tensor y = ops::conv2d(in.x, in.w, t.options, in.e);
        autograd::backward(ops::weighted_sum(y, test::uniform(y.shape(), -1, 1, DType::f32, test::cpu(), 9).to(dtype)));
        auto& r = results[dtype == DType::f64];
        r = {y, autograd::grad(in.x), autograd::grad(in.w)};
        if (full) r.insert(r.end(), {autograd::grad(in.e.bias), autograd::grad(in.e.residual)});
      }
      // Sums of up to a few thousand f32 products.
      for (size_t i = 0; i < results[0].size(); ++i) CHECK(worst(results[0][i], results[1][i]) < 3e-6);
    }
}

TEST_CASE("the plain twin passes the gradient check") {
  for (const Case& t : kCases) {
    if (t.h > 16) continue;
    Inputs in = make(t, DType::f64, true);
    const auto f = [&](const std::vector<Tensor>& v) {
      return ops::conv2d(v[0], v[1], t.options, {in.e.scale, v[2], v[3], false});
    };
    const auto check = test::check_gradients(f, {in.x, in.w, in.e.bias, in.e.residual}, 1e-5, 12);
    CHECK_MESSAGE(check.worst < 1e-8, check.where);
  }
}

TEST_CASE("packed weights follow an edit of the weights") {
  Inputs in = make(kCases[1], DType::f32, false);
  const autograd::NoGrad off;
  const auto before = ops::conv2d(in.x, in.w, kCases[1].options).to_vector<float>();
  in.w.mutable_data<float>()[0] += 1;
  const auto after = ops::conv2d(in.x, in.w, kCases[1].options).to_vector<float>();
  CHECK(before != after);
  in.w.mutable_data<float>()[0] -= 1;
}

TEST_CASE("convolution's messages name the shapes") {
  Device& dev = test::cpu();
  const Tensor x = Tensor::zeros({1, 4, 4, 8}, DType::f32, dev);
  CHECK_THROWS_WITH_AS(ops::conv2d(x, Tensor::zeros({2, 3, 3, 4}, DType::f32, dev)),
                       "conv2d: weight [2, 3, 3, 4] wants 4 input channels, x [1, 4, 4, 8] has 8", Error);
  CHECK_THROWS_WITH_AS(
      ops::conv2d(x, Tensor::zeros({2, 7, 7, 8}, DType::f32, dev)),
      "conv2d: the kernel of [2, 7, 7, 8] with dilation 1 is larger than x [1, 4, 4, 8] with padding 0", Error);
}
