#include "train/optimizer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/node.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;
using namespace az::train;

namespace {

/// Three leaves; the loss has gradient `w` for a and b, and none for c.
struct Model {
  Tensor a, b, c;

  explicit Model(Device& device = test::cpu())
      : a(test::uniform({3, 5}, -1, 1, DType::f32, device, 1)),
        b(test::uniform({7}, -1, 1, DType::f32, device, 2)),
        c(test::uniform({2}, -1, 1, DType::f32, device, 3)) {
    for (Tensor* t : {&a, &b, &c}) autograd::set_requires_grad(*t, true);
  }
  std::vector<Parameter> parameters() { return {{"a.weight", &a, {}}, {"b.bias", &b, {2, 0}}, {"c.weight", &c, {}}}; }
  static Tensor weights(const Tensor& t, uint64_t step) {
    return test::uniform(t.shape(), -1, 1, DType::f32, t.device(), 100 + step);
  }
  void backward(uint64_t step) {
    autograd::backward(ops::add(ops::weighted_sum(a, weights(a, step)), ops::weighted_sum(b, weights(b, step))));
  }
  std::vector<std::vector<float>> values() const {
    return {a.to_vector<float>(), b.to_vector<float>(), c.to_vector<float>()};
  }
};

void take_steps(Model& model, Optimizer& optimizer, uint64_t first, uint64_t end) {
  for (uint64_t step = first; step < end; ++step) {
    model.backward(step);
    optimizer.step(0.05);
    optimizer.zero_grad();
  }
}

OptimizerOptions options(OptimizerKind kind) { return {.kind = kind, .weight_decay = 0.1, .clip_norm = 0.5}; }

}  // namespace

TEST_CASE("SGD clips, decays and multiplies rates by group, and leaves parameters without gradient alone") {
  for (Device* device : test::devices(test::Against::reference)) {
    Model model(*device);
    const auto before = model.values();
    Optimizer optimizer(options(OptimizerKind::sgd), model.parameters());
    std::vector<std::vector<double>> velocity{std::vector<double>(15), std::vector<double>(7)};
    std::vector<std::vector<double>> want{{before[0].begin(), before[0].end()}, {before[1].begin(), before[1].end()}};
    for (uint64_t step = 0; step < 3; ++step) {
      const std::vector<std::vector<float>> g{Model::weights(model.a, step).to_vector<float>(),
                                              Model::weights(model.b, step).to_vector<float>()};
      double squares = 0;
      for (const auto& one : g)
        for (const float v : one) squares += double(v) * double(v);
      model.backward(step);
      CHECK(optimizer.step(0.05) == doctest::Approx(std::sqrt(squares)).epsilon(1e-12));
      optimizer.zero_grad();
      const double factor = std::min(1.0, 0.5 / (std::sqrt(squares) + 1e-6));
      for (size_t k = 0; k < 2; ++k)
        for (size_t i = 0; i < g[k].size(); ++i) {
          const double decayed = double(g[k][i]) * factor + (k == 0 ? 0.1 : 0.0) * want[k][i];
          velocity[k][i] = 0.9 * velocity[k][i] + decayed;
          want[k][i] -= 0.05 * (k == 0 ? 1 : 2) * velocity[k][i];
        }
    }
    const auto after = model.values();
    for (size_t k = 0; k < 2; ++k)
      for (size_t i = 0; i < after[k].size(); ++i) CHECK(std::abs(after[k][i] - want[k][i]) < 1e-6);
    CHECK(after[2] == before[2]);
    CHECK_FALSE(optimizer.state().contains("momentum/c.weight"));
    CHECK_FALSE(autograd::grad(model.a).defined());
  }
}

TEST_CASE("saving, loading and going on gives the same bits as going on") {
  for (Device* device : test::devices()) {
    for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adam, OptimizerKind::adamw}) {
      Model straight(*device);
      Optimizer one(options(kind), straight.parameters());
      take_steps(straight, one, 0, 6);

      Model saved(*device);
      Optimizer two(options(kind), saved.parameters());
      take_steps(saved, two, 0, 3);
      const auto state = two.state();
      take_steps(saved, two, 3, 4);  // the saved state is a copy: this must not change it

      Model resumed(*device);
      Optimizer three(options(kind), resumed.parameters());
      take_steps(resumed, three, 0, 3);
      Optimizer four(options(kind), resumed.parameters());
      four.load_state(state);
      take_steps(resumed, four, 3, 6);
      CHECK(resumed.values() == straight.values());
      CHECK(state.size() == (kind == OptimizerKind::sgd ? 2 : 6));
      if (kind != OptimizerKind::sgd) CHECK(state.at("step/a.weight").to_vector<int64_t>()[0] == 3);
    }
  }
}

