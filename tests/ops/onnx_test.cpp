// The ONNX rule of each op: its graph, run in plain loops (tests/support/onnx_run.h), gives what the op gives.
#include "autograd/onnx.h"

#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "ops/bias.h"
#include "ops/conv.h"
#include "ops/conv_transpose.h"
#include "ops/elementwise.h"
#include "ops/norm.h"
#include "ops/pool.h"
#include "ops/resize.h"
#include "ops/window.h"
#include "ops/xcorr.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"
#include "tests/support/onnx_run.h"

using namespace az;
using autograd::NamedTensors;

namespace {

Tensor values(const Shape& shape, uint64_t seed = 7) {
  return test::uniform(shape, -1, 1, DType::f32, test::cpu(), seed);
}

Tensor leaf(const Shape& shape, uint64_t seed = 7) {
  Tensor t = values(shape, seed);
  autograd::set_requires_grad(t, true);
  return t;
}

using Op = std::function<Tensor(const std::vector<Tensor>&)>;

/// The kinds of the graph's nodes, after its outputs were found to be the op's.
std::vector<std::string> kinds(const Op& op, const std::vector<Tensor>& inputs) {
  NamedTensors named;
  for (const Tensor& t : inputs) named.emplace_back(fmt::format("in{}", named.size()), t);
  const NamedTensors outputs = {{"out", op(inputs)}};
  const test::OnnxRound round = test::check_onnx(autograd::onnx_graph("op", named, outputs), named, outputs);
  for (const std::string& fault : round.faults) FAIL_CHECK(fault);
  CHECK(round.worst < 2e-6);  // f32 sums of at most a few hundred products
  std::vector<std::string> types;
  for (const auto& node : round.file.nodes) types.push_back(node.type);
  return types;
}

using Kinds = std::vector<std::string>;

}  // namespace

TEST_CASE("a convolution is Conv with the norm folded in, then the residual, then ReLU") {
  const Tensor w = values({6, 3, 3, 2}, 1), scale = values({6}, 2), bias = values({6}, 3);
  const ops::Conv2dOptions options{.stride = 2, .padding = 2, .dilation = 2, .groups = 2};
  CHECK(kinds([&](const auto& t) { return ops::conv2d(t[0], w, options); }, {leaf({2, 9, 7, 4})}) == Kinds{"Conv"});
  CHECK(kinds(
            [&](const auto& t) {
              return ops::conv2d(t[0], w, options, {.scale = scale, .bias = bias, .residual = t[1], .relu = true});
            },
            {leaf({2, 9, 7, 4}), leaf({2, 5, 4, 6}, 9)}) == Kinds{"Conv", "Add", "Relu"});
  CHECK(kinds(
            [&](const auto& t) {
              const auto y = ops::conv2d_levels({t[0], t[1]}, w, options, {.bias = bias});
              return ops::add(y[0], y[1]);
            },
            {leaf({1, 9, 7, 4}), leaf({1, 9, 7, 4}, 9)}) == Kinds{"Conv", "Conv", "Add"});
}

TEST_CASE("pools, resizes, crops and element-wise ops are one operator each") {
  const Tensor x = leaf({2, 9, 7, 3});
  CHECK(kinds([](const auto& t) { return ops::max_pool(t[0], {3, 2, 1}); }, {x}) == Kinds{"MaxPool"});
  CHECK(kinds([](const auto& t) { return ops::resize_nearest(t[0], 19, 20); }, {x}) == Kinds{"Resize"});
  CHECK(kinds([](const auto& t) { return ops::crop(t[0], 2, 1, 5, 4); }, {x}) == Kinds{"Slice"});
  CHECK(kinds([](const auto& t) { return ops::relu(t[0]); }, {x}) == Kinds{"Relu"});
  CHECK(kinds([](const auto& t) { return ops::add(t[0], t[1]); }, {x, leaf({2, 9, 7, 3}, 8)}) == Kinds{"Add"});
  CHECK(kinds([](const auto& t) { return ops::add_bias(t[0], values({3}, 5)); }, {x}) == Kinds{"Add"});
  const Tensor factor = Tensor::full(Shape{}, 1.3, DType::f32, test::cpu());
  CHECK(kinds([&](const auto& t) { return ops::exp_scaled(t[0], factor); }, {x}) == Kinds{"Mul", "Exp"});
  CHECK(kinds([&](const auto& t) { return ops::exp_scaled(t[0], factor, 0.5); }, {x}) == Kinds{"Mul", "Min", "Exp"});
}

TEST_CASE("a group norm is an instance norm of its groups") {
  const Tensor weight = values({6}, 1), bias = values({6}, 2);
  for (const bool relu : {false, true}) {
    Kinds want = {"Reshape", "InstanceNormalization", "Reshape", "Mul", "Add"};
    if (relu) want.emplace_back("Relu");
    CHECK(kinds([&](const auto& t) { return ops::group_norm(t[0], weight, bias, 3, 1e-5, relu); },
                {leaf({2, 5, 4, 6})}) == want);
  }
}

