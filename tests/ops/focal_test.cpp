#include "ops/focal.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>

#include "autograd/node.h"
#include "math/exp.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

/// Labels 0..channels, about a third of them background.
std::vector<int32_t> labels_of(int64_t rows, int64_t channels) {
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < rows; ++i) labels.push_back(i % 3 == 0 ? 0 : static_cast<int32_t>(1 + (i * 7) % channels));
  return labels;
}

Tensor tensor_of(const std::vector<int32_t>& labels, Device& device = test::cpu()) {
  return Tensor::from(labels, {static_cast<int64_t>(labels.size())}, device);
}

/// Specification section 7, in double and by cases.
double reference(const std::vector<float>& logits, const std::vector<int32_t>& labels, int64_t channels, double extra,
                 double alpha, double gamma) {
  double sum = 0, positives = 0;
  for (size_t row = 0; row < labels.size(); ++row) {
    positives += labels[row] > 0;
    for (int64_t c = 0; c < channels; ++c) {
      const double z = logits[row * static_cast<size_t>(channels) + static_cast<size_t>(c)];
      const double p = 1 / (1 + std::exp(-z));
      sum += labels[row] == c + 1
                 ? -alpha * std::pow(1 - p, gamma) * std::log(std::max(p, 1.1754943508222875e-38))
                 : (1 - alpha) * std::pow(p, gamma) * (std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))));
    }
  }
  return sum / (positives + extra);
}

/// Elements to check by differences; an emulated launch takes its time, and gradients are compared with the CPU's too.
int64_t samples_on(const Device& device) { return device.kind() == DeviceKind::cpu ? 40 : 3; }

/// The gradient of a loss with respect to `x`.
template <class F>
std::vector<float> gradient(Tensor x, const F& loss) {
  autograd::set_requires_grad(x, true);
  autograd::backward(loss(x));
  return autograd::grad(x).template to_vector<float>();
}

}  // namespace

TEST_CASE("vector_exp is good to 1 ulp and vector_log1p to 2") {
  const auto ulps = [](double got, double want) {
    return std::abs(got - want) / std::ldexp(1.0, std::ilogb(want) - 23);
  };
  double worst_exp = 0, worst_log = 0;
  for (int i = 0; i < 400000; ++i) {
    const float x = -87.3f + 176.0f * static_cast<float>(i) / 400000;
    worst_exp = std::max(worst_exp, ulps(math::vector_exp(x), std::exp(static_cast<double>(x))));
    const float e = static_cast<float>(i + 1) / 400000;
    worst_log = std::max(worst_log, ulps(math::vector_log1p(e), std::log1p(static_cast<double>(e))));
  }
  CHECK(worst_exp <= 1);
  CHECK(worst_log <= 2);
  CHECK(math::vector_exp(0.0f) == 1.0f);
  CHECK(math::vector_log1p(0.0f) == 0.0f);
  CHECK(std::isinf(math::vector_exp(88.73f)));
  CHECK(std::isinf(math::vector_exp(1e30f)));
  CHECK(math::vector_exp(-1e30f) == 0.0f);
  CHECK(std::isnan(math::vector_exp(std::nanf(""))));
  // Below the normal range the step is 2^-149.
  for (const float x : {-88.0f, -95.0f, -103.0f})
    CHECK(std::abs(math::vector_exp(x) - std::exp(static_cast<double>(x))) <= std::ldexp(1.0, -149));
}

TEST_CASE("focal loss agrees with its formula and its own differences at odd sizes") {
  for (Device* device : test::devices(test::Against::reference))
    for (const double gamma : {2.0, 1.5, 0.0})
      for (const int64_t rows : {0, 1, 31, 257})
        for (const int64_t channels : {1, 32, 33, 80}) {
          const test::Sizes sizes{rows, channels};
          CAPTURE(device->name());
          CAPTURE(gamma);
          CAPTURE(rows);
          CAPTURE(channels);
          const Tensor z = test::uniform({rows, channels}, -9, 9, DType::f32, *device);
          const auto labels = labels_of(rows, channels);
          const Tensor classes = tensor_of(labels, *device);
          const double got = ops::sigmoid_focal_loss(z, classes, 2, 0.25, gamma).item();
          const double want = reference(z.to_vector<float>(), labels, channels, 2, 0.25, gamma);
          CHECK(std::abs(got - want) <= 1e-6 * want);  // single losses are good to a few ulp, the sum is in double
          if (rows == 0) continue;
          const auto check = test::check_gradients(
              [&](const auto& in) { return ops::sigmoid_focal_loss(in[0], classes, 2, 0.25, gamma); },
              {z.to(DType::f64)}, 1e-5, samples_on(*device));
          CHECK_MESSAGE(check.worst < 1e-8, check.where);
        }
}

