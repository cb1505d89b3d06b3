#include "ops/window.h"

#include <doctest/doctest.h>

#include "autograd/node.h"
#include "ops/bias.h"
#include "ops/cast.h"
#include "ops/reduce.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

struct Case {
  int64_t n, h, w, c, window_h, window_w;
  std::vector<int32_t> places;  // image, top, left
};
const std::vector<Case> kCases = {
    {1, 1, 1, 1, 1, 1, {0, 0, 0}},
    {2, 5, 7, 31, 3, 4, {1, -2, 5, 0, 4, -3, 1, 0, 0, 1, 1, 1}},
    {1, 33, 32, 16, 15, 15, {0, -4, -4, 0, 20, 25, 0, 20, 25}},
    {3, 4, 6, 33, 9, 2, {2, -3, 1}},
    {1, 3, 3, 257, 2, 2, {0, 9, 9, 0, -9, 0}},  // wholly outside
    {1, 4, 4, 8, 2, 2, {}},
};

Tensor places_of(const Case& k, Device& device) {
  return Tensor::from(k.places, {static_cast<int64_t>(k.places.size()) / 3, 3}, device);
}

std::vector<double> doubles(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

/// The same elements one element further on, so that no pixel begins at a multiple of 16 bytes.
Tensor shifted(const Tensor& x) {
  Tensor view = Tensor::empty({x.numel() + 1}, x.dtype(), x.device()).narrowed(1, x.numel()).reshaped(x.shape());
  view.copy_from(x);
  return view;
}

/// Calls f(index in the windows, index in x) for every position of a window that lies on its map.
template <class F>
void for_each_pair(const Case& k, const F& f) {
  for (size_t m = 0; 3 * m < k.places.size(); ++m)
    for (int64_t i = 0; i < k.window_h; ++i)
      for (int64_t j = 0; j < k.window_w; ++j) {
        const int64_t row = k.places[3 * m + 1] + i, column = k.places[3 * m + 2] + j;
        if (row < 0 || row >= k.h || column < 0 || column >= k.w) continue;
        for (int64_t c = 0; c < k.c; ++c)
          f(static_cast<size_t>(((static_cast<int64_t>(m) * k.window_h + i) * k.window_w + j) * k.c + c),
            static_cast<size_t>(((k.places[3 * m] * k.h + row) * k.w + column) * k.c + c));
      }
}

struct Run {
  std::vector<double> y, dx;
};
/// y, and dx for whole numbers as dy, whose sums are exact in every type.
Run run(Tensor x, const Case& k) {
  autograd::set_requires_grad(x, true);
  const Tensor y = ops::windows(x, places_of(k, x.device()), k.window_h, k.window_w);
  std::vector<double> dy(static_cast<size_t>(y.numel()));
  for (size_t i = 0; i < dy.size(); ++i) dy[i] = static_cast<double>(i % 7);
  const DType sum_type = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  autograd::backward(ops::weighted_sum(ops::cast(y, sum_type), Tensor::from(dy, y.shape(), y.device()).to(sum_type)));
  return {doubles(y), doubles(autograd::grad(x))};
}

}  // namespace

TEST_CASE("windows copy what lies on the map, and every pixel takes the gradients of the windows that hold it") {
  for (Device* device : test::devices(test::Against::reference))
    for (const Case& k : kCases)
      for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::f64})
        for (const bool aligned : {true, false}) {
          CAPTURE(device->name());
          CAPTURE(k.c);
          const test::Sizes sizes{k.h, k.w, k.c, static_cast<int64_t>(k.places.size())};
          const Tensor x = test::uniform({k.n, k.h, k.w, k.c}, -3, 3, dtype, *device);
          const std::vector<double> values = doubles(x);
          std::vector<double> y(k.places.size() / 3 * static_cast<size_t>(k.window_h * k.window_w * k.c));
          std::vector<double> dx(values.size());
          for_each_pair(k, [&](size_t to, size_t from) {
            y[to] = values[from];
            dx[from] += static_cast<double>(to % 7);
          });
          const Run got = run(aligned ? x.clone() : shifted(x), k);
          CHECK(got.y == y);
          CHECK(got.dx == dx);
        }
}

TEST_CASE("windows have the same bits on every device, and so have their gradients") {
  for (Device* device : test::devices(test::Against::cpu))
    for (const Case& k : kCases) {
      CAPTURE(k.c);
      const test::Sizes sizes{k.h, k.w, k.c, static_cast<int64_t>(k.places.size())};
      const Shape shape{k.n, k.h, k.w, k.c};
      const Run got = run(test::uniform(shape, -3, 3, DType::f32, *device), k);
      const Run want = run(test::uniform(shape, -3, 3, DType::f32, test::cpu()), k);
      CHECK(got.y == want.y);
      CHECK(got.dx == want.dx);
    }
}

