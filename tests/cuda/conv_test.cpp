// The kernels around the library's convolution, its plain twin, and the library in a captured graph.
#include "cuda/conv.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "cpu/conv.h"
#include "cuda/build.h"
#include "cuda/device.h"
#include "cuda/graph.h"
#include "cuda/library.h"
#include "tensor/error.h"
#include "tensor/tensor.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

#ifdef AZ_CUDA_EMULATED
#include "cuda/emulator/coverage.h"
#endif

#ifdef AZ_CUDA_BUILT
using namespace az;
using math::ConvShape;

namespace {

cuda::CudaDevice& gpu() { return cuda::device_of(*test::cuda()); }

/// Uniform in [-1, 1), as T holds it, and the same in double.
template <class T>
struct Values {
  Tensor device;
  std::vector<double> wide;
  /// `skipped` elements lie before them, so that 1 makes them unaligned.
  Values(const Shape& shape, uint64_t seed, int64_t skipped = 0) {
    const Tensor host = test::uniform(shape, -1, 1, DType::f32, test::cpu(), seed).to(dtype_of<T>);
    device = Tensor::empty({shape.numel() + skipped}, dtype_of<T>, *test::cuda());
    device = device.narrowed(skipped, shape.numel()).reshaped(shape);
    device.copy_from(host.to(*test::cuda()));
    wide = host.to(DType::f64).to_vector<double>();
  }
  const T* get() const { return device.data<T>(); }
};

template <class T>
constexpr double kRounding = std::is_same_v<T, bf16>    ? 0x1p-8
                             : std::is_same_v<T, f16>   ? 0x1p-11 + 0x1p-20
                             : std::is_same_v<T, float> ? 0x1p-23
                                                        : 4e-15;

/// The largest difference, as a share of the larger of 1 and the wanted value.
double worst(const Tensor& got, const std::vector<double>& want) {
  const auto values = got.to(DType::f64).to_vector<double>();
  REQUIRE(values.size() == want.size());
  double error = 0;
  for (size_t i = 0; i < want.size(); ++i)
    error = std::max(error, std::abs(values[i] - want[i]) / std::max(1.0, std::abs(want[i])));
  return error;
}

const ConvShape kShapes[] = {
    {.n = 1, .h = 5, .w = 7, .c = 3, .k = 4, .r = 3, .s = 3, .padding = 1},
    {.n = 2, .h = 9, .w = 8, .c = 8, .k = 33, .r = 3, .s = 3, .stride = 2, .padding = 1},
    {.n = 1, .h = 13, .w = 13, .c = 8, .k = 12, .r = 3, .s = 3, .padding = 2, .dilation = 2, .groups = 4},
    {.n = 2, .h = 7, .w = 6, .c = 33, .k = 33, .r = 3, .s = 3, .stride = 2, .padding = 1, .groups = 33},
    {.n = 1, .h = 1, .w = 1, .c = 31, .k = 32},
    {.n = 1, .h = 2, .w = 3, .c = 1, .k = 257, .r = 2, .s = 2, .padding = 1},
    {.n = 0, .h = 4, .w = 3, .c = 2, .k = 2, .r = 3, .s = 3, .padding = 1},
};

}  // namespace

TEST_CASE_TEMPLATE("weights are scaled and rounded once, whatever their row", T, float, bf16, f16, double) {
  if (!test::cuda()) return;
  const test::Compared compared(test::Against::reference);
  for (const int64_t k : {0, 1, 3, 33})
    for (const int64_t row : {1, 9, 31, 32, 257})
      for (const bool scaled : {false, true}) {
        CAPTURE(k);
        CAPTURE(row);
        CAPTURE(scaled);
        const test::Sizes sizes{k, row};
        const Values<Wide<T>> w({k, row}, 1, k % 2), scale({k}, 2, row % 2);
        Tensor packed = Tensor::empty({k, row}, dtype_of<T>, gpu());
        cuda::pack_weights<T>(gpu().stream(), w.get(), scaled ? scale.get() : nullptr, packed.mutable_data<T>(), k,
                              row);
        auto want = w.wide;
        for (size_t i = 0; scaled && i < want.size(); ++i) want[i] *= scale.wide[i / static_cast<size_t>(row)];
        CHECK(worst(packed, want) <= kRounding<T>);
      }
}

