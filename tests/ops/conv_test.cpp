#include "ops/conv.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/node.h"
#include "cpu/conv_pool.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

#ifdef AZ_CUDA_EMULATED
constexpr bool kEmulated = true;
#else
constexpr bool kEmulated = false;
#endif

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
    {1, 9, 7, 33, 33, 3, 3, {2, 1, 1, 33}},
};

struct Inputs {
  Tensor x, w;
  ops::Epilogue e;
};

/// Activations of `dtype`, parameters as conv2d wants them beside it. The values are those of f32, or of the 16-bit
/// type.
Inputs make(const Case& t, DType dtype, bool full, Device& dev = test::cpu()) {
  const DType parameter = is_half(dtype) ? DType::f32 : dtype;
  const auto random = [&](const Shape& shape, double low, DType type, uint64_t seed) {
    return test::uniform(shape, low, low + (low > 0 ? 1 : 2), DType::f32, test::cpu(), seed).to(type).to(dev);
  };
  Inputs in{random({t.n, t.h, t.w, t.c}, -1, dtype, 1),
            random({t.k, t.r, t.s, t.c / t.options.groups}, -1, parameter, 2),
            {}};
  if (full) {
    const Shape out = ops::conv2d(in.x, in.w, t.options).shape();
    in.e = {random({t.k}, 0.5, parameter, 3), random({t.k}, -1, parameter, 4), random(out, -1, dtype, 5), true};
  }
  return in;
}

/// y and the gradients of x, w and, in full, of bias and residual.
std::vector<Tensor> run(const Case& t, Inputs in, const Tensor& weights) {
  for (Tensor* p : {&in.x, &in.w, &in.e.bias, &in.e.residual})
    if (p->defined()) autograd::set_requires_grad(*p, true);
  const Tensor y = ops::conv2d(in.x, in.w, t.options, in.e);
  autograd::backward(ops::weighted_sum(ops::cast(y, weights.dtype()), weights));
  std::vector<Tensor> results = {y, autograd::grad(in.x), autograd::grad(in.w)};
  if (in.e.bias.defined()) results.insert(results.end(), {autograd::grad(in.e.bias), autograd::grad(in.e.residual)});
  return results;
}

Tensor upstream(const Tensor& y) { return test::uniform(y.shape(), -1, 1, DType::f32, test::cpu(), 9); }

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
  for (Device* dev : test::devices(test::Against::both))  // the CPU's plain loops, in double
    for (const Case& t : kCases)
      for (const bool full : {false, true}) {
        CAPTURE(dev->name());
        CAPTURE(t.c);
        CAPTURE(t.k);
        CAPTURE(full);
        // The double run starts from the f32 values, so that only arithmetic differs.
        const Inputs wide = make(t, DType::f64, full);
        const Tensor weights = upstream(ops::conv2d(wide.x, wide.w, t.options));
        const auto want = run(t, wide, weights.to(DType::f64));
        const auto got = run(t, make(t, DType::f32, full, *dev), weights.to(*dev));
        REQUIRE(got.size() == want.size());
        // Sums of up to a few thousand f32 products.
        for (size_t i = 0; i < got.size(); ++i) CHECK(worst(got[i], want[i]) < 3e-6);
      }
}