TEST_CASE("windows and crop have right gradients by differences") {
  for (Device* device : test::devices()) {
    const Tensor x = test::uniform({2, 6, 5, 3}, -1, 1, DType::f64, *device);
    const Case& k = kCases[1];
    const auto windows = test::check_gradients(
        [&](const auto& t) { return ops::windows(t[0], places_of(k, *device), k.window_h, k.window_w); }, {x}, 1e-6);
    CHECK_MESSAGE(windows.worst < 1e-8, windows.where);
    const auto grid = test::check_gradients(
        [&](const auto& t) { return ops::windows(t[0], places_of(k, *device), 3, 3, {.stride = 2, .offset = -1}); },
        {x}, 1e-6);
    CHECK_MESSAGE(grid.worst < 1e-8, grid.where);
    const auto crop = test::check_gradients([](const auto& t) { return ops::crop(t[0], 1, 2, 3, 2); }, {x}, 1e-6);
    CHECK_MESSAGE(crop.worst < 1e-8, crop.where);
  }
}

TEST_CASE("crop is the same window of every image") {
  for (Device* device : test::devices()) {
    const Tensor x = test::uniform({2, 6, 5, 3}, -1, 1, DType::f32, *device);
    const Case k{2, 6, 5, 3, 4, 2, {0, 1, 3, 1, 1, 3}};
    CHECK(ops::crop(x, 1, 3, 4, 2).to_vector<float>() ==
          ops::windows(x, places_of(k, *device), 4, 2).to_vector<float>());
  }
}

TEST_CASE("a grid's cell begins at its stride and offset") {
  for (Device* device : test::devices()) {
    const Tensor x = test::uniform({1, 9, 9, 2}, -1, 1, DType::f32, *device);
    const auto at = [&](std::vector<int32_t> cell) { return Tensor::from(cell, {1, 3}, *device); };
    CHECK(ops::windows(x, at({0, 1, 2}), 3, 4, {.stride = 4, .offset = -3}).to_vector<float>() ==
          ops::windows(x, at({0, 1, 5}), 3, 4).to_vector<float>());
  }
}

TEST_CASE("add_bias adds to every pixel; its gradients are dy and the sums over the pixels") {
  for (Device* device : test::devices())
    for (const int64_t c : {1, 31, 33, 257}) {
      const Tensor x = test::uniform({2, 3, 5, c}, -1, 1, DType::f64, *device);
      const Tensor bias = test::uniform({c}, -1, 1, DType::f64, *device, 8);
      const auto check =
          test::check_gradients([](const auto& t) { return ops::add_bias(t[0], t[1]); }, {x, bias}, 1e-6);
      CHECK_MESSAGE(check.worst < 1e-8, check.where);
      std::vector<double> want = doubles(x);
      const std::vector<double> b = doubles(bias);
      for (size_t i = 0; i < want.size(); ++i) want[i] += b[i % b.size()];
      CHECK(doubles(ops::add_bias(x, bias)) == want);
      for (const DType dtype : {DType::bf16, DType::f16}) {
        const Tensor half = x.to(dtype);
        const Tensor in_f32 = ops::add_bias(half.to(DType::f32), bias.to(DType::f32));
        CHECK(doubles(ops::add_bias(half, bias.to(DType::f32))) == doubles(in_f32.to(dtype)));
      }
    }
}

TEST_CASE("windows, crop and add_bias name what does not fit") {
  const Tensor x = Tensor::zeros({1, 4, 4, 2}, DType::f32, test::cpu());
  const auto places = [](std::vector<int32_t> values) {
    return Tensor::from(values, {static_cast<int64_t>(values.size()) / 3, 3}, test::cpu());
  };
  CHECK_THROWS_WITH_AS(ops::windows(x, places({1, 0, 0}), 2, 2), "windows: cell 0 is in image 1 of 1", Error);
  CHECK_THROWS_WITH_AS(ops::windows(x, x, 2, 2),
                       "windows: cells are f32 [1, 4, 4, 2] cpu, want i32 [m, 3]: image, row, column", Error);
  CHECK_THROWS_WITH_AS(ops::windows(x, places({0, 0, 0}), 0, 2),
                       "windows: a window of 0 x 2; want a height and width of 1 or more", Error);
  CHECK_THROWS_WITH_AS(ops::crop(x, 1, 0, 4, 4), "crop: 4 x 4 pixels from (1, 0) do not lie on f32 [1, 4, 4, 2] cpu",
                       Error);
  CHECK_THROWS_WITH_AS(ops::add_bias(x, Tensor::zeros({3}, DType::f32, test::cpu())),
                       "add_bias: bias is f32 [3] cpu, want f32 [2] for x f32 [1, 4, 4, 2] cpu", Error);
}