TEST_CASE_TEMPLATE("bias, residual and ReLU after the fact", T, float, bf16, f16, double) {
  if (!test::cuda()) return;
  const test::Compared compared(test::Against::reference);
  for (const int64_t rows : {0, 1, 31})
    for (const int64_t k : {1, 8, 32, 33, 256, 257, 2056})
      for (const int present : {1, 2, 3, 4, 7}) {
        CAPTURE(rows);
        CAPTURE(k);
        CAPTURE(present);
        const test::Sizes sizes{rows, k};
        const int64_t skipped = present / 2 % 2;
        const Values<T> sums({rows, k}, 1), residual({rows, k}, 2, skipped);
        const Values<Wide<T>> bias({k}, 3, skipped);
        Tensor y = sums.device.clone();
        cuda::bias_act<T>(
            gpu().stream(),
            {(present & 1) ? bias.get() : nullptr, (present & 2) ? residual.get() : nullptr, (present & 4) != 0},
            y.mutable_data<T>(), rows, k);
        auto want = sums.wide;
        for (size_t i = 0; i < want.size(); ++i) {
          if (present & 1) want[i] += bias.wide[i % static_cast<size_t>(k)];
          if (present & 2) want[i] += residual.wide[i];
          if (present & 4) want[i] = std::max(want[i], 0.0);
        }
        CHECK(worst(y, want) <= 4 * kRounding<T>);
      }
}

TEST_CASE_TEMPLATE("the plain kernels are the plain loops", T, float, bf16, f16, double) {
  if (!test::cuda()) return;
  const test::Compared compared(test::Against::both);  // the CPU's loops, in double
  for (const ConvShape& d : kShapes) {
    CAPTURE(d.c);
    CAPTURE(d.k);
    const test::Sizes sizes{d.n, d.h, d.w, d.c, d.k};
    const int64_t skipped = d.n % 2;
    const Values<T> x({d.n, d.h, d.w, d.c}, 1, skipped), w({d.k, d.r, d.s, d.c / d.groups}, 2, skipped);
    const Values<T> dy({d.n, d.oh(), d.ow(), d.k}, 3, skipped);
    const Values<Wide<T>> bias({d.k}, 4, skipped);
    cuda::Stream& stream = gpu().stream();

    std::vector<double> want(dy.wide.size());
    const cpu::ConvEpilogue epilogue{bias.wide.data(), dy.wide.data(), true};
    cpu::conv_forward_plain<double>(d, x.wide.data(), w.wide.data(), nullptr, epilogue, want.data());
    Tensor y = Tensor::empty({d.n, d.oh(), d.ow(), d.k}, dtype_of<T>, gpu());
    cuda::conv_forward_plain<T>(stream, d, x.get(), w.get(), {bias.get(), dy.get(), true}, y.mutable_data<T>());
    CHECK(worst(y, want) <= kRounding<T>);

    want.resize(x.wide.size());
    cpu::conv_backward_data_plain<double>(d, dy.wide.data(), w.wide.data(), nullptr, want.data());
    Tensor dx = Tensor::empty({d.n, d.h, d.w, d.c}, dtype_of<T>, gpu());
    cuda::conv_backward_data_plain<T>(stream, d, dy.get(), w.get(), dx.mutable_data<T>());
    CHECK(worst(dx, want) <= kRounding<T>);

    want.resize(w.wide.size());
    cpu::conv_backward_weights_plain<double>(d, x.wide.data(), dy.wide.data(), want.data());
    Tensor dw = Tensor::empty({d.k, d.r, d.s, d.c / d.groups}, dtype_of<Wide<T>>, gpu());
    cuda::conv_backward_weights_plain<T>(stream, d, x.get(), dy.get(), dw.mutable_data<Wide<T>>());
    CHECK(worst(dw, want) <= kRounding<Wide<T>>);
  }
}