TEST_CASE_TEMPLATE("16-bit convolution is the f32 one of the rounded weights, rounded once", T, bf16, f16) {
  constexpr DType kHalf = dtype_of<T>;
  constexpr double kRounding = kHalf == DType::bf16 ? 0x1p-8 : 0x1p-11;  // half a step, relative
  for (Device* dev : test::devices())
    for (const Case& t : kCases)
      for (const bool full : {false, true}) {
        CAPTURE(dev->name());
        CAPTURE(t.c);
        CAPTURE(full);
        const Inputs in = make(t, kHalf, full);
        // In double, of exactly the values that the 16-bit run multiplies; its scale is in the weights.
        Inputs wide{in.x.to(DType::f64), in.w, in.e};
        if (full) {
          auto w = in.w.to_vector<float>();
          const auto scale = in.e.scale.to_vector<float>();
          const size_t row = w.size() / scale.size();
          for (size_t i = 0; i < w.size(); ++i) w[i] *= scale[i / row];
          wide.w = Tensor::from(w, in.w.shape(), test::cpu());
          wide.e = {{}, in.e.bias.to(DType::f64), in.e.residual.to(DType::f64), true};
        }
        wide.w = wide.w.to(kHalf).to(DType::f64);
        // The gradient that arrives is of 16 bits.
        const Tensor weights = upstream(ops::conv2d(wide.x, wide.w, t.options)).to(kHalf);
        auto want = run(t, wide, weights.to(DType::f64));
        if (full) {
          auto dw = want[2].to_vector<double>();
          const auto scale = in.e.scale.to_vector<float>();
          const size_t row = dw.size() / scale.size();
          for (size_t i = 0; i < dw.size(); ++i) dw[i] *= static_cast<double>(scale[i / row]);
          want[2] = Tensor::from(dw, want[2].shape(), test::cpu());
        }
        const auto got = run(t, make(t, kHalf, full, *dev), weights.to(DType::f32).to(*dev));
        REQUIRE(got.size() == want.size());
        for (const size_t i : {0, 1}) {
          CHECK(got[i].dtype() == kHalf);
          CHECK(worst(got[i], want[i]) < kRounding + 3e-6);  // of the largest value; the sums are f32
        }
        CHECK(got[2].dtype() == DType::f32);
        // Sums of exact products in f32; cuDNN may round them to 16 bits on the way.
        CHECK(worst(got[2], want[2]) < (dev->name().starts_with("cuda") && !kEmulated ? kRounding + 3e-6 : 3e-6));
        if (full) CHECK(got[3].dtype() == DType::f32);
        if (full) CHECK(got[4].dtype() == kHalf);
      }
}

TEST_CASE("convolution passes the gradient check") {
  for (Device* dev : test::devices())
    for (const Case& t : kCases) {
      if (t.h > 16) continue;
      CAPTURE(dev->name());
      Inputs in = make(t, DType::f64, true, *dev);
      const auto f = [&](const std::vector<Tensor>& v) {
        return ops::conv2d(v[0], v[1], t.options, {in.e.scale, v[2], v[3], false});
      };
      const auto check = test::check_gradients(f, {in.x, in.w, in.e.bias, in.e.residual}, 1e-5, 12);
      CHECK_MESSAGE(check.worst < 1e-8, check.where);
    }
}

TEST_CASE("levels that share weights give what each gives alone, and so do their gradients") {
  // 3x3 by Winograd with the small ones taken along, 3x3 to few outputs, 1x1, and one that only oneDNN does.
  for (const Case& t : {Case{1, 0, 0, 24, 33, 3, 3, {1, 1, 1, 1}}, Case{2, 0, 0, 64, 3, 3, 3, {1, 1, 1, 1}},
                        Case{2, 0, 0, 20, 40, 1, 1, {1, 0, 1, 1}}, Case{1, 0, 0, 16, 16, 3, 3, {2, 1, 1, 1}}})
    for (Device* dev : test::devices()) {
      std::vector<Tensor> maps, weights;
      for (const auto& [h, w] : {std::pair{25, 31}, std::pair{13, 16}, std::pair{3, 4}})
        maps.push_back(test::uniform({t.n, h, w, t.c}, -1, 1, DType::f32, test::cpu(), 1).to(*dev));
      const Tensor w = test::uniform({t.k, t.r, t.s, t.c}, -1, 1, DType::f32, test::cpu(), 2).to(*dev);
      const ops::Epilogue e{.scale = test::uniform({t.k}, 0.5, 1.5, DType::f32, test::cpu(), 3).to(*dev),
                            .bias = test::uniform({t.k}, -1, 1, DType::f32, test::cpu(), 4).to(*dev),
                            .relu = false};
      const auto results = [&](bool together) {
        std::vector<Tensor> x, leaves = {w.detached().clone(), e.bias.detached().clone()};
        for (const Tensor& map : maps) x.push_back(map.detached().clone());
        for (Tensor& leaf : leaves) autograd::set_requires_grad(leaf, true);
        for (Tensor& map : x) autograd::set_requires_grad(map, true);
        const ops::Epilogue after{.scale = e.scale, .bias = leaves[1], .relu = e.relu};
        std::vector<Tensor> y;
        if (together)
          y = ops::conv2d_levels(x, leaves[0], t.options, after);
        else
          for (const Tensor& map : x) y.push_back(ops::conv2d(map, leaves[0], t.options, after));
        for (const Tensor& level : y) autograd::backward(ops::weighted_sum(level, upstream(level).to(*dev)));
        std::vector<Tensor> all = y;
        for (const auto& group : {x, leaves})
          for (const Tensor& leaf : group) all.push_back(autograd::grad(leaf));
        return all;
      };
      const auto got = results(true), want = results(false);
      REQUIRE(got.size() == want.size());
      for (size_t i = 0; i < got.size(); ++i) {
        CAPTURE(i);
        CHECK(got[i].shape() == want[i].shape());
        CHECK(worst(got[i].to(test::cpu()), want[i].to(test::cpu()).to(DType::f64)) < 1e-5);
      }
    }
  const Tensor x = Tensor::zeros({1, 4, 4, 2}, DType::f32, test::cpu()),
               w = Tensor::zeros({3, 1, 1, 2}, DType::f32, test::cpu());
  CHECK_THROWS_WITH_AS(ops::conv2d_levels({}, w), "conv2d_levels: 0 maps; want one or more, no residual and no pool",
                       Error);
  CHECK_THROWS_WITH_AS(ops::conv2d_levels({x, x}, w, {}, {.residual = x}),
                       "conv2d_levels: 2 maps and a residual; want one or more, no residual and no pool", Error);
}