TEST_CASE("f32 gradients agree with f64 ones") {
  const int64_t rows = 300, channels = 80;
  for (Device* device : test::devices(test::Against::reference)) {
    CAPTURE(device->name());
    const Tensor z = test::uniform({rows, channels}, -12, 12, DType::f32, *device);
    const Tensor classes = tensor_of(labels_of(rows, channels), *device);
    const auto loss = [&](const Tensor& x) { return ops::sigmoid_focal_loss(x, classes, 1); };
    const auto got = gradient(z, loss);
    Tensor wide = z.to(DType::f64);
    autograd::set_requires_grad(wide, true);
    autograd::backward(loss(wide));
    const auto want = autograd::grad(wide).to_vector<double>();
    double worst = 0;
    for (size_t i = 0; i < want.size(); ++i)
      worst = std::max(worst, std::abs(got[i] - want[i]) / (2e-6 * std::abs(want[i]) + 1e-12));
    CHECK(worst <= 1);  // 2e-6: about 15 roundings of 6e-8, doubled by the square
  }
}

TEST_CASE("devices agree to the bit in gradients, and in the loss but for the order of its sum") {
  for (Device* device : test::devices(test::Against::cpu))
    for (const int64_t channels : {5, 80})     // by elements and by packs of 16 bytes
      for (const int64_t begin : {0, 1, 3}) {  // rows of 5 begin where no pack would
        const Tensor z = test::uniform({70, channels}, -9, 9, DType::f32, test::cpu()).narrowed(begin, 67);
        auto labels = labels_of(67, channels);
        labels[5] = labels[66] = -1;
        const auto on = [&](Device& where) {
          return [&](const Tensor& x) { return ops::sigmoid_focal_loss(x, tensor_of(labels, where), 1); };
        };
        const Tensor there = test::uniform({70, channels}, -9, 9, DType::f32, *device).narrowed(begin, 67);
        CHECK(gradient(there, on(*device)) == gradient(z, on(test::cpu())));
        CHECK(on(*device)(there).item() == doctest::Approx(on(test::cpu())(z).item()).epsilon(3e-7));
      }
}

TEST_CASE("far logits give finite losses and gradients") {
  for (Device* device : test::devices()) {
    const Tensor z = Tensor::from(std::vector<float>{-200, 200, -88, 88, -1e30f, 1e30f}, {6, 1}, *device);
    for (const int32_t label : {0, 1}) {
      const Tensor classes = tensor_of(std::vector<int32_t>(6, label), *device);
      const auto loss = [&](const Tensor& x) { return ops::sigmoid_focal_loss(x, classes, 1); };
      for (const float g : gradient(z, loss)) CHECK(std::isfinite(g));
      // A present class that is certainly absent costs alpha * -log(FLT_MIN), whatever the logit.
      const double far = ops::sigmoid_focal_loss(z.narrowed(0, 1), tensor_of({label}, *device), 1).item();
      CHECK(far == doctest::Approx(label == 1 ? 0.25 * 87.33654475 / 2 : 0));
    }
  }
}

TEST_CASE("without a positive row the normaliser is the rest, and zero counts as one") {
  for (Device* device : test::devices()) {
    CAPTURE(device->name());
    const Tensor z = test::uniform({40, 7}, -3, 3, DType::f64, *device);
    const Tensor none = tensor_of(std::vector<int32_t>(40, 0), *device);
    const double sum = ops::sigmoid_focal_loss(z, none, 1).item();
    CHECK(ops::sigmoid_focal_loss(z, none, 4).item() == doctest::Approx(sum / 4).epsilon(1e-12));
    CHECK(ops::sigmoid_focal_loss(z, none, 0).item() == sum);
  }
}