#ifdef AZ_CUDA_EMULATED
TEST_CASE("the plain kernels' gradients are the differences of their forward pass") {
  const cuda::emulator::GradientCheckScope checking;
  for (const ConvShape& d : kShapes) {
    if (d.n == 0) continue;
    CAPTURE(d.c);
    CAPTURE(d.k);
    const Values<double> x({d.n, d.h, d.w, d.c}, 1), w({d.k, d.r, d.s, d.c / d.groups}, 2);
    const Values<double> dy({d.n, d.oh(), d.ow(), d.k}, 3);
    cuda::Stream& stream = gpu().stream();
    // sum(y dy), with one element of x or of w moved: linear in it, so that any step will do.
    const auto loss = [&](const Tensor& source, const Tensor& weights) {
      Tensor y = Tensor::empty(dy.device.shape(), DType::f64, gpu());
      cuda::conv_forward_plain<double>(stream, d, source.data<double>(), weights.data<double>(), {},
                                       y.mutable_data<double>());
      const auto values = y.to_vector<double>();
      return std::inner_product(values.begin(), values.end(), dy.wide.begin(), 0.0);
    };
    const double before = loss(x.device, w.device);
    Tensor dx = Tensor::empty(x.device.shape(), DType::f64, gpu()),
           dw = Tensor::empty(w.device.shape(), DType::f64, gpu());
    cuda::conv_backward_data_plain<double>(stream, d, dy.get(), w.get(), dx.mutable_data<double>());
    cuda::conv_backward_weights_plain<double>(stream, d, x.get(), dy.get(), dw.mutable_data<double>());
    const auto check = [&](const Values<double>& of, const Tensor& gradient, const auto& loss_at) {
      const auto slopes = gradient.to_vector<double>();
      for (size_t i = 0; i < slopes.size(); i += slopes.size() / 5 + 1) {
        auto moved = of.wide;
        moved[i] += 1;
        CHECK(loss_at(Tensor::from(moved, of.device.shape(), gpu())) - before ==
              doctest::Approx(slopes[i]).epsilon(1e-10));
      }
    };
    check(x, dx, [&](const Tensor& at) { return loss(at, w.device); });
    check(w, dw, [&](const Tensor& at) { return loss(x.device, at); });
  }
}
#endif

TEST_CASE_TEMPLATE("the library agrees with the plain kernels", T, float, bf16, f16, double) {
  if (!test::cuda()) return;
  for (const ConvShape& d : kShapes) {
    CAPTURE(d.c);
    CAPTURE(d.k);
    const Values<T> x({d.n, d.h, d.w, d.c}, 1), w({d.k, d.r, d.s, d.c / d.groups}, 2);
    const Values<T> dy({d.n, d.oh(), d.ow(), d.k}, 3);
    const auto agree = [&](const Shape& shape, DType dtype, double tolerance, const auto& library, const auto& plain) {
      Tensor got = Tensor::empty(shape, dtype, gpu()), want = Tensor::empty(shape, dtype, gpu());
      library(got);
      plain(want);
      CHECK(worst(got, want.to(DType::f64).to_vector<double>()) <= tolerance);
    };
    // Two roundings of results that may lie on different sides of a step, and f32 sums.
    const double tolerance = 2 * kRounding<T> + (std::is_same_v<T, double> ? 1e-13 : 1e-5);
    agree(
        dy.device.shape(), dtype_of<T>, tolerance,
        [&](Tensor& y) {
          gpu().library().conv_forward<T>(d, x.get(), w.get(), {nullptr, dy.get(), true}, y.mutable_data<T>());
        },
        [&](Tensor& y) {
          cuda::conv_forward_plain<T>(gpu().stream(), d, x.get(), w.get(), {nullptr, dy.get(), true},
                                      y.mutable_data<T>());
        });
    agree(
        x.device.shape(), dtype_of<T>, tolerance,
        [&](Tensor& dx) { gpu().library().conv_backward_data(d, dy.get(), w.get(), dx.mutable_data<T>()); },
        [&](Tensor& dx) {
          cuda::conv_backward_data_plain(gpu().stream(), d, dy.get(), w.get(), dx.mutable_data<T>());
        });
    agree(
        w.device.shape(), dtype_of<Wide<T>>, tolerance,
        [&](Tensor& dw) { gpu().library().conv_backward_weights(d, x.get(), dy.get(), dw.mutable_data<Wide<T>>()); },
        [&](Tensor& dw) {
          cuda::conv_backward_weights_plain(gpu().stream(), d, x.get(), dy.get(), dw.mutable_data<Wide<T>>());
        });
  }
}