TEST_CASE("a pool behind a convolution gives what a pool of its result gives, and so do the gradients") {
  for (Device* dev : test::devices())
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::f64})
      for (const Case& t : {Case{2, 23, 31, 3, 17, 7, 7, {2, 3, 1, 1}}, Case{1, 19, 18, 32, 32, 3, 3, {1, 1, 1, 1}}}) {
        CAPTURE(dev->name());
        CAPTURE(dtype_name(dtype));
        const auto results = [&](bool together, bool tape) {
          Inputs in = make(t, dtype, true, *dev);
          in.e.relu = true;
          in.e.residual = {};
          const ops::MaxPool pool{3, 2, 1};
          if (tape) autograd::set_requires_grad(in.x, true);
          if (tape) autograd::set_requires_grad(in.w, true);
          Tensor y;
          if (together) {
            in.e.pool = pool;
            y = ops::conv2d(in.x, in.w, t.options, in.e);
          } else {
            y = ops::max_pool(ops::conv2d(in.x, in.w, t.options, in.e), pool);
          }
          if (!tape) return std::vector{y};
          const DType wide = is_half(dtype) ? DType::f32 : dtype;
          autograd::backward(ops::weighted_sum(ops::cast(y, wide), upstream(y).to(wide).to(*dev)));
          return std::vector{y, autograd::grad(in.x), autograd::grad(in.w)};
        };
        for (const bool tape : {false, true}) {
          const auto got = results(true, tape), want = results(false, tape);
          for (size_t i = 0; i < want.size(); ++i) {
            REQUIRE(got[i].shape() == want[i].shape());
            CHECK(worst(got[i].to(test::cpu()), want[i].to(test::cpu()).to(DType::f64)) < 1e-6);
          }
        }
      }
}