TEST_CASE("AdamW's first update moves each element by the rate, after the decay") {
  for (Device* device : test::devices()) {
    Model model(*device);
    const auto before = model.values();
    Optimizer optimizer({.kind = OptimizerKind::adamw, .weight_decay = 0.1}, model.parameters());
    take_steps(model, optimizer, 0, 1);
    const auto after = model.values();
    const auto g = Model::weights(model.a, 0).to_vector<float>();
    for (size_t i = 0; i < g.size(); ++i)
      CHECK(std::abs(after[0][i] - (before[0][i] * (1 - 0.05 * 0.1) - 0.05 * (g[i] > 0 ? 1 : -1))) < 1e-6);
  }
}

TEST_CASE("a gradient that is not finite is an error before anything changes") {
  for (Device* device : test::devices()) {
    Model model(*device);
    Optimizer optimizer(options(OptimizerKind::sgd), model.parameters());
    const auto before = model.values();
    model.backward(0);
    Tensor bad = Tensor::full({7}, INFINITY, DType::f32, *device);
    autograd::backward(ops::weighted_sum(model.b, bad));
    CHECK_THROWS_WITH_AS(
        optimizer.step(0.1),
        "optimizer: the gradient of 'b.bias' is not finite; lower the rate or look for the input that caused it",
        Error);
    CHECK(model.values() == before);
    CHECK(optimizer.state().empty());
  }
}

TEST_CASE("the devices update alike, several updates at a time") {
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adam, OptimizerKind::adamw})
    for (Device* device : test::devices()) {
      Model model(*device), reference;
      Optimizer optimizer(options(kind), model.parameters()), one_by_one(options(kind), reference.parameters());
      double want = 0;
      for (uint64_t step = 0; step < 4; ++step) {
        const double lr = 0.01 * static_cast<double>(step + 1);
        reference.backward(step);
        want = one_by_one.step(lr);
        one_by_one.zero_grad();
        optimizer.prepare(lr);
        model.backward(step);
        optimizer.enqueue();
        optimizer.zero_grad();
      }
      CHECK(optimizer.norm() == doctest::Approx(want).epsilon(1e-14));
      const auto got = model.values(), expected = reference.values();
      for (size_t k = 0; k < got.size(); ++k)
        for (size_t i = 0; i < got[k].size(); ++i) CHECK(std::abs(got[k][i] - expected[k][i]) <= 2e-7);
    }
}

TEST_CASE("after a gradient that is not finite nothing changes until it is reported") {
  for (Device* device : test::devices()) {
    Model model(*device);
    Optimizer optimizer(options(OptimizerKind::adam), model.parameters());
    take_steps(model, optimizer, 0, 1);
    const auto before = model.values();
    const Tensor bad = Tensor::full({7}, NAN, DType::f32, *device);
    autograd::backward(ops::weighted_sum(model.b, bad));
    const auto enqueue = [&] {
      optimizer.prepare(0.1);
      optimizer.enqueue();
      optimizer.zero_grad();
    };
    enqueue();
    for (uint64_t step = 0; step < 2; ++step) {
      model.backward(step);
      enqueue();
    }
    CHECK(model.values() == before);
    CHECK(optimizer.state().at("step/a.weight").to_vector<int64_t>()[0] == 1);
    CHECK_THROWS_WITH_AS(optimizer.norm(),
                         "optimizer: 2 updates ago the gradient of 'b.bias' was not finite; lower the rate or look for "
                         "the input that caused it",
                         Error);
    take_steps(model, optimizer, 0, 1);
    CHECK(model.values() != before);
  }
}

TEST_CASE("parameter rules go by name and by shape") {
  const auto is = [](const ParamRule& rule, double lr, double decay) {
    return rule.lr_mult == lr && rule.decay_mult == decay;
  };
  CHECK(is(polarmask_rule("bbox_head.cls_convs.0.gn.bias"), 1, 1));
  CHECK(is(polarmask_rule("bbox_head.cls_convs.0.gn.weight"), 1, 1));
  CHECK(is(polarmask_rule("backbone.layer2.0.bn3.bias"), 1, 1));
  CHECK(is(polarmask_rule("bbox_head.cls_convs.1.bias"), 2, 0));  // the norm of a DCN head
  CHECK(is(polarmask_rule("bn12.bias"), 1, 1));
  CHECK(is(polarmask_rule("head.bn"), 1, 1));
  CHECK(is(polarmask_rule("head.bn1x.bias"), 2, 0));
  CHECK(is(polarmask_rule("neck.fpn_convs.0.conv.bias"), 2, 0));
  CHECK(is(polarmask_rule("bbox_head.polar_cls.weight"), 1, 1));
  CHECK(is(polarmask_rule("bbox_head.scales_mask.0.scale"), 1, 1));
  CHECK(is(matrix_decay_rule({8, 3, 3, 4}), 1, 1));
  CHECK(is(matrix_decay_rule({8}), 1, 0));
  CHECK(is(matrix_decay_rule({}), 1, 0));
}