TEST_CASE("rows of label -1 give neither loss nor gradient, wherever they stand") {
  for (Device* device : test::devices()) {
    CAPTURE(device->name());
    const int64_t rows = 700, channels = 33;  // several chunks, several blocks
    const Tensor z = test::uniform({rows, channels}, -9, 9, DType::f32, *device);
    const std::vector<float> logits = z.to_vector<float>();
    std::vector<int32_t> labels = labels_of(rows, channels), kept_labels;
    std::vector<float> kept;
    for (int64_t row = 0; row < rows; ++row) {
      const bool left_out = row < 2 || row == rows - 1 || (row > 100 && row < 300) || row % 7 == 3;
      const auto at = static_cast<size_t>(row);
      if (left_out) {
        labels[at] = -1;
        continue;
      }
      kept_labels.push_back(labels[at]);
      kept.insert(kept.end(), logits.begin() + row * channels, logits.begin() + (row + 1) * channels);
    }
    const Tensor classes = tensor_of(labels, *device);
    const double want = reference(kept, kept_labels, channels, 2, 0.25, 2);
    CHECK(std::abs(ops::sigmoid_focal_loss(z, classes, 2).item() - want) <= 1e-6 * want);

    const auto loss = [&](const Tensor& x) { return ops::sigmoid_focal_loss(x, classes, 2); };
    const auto got = gradient(z, loss);
    const Tensor kept_rows = Tensor::from(kept, {static_cast<int64_t>(kept_labels.size()), channels}, *device);
    const auto want_slope = gradient(
        kept_rows, [&](const Tensor& x) { return ops::sigmoid_focal_loss(x, tensor_of(kept_labels, *device), 2); });
    size_t next = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      const bool left_out = labels[i / static_cast<size_t>(channels)] < 0;
      REQUIRE(got[i] == (left_out ? 0.0f : want_slope[next++]));
    }
    CHECK(next == want_slope.size());

    const Tensor all_out = tensor_of(std::vector<int32_t>(static_cast<size_t>(rows), -1), *device);
    CHECK(ops::sigmoid_focal_loss(z, all_out, 1).item() == 0);
    for (const float g : gradient(z, [&](const Tensor& x) { return ops::sigmoid_focal_loss(x, all_out, 1); }))
      REQUIRE(g == 0);
  }
}

TEST_CASE("a label that no class has makes the loss of a CUDA device NaN") {
  if (!test::cuda()) return;
  const Tensor z = Tensor::zeros({3, 2}, DType::f32, *test::cuda());
  for (const int32_t label : {3, -2, INT32_MAX, INT32_MIN})
    CHECK(std::isnan(ops::sigmoid_focal_loss(z, tensor_of({0, label, 1}, *test::cuda()), 1).item()));
}

TEST_CASE("the same bits for any number of threads") {
  const int64_t rows = 5000, channels = 80;
  const Tensor z = test::uniform({rows, channels}, -9, 9, DType::f32, test::cpu());
  const Tensor classes = tensor_of(labels_of(rows, channels));
  const auto loss = [&](const Tensor& x) { return ops::sigmoid_focal_loss(x, classes, 1); };
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const double value = loss(z).item();
  const auto slope = gradient(z, loss);
  for (const int count : {2, 3, 7}) {
    omp_set_num_threads(count);
    CHECK(loss(z).item() == value);
    CHECK(gradient(z, loss) == slope);
  }
  omp_set_num_threads(threads);
}

TEST_CASE("messages of the focal loss") {
  Device& dev = test::cpu();
  const Tensor z = Tensor::zeros({3, 2}, DType::f32, dev);
  CHECK_THROWS_WITH_AS(ops::sigmoid_focal_loss(z, tensor_of({0, 3, 1}), 1),
                       "sigmoid_focal_loss: label 3 in row 1, want -1 (left out), 0 (background) or up to 2", Error);
  CHECK_THROWS_WITH_AS(ops::sigmoid_focal_loss(z, tensor_of({0, -2, 1}), 1),
                       "sigmoid_focal_loss: label -2 in row 1, want -1 (left out), 0 (background) or up to 2", Error);
  CHECK_THROWS_WITH_AS(ops::sigmoid_focal_loss(z, tensor_of({0, 1}), 1),
                       "sigmoid_focal_loss: labels are i32 [2] cpu, want i32 [3]", Error);
  CHECK_THROWS_WITH_AS(ops::sigmoid_focal_loss(Tensor::zeros({3}, DType::f32, dev), tensor_of({0, 1, 1}), 1),
                       "sigmoid_focal_loss: logits are f32 [3] cpu, want [locations, classes]", Error);
  CHECK_THROWS_WITH_AS(ops::sigmoid_focal_loss(z, tensor_of({0, 1, 1}), -1),
                       "sigmoid_focal_loss: normaliser_extra is -1, want >= 0", Error);
  CHECK_THROWS_WITH_AS(ops::sigmoid_focal_loss(z, tensor_of({0, 1, 1}), 1, 2),
                       "sigmoid_focal_loss: alpha is 2, want 0 to 1", Error);
}