TEST_CASE("a band of a convolution's rows is pooled like the whole map") {
  struct Pooled {
    Case conv;
    ops::MaxPool pool;
  };
  auto& device = static_cast<cpu::CpuDevice&>(test::cpu());
  for (const auto& [t, windows] : {Pooled{{2, 37, 29, 3, 19, 7, 7, {2, 3, 1, 1}}, {3, 2, 1}},
                                   Pooled{{1, 21, 9, 5, 6, 3, 3, {2, 1, 1, 1}}, {2, 3, 0}},
                                   Pooled{{1, 26, 11, 4, 8, 5, 5, {1, 0, 2, 2}}, {5, 1, 2}},
                                   Pooled{{1, 3, 4, 3, 2, 7, 7, {2, 3, 1, 1}}, {3, 2, 1}}})
    for (const int64_t band : {int64_t{1}, int64_t{300}, int64_t{1000}, cpu::kConvPoolBand}) {
      CAPTURE(t.h);
      CAPTURE(band);
      Inputs in = make(t, DType::f32, true);
      const auto& o = t.options;
      const cpu::ConvShape d{t.n, t.h, t.w, t.c, t.k, t.r, t.s, o.stride, o.padding, o.dilation, o.groups};
      REQUIRE(cpu::conv_max_pool_fits(device, d, DType::f32));
      const Tensor want =
          ops::max_pool(ops::conv2d(in.x, in.w, o, {.scale = in.e.scale, .bias = in.e.bias, .relu = true}), windows);
      Tensor got = Tensor::full(want.shape(), -1, DType::f32, device);
      cpu::conv_max_pool(device, d, ops::pool_shape({d.n, d.oh(), d.ow(), d.k}, windows), in.x.data<float>(),
                         in.w.data<float>(), in.e.scale.data<float>(), {},
                         {.bias = in.e.bias.data<float>(), .relu = true}, got.mutable_data<float>(), band);
      CHECK(worst(got, want.to(DType::f64)) < 1e-6);
    }
  const cpu::ConvShape winograd{.n = 1, .h = 32, .w = 32, .c = 32, .k = 32, .r = 3, .s = 3, .padding = 1};
  CHECK_FALSE(cpu::conv_max_pool_fits(device, winograd, DType::f32));
  float none = 0;
  CHECK_THROWS_WITH_AS(cpu::conv_max_pool(device, winograd, ops::pool_shape({1, 32, 32, 32}, {3, 2, 1}), &none, &none,
                                          nullptr, {}, {}, &none),
                       doctest::Contains("conv2d with max_pool: does not fit x [1, 32, 32, 32]"), Error);
}

TEST_CASE("exponentials of levels are those of exp_scaled, with and without a tape") {
  // By Winograd, to few outputs, direct, and as a product.
  for (const Case& t : {Case{1, 0, 0, 24, 36, 3, 3, {1, 1, 1, 1}}, Case{1, 0, 0, 64, 4, 3, 3, {1, 1, 1, 1}},
                        Case{1, 0, 0, 5, 7, 3, 3, {1, 1, 1, 1}}, Case{2, 0, 0, 20, 33, 1, 1, {1, 0, 1, 1}}})
    for (Device* dev : test::devices())
      for (const DType dtype : {DType::f32, DType::bf16}) {
        CAPTURE(dev->name());
        CAPTURE(t.k);
        std::vector<Tensor> maps;
        for (const auto& [h, w] : {std::pair{17, 21}, std::pair{3, 4}})
          maps.push_back(test::uniform({t.n, h, w, t.c}, -1, 1, DType::f32, test::cpu(), 1).to(dtype).to(*dev));
        Tensor w = test::uniform({t.k, t.r, t.s, t.c}, -0.3, 0.3, DType::f32, test::cpu(), 2).to(*dev);
        const ops::Epilogue e{.bias = test::uniform({t.k}, -1, 1, DType::f32, test::cpu(), 4).to(*dev)};
        const std::vector<ops::LevelExp> exps = {{Tensor::full(Shape{}, 0.7, DType::f32, *dev), 1.5},
                                                 {Tensor::full(Shape{}, 1.3, DType::f32, *dev)}};
        std::vector<Tensor> want = ops::conv2d_levels(maps, w, t.options, e);
        for (size_t i = 0; i < want.size(); ++i)
          want[i] = ops::exp_scaled(ops::cast(want[i], DType::f32), exps[i].scale, exps[i].limit).to(test::cpu());
        for (const bool tape : {false, true}) {
          autograd::set_requires_grad(w, tape);
          const std::vector<Tensor> got = ops::conv2d_levels_exp(maps, w, t.options, e, exps);
          REQUIRE(got.size() == want.size());
          for (size_t i = 0; i < want.size(); ++i)
            CHECK(worst(got[i].detached().to(test::cpu()), want[i].to(DType::f64)) < 1e-6);
          if (!tape) continue;
          autograd::backward(ops::weighted_sum(got[0], upstream(got[0]).to(*dev)));
          CHECK(autograd::grad(w).defined());
        }
        CHECK_THROWS_WITH_AS(ops::conv2d_levels_exp(maps, w, t.options, e, {exps[0]}),
                             "conv2d_levels_exp: 2 maps and 1 scales", Error);
        autograd::set_requires_grad(w, false);
        CHECK_THROWS_WITH_AS(ops::conv2d_levels_exp(maps, w, t.options, e, {exps[0], {e.bias}}),
                             doctest::Contains("exp_scaled: scale is"), Error);
      }
}

