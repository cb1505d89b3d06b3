// What ops tell the profiler, against numbers worked out by hand.
#include "ops/profile.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "autograd/node.h"
#include "cpu/device.h"
#include "ops/cast.h"
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/pool.h"
#include "ops/resize.h"
#include "tests/support/devices.h"

using namespace az;

namespace {

/// The spans of what `work` does on the device.
template <class F>
std::vector<Span> spans_of(Device& device, const F& work) {
  Profiler profiler(device);
  work();
  return profiler.take();
}

const Span* find(const std::vector<Span>& spans, const std::string& name, Phase phase = Phase::forward) {
  for (const Span& s : spans)
    if (s.name == name && s.phase == phase) return &s;
  return nullptr;
}

void check_cost(const Span* span, double flops, double read, double written) {
  REQUIRE(span != nullptr);
  CAPTURE(span->name);
  CHECK(span->detail.cost.flops == flops);
  CHECK(span->detail.cost.bytes_read == read);
  CHECK(span->detail.cost.bytes_written == written);
}

}  // namespace

TEST_CASE("a convolution's cost: 2 x 5 x 6 pixels of 3 channels to 4 by 3x3 with stride 2") {
  // Output 2 x 3 x 3 x 4 = 72 elements of 27 products; x 180, w 108, y 72 elements.
  const math::ConvShape shape{.n = 2, .h = 5, .w = 6, .c = 3, .k = 4, .r = 3, .s = 3, .stride = 2, .padding = 1};
  const Cost forward = ops::conv_cost(shape, cpu::ConvPass::forward, 4, 4, 1);
  CHECK(forward.flops == 2 * 72 * 27);
  CHECK(forward.bytes_read == 4 * (180 + 108 + 72));
  CHECK(forward.bytes_written == 4 * 72);
  CHECK(forward.executed() == forward.flops);
  const Cost data = ops::conv_cost(shape, cpu::ConvPass::backward_data, 2, 2);
  CHECK(data.bytes_read == 2 * (72 + 108));
  CHECK(data.bytes_written == 2 * 180);
  const Cost weight = ops::conv_cost(shape, cpu::ConvPass::backward_weights, 2, 4);
  CHECK(weight.bytes_read == 2 * (180 + 72));
  CHECK(weight.bytes_written == 4 * 108);
}

TEST_CASE("Winograd multiplies 36 points a tile of 4x4 outputs, 81 with stride 2, and 16 of 2x2, started ones too") {
  const math::ConvShape shape{.n = 1, .h = 9, .w = 8, .c = 5, .k = 7, .r = 3, .s = 3, .padding = 1};
  const auto executed = [](const math::ConvShape& s, cpu::ConvAlgorithm algorithm) {
    return ops::conv_cost(s, cpu::ConvPass::forward, 4, 4, 0, algorithm).executed_flops;
  };
  CHECK(ops::conv_cost(shape, cpu::ConvPass::forward, 4, 4).flops == 2 * 9 * 8 * 7 * 9 * 5);
  CHECK(executed(shape, cpu::ConvAlgorithm::winograd4) == 2 * 36 * (3 * 2) * 5 * 7);
  CHECK(executed(shape, cpu::ConvAlgorithm::winograd2) == 2 * 16 * (5 * 4) * 5 * 7);
  math::ConvShape strided = shape;
  strided.stride = 2;  // 5 x 4 outputs
  CHECK(executed(strided, cpu::ConvAlgorithm::winograd4_stride2) == 2 * 81 * 2 * 5 * 7);
}