TEST_CASE("a captured graph replays the library's calls on what is in memory then") {
  if (!test::cuda()) return;
  const ConvShape& d = kShapes[1];
  const Values<float> x({d.n, d.h, d.w, d.c}, 1), other({d.n, d.h, d.w, d.c}, 5), w({d.k, d.r, d.s, d.c}, 2);
  Tensor in = x.device.clone(), y = Tensor::empty({d.n, d.oh(), d.ow(), d.k}, DType::f32, gpu()), square = y.clone();
  const auto work = [&] {
    gpu().library().conv_forward<float>(d, in.data<float>(), w.get(), {}, y.mutable_data<float>());
    // [n * oh * ow, k]^T times itself.
    gpu().library().matmul<float>({.m = 20, .n = 20, .k = 33, .transpose_b = true}, y.data<float>(), y.data<float>(),
                                  square.mutable_data<float>());
  };
  in.copy_from(other.device);
  work();
  const auto want = square.to_vector<float>();
  in.copy_from(x.device);
  work();
  REQUIRE(square.to_vector<float>() != want);
  cuda::Graph graph(gpu().stream(), work);
  in.copy_from(other.device);
  graph.replay(gpu().stream());
  CHECK(square.to_vector<float>() == want);
}

TEST_CASE("TF32 is off until it is allowed, and stays off where sums are exact") {
  if (!test::cuda()) return;
  for (const bool exact : {false, true}) {
    cuda::CudaDevice device(0, exact);
    CHECK_FALSE(device.library().tf32());
    device.library().allow_tf32(true);
    CHECK(device.library().tf32() == !exact);
    device.library().allow_tf32(false);
    CHECK_FALSE(device.library().tf32());
  }
}

TEST_CASE("packed weights stay where they are while they change") {
  if (!test::cuda()) return;
  cuda::WeightCache cache;
  const Tensor w = Tensor::zeros({2, 3}, DType::f32, gpu());
  cuda::WeightIdentity identity{.id = 7, .version = 1, .data = w.raw()};
  const auto first = cache.find(identity, w, DType::bf16, false);
  CHECK(first.fill);
  CHECK(first.packed.dtype() == DType::bf16);
  CHECK_FALSE(cache.find(identity, w, DType::bf16, false).fill);
  CHECK(cache.find(identity, w, DType::f32, false).packed.raw() != first.packed.raw());
  identity.version = 2;
  // What a capture queues has not run: the next call outside packs again.
  for (const bool capturing : {true, false}) {
    const auto again = cache.find(identity, w, DType::bf16, capturing);
    CHECK(again.fill);
    CHECK(again.packed.raw() == first.packed.raw());
  }
  CHECK_FALSE(cache.find(identity, w, DType::bf16, false).fill);
}
#endif