TEST_CASE("a narrowed picture and an empty batch") {
  for (Device* dev : test::devices())
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      const Case t{3, 5, 7, 3, 4, 3, 3, {1, 1, 1, 1}};
      CAPTURE(dev->name());
      const Inputs in = make(t, dtype, false, *dev);
      const auto all = ops::conv2d(in.x, in.w, t.options).to(DType::f32).to_vector<float>();
      // The second picture begins at an odd element.
      const auto one = ops::conv2d(in.x.narrowed(1, 1), in.w, t.options).to(DType::f32).to_vector<float>();
      for (size_t i = 0; i < one.size(); ++i) CHECK(one[i] == all[one.size() + i]);
      CHECK(ops::conv2d(in.x.narrowed(0, 0), in.w, t.options).shape() == Shape{0, 5, 7, 4});
    }
}

TEST_CASE("packed weights follow an edit of the weights") {
  for (Device* dev : test::devices())
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      CAPTURE(dev->name());
      Inputs in = make(kCases[1], dtype, false, *dev);
      const autograd::NoGrad off;
      const auto run = [&] { return ops::conv2d(in.x, in.w, kCases[1].options).to(DType::f32).to_vector<float>(); };
      const auto before = run();
      CHECK(run() == before);
      auto edited = in.w.to_vector<float>();
      edited[0] += 1;
      in.w.copy_from(Tensor::from(edited, in.w.shape(), *dev));
      CHECK(run() != before);
    }
}

TEST_CASE("levels that share a weight add its gradients up, step after step") {
  // The sizes of a tower: Winograd's at first, direct convolution's where the maps are small.
  const std::vector<std::pair<int64_t, int64_t>> sizes = {{17, 21}, {9, 11}, {3, 2}};
  for (Device* dev : test::devices()) {
    CAPTURE(dev->name());
    const auto gradient = [&](DType dtype, Device& device, const Tensor& values) {
      Tensor w = values.to(dtype).to(device);
      autograd::set_requires_grad(w, true);
      for (size_t i = 0; i < sizes.size(); ++i) {
        const Shape shape{2, sizes[i].first, sizes[i].second, 20};
        Tensor x = test::uniform(shape, -1, 1, DType::f32, test::cpu(), i).to(dtype).to(device);
        autograd::set_requires_grad(x, true);
        Tensor y = ops::conv2d(x, w, {.padding = 1}, {.relu = true});
        y = ops::conv2d(y, w, {.padding = 1}, {.residual = y, .relu = true});
        const Tensor weights = test::uniform(y.shape(), -1, 1, DType::f32, test::cpu(), 7).to(dtype).to(device);
        autograd::backward(ops::weighted_sum(y, weights));
      }
      return autograd::grad(w);
    };
    Tensor values = test::uniform({20, 3, 3, 20}, -0.1, 0.1, DType::f32, test::cpu(), 3);
    for (int step = 0; step < 2; ++step) {
      const Tensor got = gradient(DType::f32, *dev, values);
      // Sums of up to 714 positions, of an activation that is itself a sum of 180 products.
      CHECK(worst(got, gradient(DType::f64, test::cpu(), values)) < 1e-5);
      values.mutable_data<float>()[0] += 0.01F;
    }
  }
}

TEST_CASE("convolution's messages name the shapes") {
  Device& dev = test::cpu();
  const Tensor x = Tensor::zeros({1, 4, 4, 8}, DType::f32, dev);
  CHECK_THROWS_WITH_AS(ops::conv2d(x, Tensor::zeros({2, 3, 3, 4}, DType::f32, dev)),
                       "conv2d: weight [2, 3, 3, 4] wants 4 input channels, x [1, 4, 4, 8] has 8", Error);
  CHECK_THROWS_WITH_AS(
      ops::conv2d(x, Tensor::zeros({2, 7, 7, 8}, DType::f32, dev)),
      "conv2d: the kernel of [2, 7, 7, 8] with dilation 1 is larger than x [1, 4, 4, 8] with padding 0", Error);
  CHECK_THROWS_WITH_AS(ops::conv2d(x.to(DType::bf16), Tensor::zeros({2, 3, 3, 8}, DType::bf16, dev)),
                       "conv2d: weight is bf16 [2, 3, 3, 8] cpu, want f32 [k, r, s, c]", Error);
}