TEST_CASE("ops report their costs, forward and backward") {
  for (Device* device : test::devices()) {
    CAPTURE(device->name());
    Tensor x = Tensor::full({1, 4, 4, 8}, 0.5, DType::f32, *device);  // 128 elements, 512 bytes
    Tensor w = Tensor::full({8, 1, 1, 8}, 0.1, DType::f32, *device);
    Tensor scale = Tensor::full({8}, 1, DType::f32, *device), shift = Tensor::full({8}, 0, DType::f32, *device);
    for (Tensor* t : {&x, &w, &scale, &shift}) autograd::set_requires_grad(*t, true);
    const auto spans = spans_of(*device, [&] {
      const Tensor y = ops::conv2d(x, w);
      const Tensor z = ops::group_norm(y, scale, shift, 2, 1e-5, true);
      const Tensor p = ops::max_pool(ops::add(ops::relu(z), ops::sigmoid(z)), {2, 2, 0});
      const Tensor r = ops::resize_nearest(p, 4, 4);
      const Tensor m = ops::matmul(ops::reshape(r, {16, 8}), ops::reshape(w, {8, 8}), false, true);
      const Tensor row = ops::reshape(m, {1, 128});
      autograd::backward(ops::matmul(row, row, false, true));
    });
    check_cost(find(spans, "conv2d"), 2 * 128 * 8, 512 + 256, 512);
    CHECK(find(spans, "conv2d")->detail.weight == w.storage_id());
    CHECK(find(spans, "conv2d")->detail.shape == "[1, 4, 4, 8] 1x1 -> 8");
    check_cost(find(spans, "group_norm"), 5 * 128, 2 * 512, 512);
    CHECK(find(spans, "group_norm")->detail.weight == scale.storage_id());
    check_cost(find(spans, "relu"), 128, 512, 512);
    check_cost(find(spans, "sigmoid"), 3 * 128, 512, 512);
    check_cost(find(spans, "add"), 128, 2 * 512, 512);
    check_cost(find(spans, "max_pool"), 32 * 4, 512, 32 * 5);
    check_cost(find(spans, "resize_nearest"), 0, 128, 512);
    check_cost(find(spans, "matmul"), 2 * 16 * 8 * 8, 512 + 256, 512);
    check_cost(find(spans, "conv2d data gradient", Phase::backward), 2 * 128 * 8, 512 + 256, 512);
    check_cost(find(spans, "conv2d weight gradient", Phase::backward), 2 * 128 * 8, 2 * 512, 256);
    check_cost(find(spans, "relu", Phase::backward), 128, 2 * 512, 512);
    check_cost(find(spans, "sigmoid", Phase::backward), 3 * 128, 2 * 512, 512);
    check_cost(find(spans, "max_pool", Phase::backward), 32, 128 + 32, 512);
    check_cost(find(spans, "add", Phase::backward), 0, 0, 0);
    check_cost(find(spans, "gradient sum", Phase::backward), 128, 2 * 512, 512);
    // Sums and rows read dy and x each; rows write dx.
    check_cost(find(spans, "group_norm", Phase::backward), 8 * 128, 4 * 512, 512);
  }
}

TEST_CASE("levels that share weights read them once") {
  cpu::CpuDevice device;
  const Tensor x = Tensor::zeros({1, 4, 4, 8}, DType::f32, device);
  const math::ConvShape large{.n = 1, .h = 4, .w = 4, .c = 8, .k = 8}, small{.n = 1, .h = 2, .w = 2, .c = 8, .k = 8};
  const std::vector<math::ConvShape> shapes{large, small};
  const SpanDetail detail = ops::conv_levels_detail(shapes, x, 3);
  CHECK(detail.shape == "[1, 4, 4, 8] 1x1 -> 8, 2 levels");
  CHECK(detail.weight == 3);
  CHECK(detail.cost.flops == 2 * (128 + 32) * 8);
  CHECK(detail.cost.bytes_read == 4 * (128 + 32 + 64));
  CHECK(detail.cost.bytes_written == 4 * (128 + 32));
}

TEST_CASE("a cast reads one width and writes the other") {
  for (Device* device : test::devices()) {
    const Tensor x = Tensor::zeros({10}, DType::f32, *device);
    const auto spans = spans_of(*device, [&] { ops::cast(x, DType::bf16); });
    check_cost(find(spans, "cast"), 0, 40, 20);
  }
}

TEST_CASE("a convolution names its algorithm") {
  const autograd::NoGrad off;
  for (const bool exact : {false, true}) {
    cpu::CpuDevice device(exact);
    const Tensor x = Tensor::zeros({1, 8, 8, 3}, DType::f32, device),
                 w = Tensor::zeros({4, 7, 7, 3}, DType::f32, device);
    const auto spans = spans_of(device, [&] { ops::conv2d(x, w, {.stride = 2, .padding = 3}); });
    REQUIRE(spans.size() == 1);
    CHECK(std::string(spans[0].detail.algorithm) == (exact ? "exact" : "direct"));
    CHECK(spans[0].detail.shape == "[1, 8, 8, 3] 7x7/2 -> 4");
  }
}