TEST_CASE("optimisers name what is wrong, and a failed load changes nothing") {
  Model model;
  CHECK(optimizer_kind("adamw") == OptimizerKind::adamw);
  CHECK_THROWS_WITH_AS(optimizer_kind("lars"), "optimizer: unknown kind 'lars'; want sgd, adam or adamw", Error);
  CHECK_THROWS_WITH_AS(Optimizer({}, {{"a", &model.a, {}}, {"a", &model.b, {}}}),
                       "optimizer: two parameters are called 'a'", Error);
  CHECK_THROWS_WITH_AS(Optimizer({}, {{"a", nullptr, {}}}), "optimizer: parameter 'a' has no tensor", Error);
  CHECK_THROWS_AS(Optimizer({.momentum = 1}, {}), Error);
  Optimizer optimizer(options(OptimizerKind::adam), model.parameters());
  CHECK_THROWS_AS(optimizer.step(-1), Error);
  CHECK_THROWS_AS(optimizer.step(NAN), Error);
  take_steps(model, optimizer, 0, 2);
  const auto state = optimizer.state();
  const auto load_with = [&](const std::string& name, const Tensor& value) {
    auto changed = state;
    changed[name] = value;
    optimizer.load_state(changed);
  };
  CHECK_THROWS_WITH_AS(load_with("exp_avg/x", model.a),
                       "optimizer: state 'exp_avg/x' belongs to no parameter of this optimiser", Error);
  CHECK_THROWS_WITH_AS(
      load_with("exp_avg/a.weight", model.b),
      "optimizer: state 'exp_avg/a.weight' is f32 [7] cpu, want the shape and dtype of its parameter, f32 [3, 5] cpu",
      Error);
  CHECK_THROWS_WITH_AS(load_with("step/a.weight", model.b),
                       "optimizer: state 'step/a.weight' is f32 [7] cpu, want one i64 of 1 or more", Error);
  auto half = state;
  half.erase("exp_avg_sq/b.bias");
  CHECK_THROWS_WITH_AS(
      optimizer.load_state(half),
      "optimizer: the state of 'b.bias' is incomplete; it was saved by another kind of optimiser or cut off", Error);
  CHECK(optimizer.state().at("exp_avg/a.weight").to_vector<float>() == state.at("exp_avg/a.weight").to_vector<float>());
}

TEST_CASE("an update whose loss is above the limit, or no number, is skipped, whatever its gradients") {
  for (Device* device : test::devices()) {
    CAPTURE(device->name());
    Model model(*device), other(*device);
    OptimizerOptions o = options(OptimizerKind::adamw);
    Optimizer plain(o, other.parameters());
    o.loss_limit = 100;
    Optimizer optimizer(o, model.parameters());
    const auto update = [&](double loss, uint64_t step) {
      model.backward(step);
      optimizer.prepare(0.05);
      optimizer.enqueue(Tensor::full({1}, loss, DType::f32, *device));
      optimizer.norm();
      optimizer.zero_grad();
      return optimizer.skipped();
    };
    CHECK(update(100, 0) == 0);
    CHECK(update(100.5, 1) == 1);
    CHECK(update(std::nan(""), 2) == 1);
    CHECK(update(INFINITY, 3) == 1);
    autograd::backward(ops::scale(ops::sum(model.a), NAN));  // the gradients of such a loss
    optimizer.prepare(0.05);
    optimizer.enqueue(Tensor::full({1}, NAN, DType::f32, *device));
    CHECK_NOTHROW(optimizer.norm());
    optimizer.zero_grad();
    CHECK(update(-3, 4) == 0);
    for (const uint64_t step : {0, 4}) take_steps(other, plain, step, step + 1);
    CHECK(model.values() == other.values());
    CHECK_THROWS_WITH_AS(optimizer.enqueue(Tensor::full({2}, 1, DType::f32, *device)),
                         doctest::Contains("optimizer: the loss is f32 [2]"), Error);
    autograd::backward(ops::scale(ops::sum(model.a), NAN));  // a loss within the limit does not excuse them
    optimizer.prepare(0.05);
    optimizer.enqueue(Tensor::full({1}, 1, DType::f32, *device));
    CHECK_THROWS_WITH_AS(optimizer.norm(), doctest::Contains("'a.weight' is not finite"), Error);
  }
}