TEST_CASE("a correlation is a grouped Conv whose weight is an input") {
  const Op xcorr = [](const auto& t) { return ops::xcorr_depthwise(t[0], t[1]); };
  CHECK(kinds(xcorr, {leaf({1, 7, 6, 5}), leaf({1, 3, 2, 5}, 8)}) == Kinds{"Reshape", "Conv"});
  CHECK(kinds(xcorr, {leaf({3, 7, 6, 5}), leaf({1, 3, 2, 5}, 8)}) == Kinds{"Reshape", "Conv"});
  CHECK(kinds(xcorr, {leaf({3, 7, 6, 5}), leaf({3, 3, 2, 5}, 8)}) == Kinds{"Reshape", "Reshape", "Conv", "Reshape"});
}

TEST_CASE("windows of cells that are an input are gathered, beyond the map's edges too") {
  const std::vector<int32_t> places = {0, 0, 0, 1, 2, 1, 1, 4, 3, 0, 1, 3};
  const Tensor cells = Tensor::from(places, {4, 3}, test::cpu());
  const Op padded = [](const auto& t) { return ops::windows(t[0], t[1], 5, 4, {.stride = 2, .offset = -3}); };
  const Op plain = [](const auto& t) { return ops::windows(t[0], t[1], 3, 2); };
  const Kinds gather = {"Reshape", "Mul", "ReduceSum", "Reshape", "Add", "Add", "Gather"};
  Kinds with_pad = gather;
  with_pad.insert(with_pad.begin(), "Pad");
  CHECK(kinds(padded, {leaf({2, 9, 8, 3}), cells}) == with_pad);
  CHECK(kinds(plain, {leaf({2, 9, 8, 3}), cells}) == gather);
}

TEST_CASE("a transposed convolution of pixels and reshapes that keep the order") {
  const Tensor w = values({5, 3, 2, 4}, 1);
  CHECK(kinds([&](const auto& t) { return ops::conv_transpose_pixel(t[0], w); }, {leaf({2, 1, 1, 5})}) ==
        Kinds{"ConvTranspose"});
  CHECK(kinds(
            [&](const auto& t) {
              return ops::reshape(t[0], {2, 3, 5, 1});
            },
            {leaf({2, 1, 1, 15})}) == Kinds{"Reshape"});
  // A reshape that changes nothing, of an input: the output still has a name of its own.
  CHECK(kinds(
            [&](const auto& t) {
              return ops::reshape(t[0], {2, 3, 2, 3});
            },
            {leaf({2, 3, 2, 3})}) == Kinds{"Identity"});
}

TEST_CASE("values of one name and equal bytes are one constant, others get a number") {
  const Tensor x = leaf({1, 4, 4, 2});
  const Tensor w = values({2, 1, 1, 2}, 1), other = values({2, 1, 1, 2}, 2);
  const Tensor y = ops::conv2d(ops::conv2d(ops::conv2d(x, w), other), w);
  const auto graph = autograd::onnx_graph("constants", {{"x", x}}, {{"y", y}}, {{w.storage_id(), "conv.weight"}});
  REQUIRE(graph.constants.size() == 2);
  CHECK(graph.constants[0].name == "conv.weight");
  CHECK(graph.constants[1].name == "weight");
  CHECK(graph.nodes.back().inputs[1] == "conv.weight");
  CHECK(graph.nodes.back().output == "y");
}

TEST_CASE("what has no graph is named") {
  const Tensor x = leaf({1, 4, 4, 2});
  const auto graph = [&](const Tensor& y, const NamedTensors& inputs) {
    return autograd::onnx_graph("none", inputs, {{"y", y}});
  };
  CHECK_THROWS_WITH_AS(graph(ops::add(x, ops::sigmoid(x)), {{"x", x}}),
                       "onnx: the op sigmoid has no rule; write its node's onnx() (autograd/onnx.h), or export a part "
                       "without it",
                       Error);
  CHECK_THROWS_WITH_AS(graph(ops::resize_bilinear(x, 8, 8, true), {{"x", x}}),
                       doctest::Contains("the op resize_bilinear has no rule"), Error);
  CHECK_THROWS_WITH_AS(graph(ops::reshape(x, {1, 32}), {{"x", x}}),
                       "onnx: reshape of [1, 4, 4, 2] to [1, 32] would have to transpose between NHWC and NCHW", Error);
  CHECK_THROWS_WITH_AS(graph(values({2}), {{"x", x}}), "onnx: nothing recorded leads to the output y, f32 [2] cpu",
                       Error);
  CHECK_THROWS_WITH_AS(graph(ops::relu(x), {}), "onnx: the graph none has no inputs", Error);
  const Tensor stranger = leaf({1, 4, 4, 2}, 8);
  CHECK_THROWS_WITH_AS(graph(ops::add(x, stranger), {{"x", x}}),
                       "onnx: input 1 of add is a leaf that is no input of the graph; freeze the network", Error);
  CHECK_THROWS_WITH_AS(graph(ops::add(x, values({1, 4, 4, 2})), {{"x", x}}),
                       "onnx: input 1 of add depends on no input of the graph", Error);
  Tensor wide = test::uniform({2}, -1, 1, DType::f64, test::cpu());
  autograd::set_requires_grad(wide, true);
  CHECK_THROWS_WITH_AS(graph(ops::relu(wide), {{"x", wide}}), "onnx: x is f64 [2] cpu, want f32 or i32 on the CPU",
                       Error);
}
