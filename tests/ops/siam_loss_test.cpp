#include "ops/siam_loss.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>
#include <functional>

#include "autograd/node.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"
#include "tests/support/loss_check.h"

using namespace az;

namespace {

using Values = std::vector<double>;

const std::vector<int64_t> kSizes = {0, 1, 31, 32, 33, 257};

Tensor random(Device& device, const Shape& shape, double low, double high, uint64_t seed) {
  return test::uniform(shape, low, high, DType::f64, device, seed);
}

/// 1, 0, -1, 0, 0, ... ; `keep` says which of them stay, others become -1.
std::vector<int32_t> labels_of(int64_t count, bool positives = true, bool negatives = true) {
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t label = i % 5 == 0 ? 1 : i % 5 == 2 ? -1 : 0;
    labels.push_back((label == 1 && !positives) || (label == 0 && !negatives) ? -1 : label);
  }
  return labels;
}

/// Half the mean of -log softmax over label 1 plus half over label 0; `logits` [cells, 2, anchors].
double class_reference(const Values& logits, const std::vector<int32_t>& labels, size_t anchors) {
  double sum[2] = {}, count[2] = {};
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) continue;
    const double* at = &logits[i / anchors * 2 * anchors + i % anchors];
    const auto own = static_cast<size_t>(labels[i]);
    const double total = std::exp(at[0]) + std::exp(at[anchors]);
    sum[own] -= std::log(std::exp(at[own * anchors]) / total);
    count[own] += 1;
  }
  return (count[0] > 0 ? 0.5 * sum[0] / count[0] : 0) + (count[1] > 0 ? 0.5 * sum[1] / count[1] : 0);
}

double box_reference(const Values& x, const Values& target, const Values& weight, size_t anchors, double images) {
  double sum = 0;
  for (size_t i = 0; i < weight.size(); ++i)
    for (size_t q = 0; q < 4; ++q) {
      const size_t at = (i / anchors * 4 + q) * anchors + i % anchors;
      sum += weight[i] * std::abs(x[at] - target[at]);
    }
  return sum / images;
}

double margin_reference(const Values& x, const Values& target, const Values& weight) {
  double sum = 0, count = 0;
  const size_t columns = weight.empty() ? 0 : x.size() / weight.size();
  for (size_t i = 0; i < x.size(); ++i) {
    if (weight[i / columns] == 0) continue;
    sum += std::log(1 + std::exp(-target[i] * x[i]));
    count += 1;
  }
  return count > 0 ? sum / count : 0;
}

constexpr double kNarrow = 1e-6;  // a term's rounding; sums are double

/// Weights 0.3, 0, 0.3, ...: boxes of every other anchor count.
Tensor every_other(const Shape& shape, double value, Device& device) {
  Values weight(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < weight.size(); i += 2) weight[i] = value;
  return Tensor::from(weight, shape, device);
}

/// +1, -1, and a 0 now and then, as beyond the crop.
Tensor signs(const Shape& shape, Device& device) {
  Values target(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < target.size(); ++i) target[i] = i % 7 == 3 ? 0 : i % 3 == 0 ? 1 : -1;
  return Tensor::from(target, shape, device);
}

}  // namespace

TEST_CASE("anchor class loss agrees with its formula and its own differences") {
  for (Device* device : test::devices(test::Against::reference)) {
    CAPTURE(device->name());
    for (const int64_t images : {1, 2})
      for (const int64_t cells : kSizes)
        for (const int64_t anchors : {1, 5})
          for (const int keep : {0, 1, 2}) {
            const test::Sizes sizes{cells};
            CAPTURE(cells);
            CAPTURE(anchors);
            if (keep > 0 && (images > 1 || cells > 33)) continue;
            const Tensor z = random(*device, {images, cells, 1, 2 * anchors}, -6, 6, 3);
            const auto labels = labels_of(images * cells * anchors, keep != 1, keep != 2);
            const Tensor classes = Tensor::from(labels, {images, cells, 1, anchors}, *device);
            test::check_loss([&](const auto& x) { return ops::anchor_class_loss(x[0], classes); }, {z},
                             class_reference(z.to_vector<double>(), labels, static_cast<size_t>(anchors)), kNarrow);
          }
  }
}

TEST_CASE("anchor box loss agrees with its formula and its own differences") {
  for (Device* device : test::devices(test::Against::reference)) {
    CAPTURE(device->name());
    for (const int64_t images : {1, 2})
      for (const int64_t cells : kSizes)
        for (const int64_t anchors : {1, 5}) {
          const test::Sizes sizes{cells};
          CAPTURE(cells);
          CAPTURE(anchors);
          const Shape maps{images, cells, 1, 4 * anchors};
          const std::vector<Tensor> in = {random(*device, maps, -3, 3, 3), random(*device, maps, -3, 3, 4),
                                          every_other({images, cells, 1, anchors}, 0.3, *device)};
          test::check_loss(
              [](const auto& x) { return ops::anchor_box_loss(x[0], x[1], x[2]); }, in,
              box_reference(in[0].to_vector<double>(), in[1].to_vector<double>(), in[2].to_vector<double>(),
                            static_cast<size_t>(anchors), static_cast<double>(images)),
              kNarrow);
        }
  }
}

TEST_CASE("soft margin loss agrees with its formula and its own differences") {
  for (Device* device : test::devices(test::Against::reference)) {
    CAPTURE(device->name());
    for (const int64_t rows : kSizes)
      for (const int64_t columns : {1, 33, 300}) {
        const test::Sizes sizes{rows, columns};
        CAPTURE(rows);
        CAPTURE(columns);
        const std::vector<Tensor> in = {random(*device, {rows, columns}, -6, 6, 3), signs({rows, columns}, *device),
                                        every_other({rows}, 1, *device)};
        test::check_loss(
            [](const auto& x) { return ops::soft_margin_loss(x[0], x[1], x[2]); }, in,
            margin_reference(in[0].to_vector<double>(), in[1].to_vector<double>(), in[2].to_vector<double>()), kNarrow);
      }
  }
}

TEST_CASE("large logits neither overflow nor lose their slope") {
  for (Device* device : test::devices()) {
    CAPTURE(device->name());
    const Tensor z = Tensor::from(std::vector<float>{500, -500}, {1, 1, 1, 2}, *device);
    const Tensor one = Tensor::from(std::vector<int32_t>{1}, {1, 1, 1, 1}, *device);
    const auto classes = [&](const Tensor& x) { return ops::anchor_class_loss(x, one); };
    CHECK(classes(z).item() == 500);
    CHECK(test::gradient_of(z, classes) == Values{0.5, -0.5});
    const Tensor x = Tensor::from(std::vector<float>{500, -500}, {1, 2}, *device);
    const Tensor target = Tensor::full({1, 2}, -1, DType::f32, *device);
    const auto margin = [&](const Tensor& in) {
      return ops::soft_margin_loss(in, target, Tensor::full({1}, 1, DType::f32, *device));
    };
    CHECK(margin(x).item() == 250);
    CHECK(test::gradient_of(x, margin) == Values{0.5, 0});
  }
}

TEST_CASE("what is left out has no loss and no gradient") {
  for (Device* device : test::devices()) {
    CAPTURE(device->name());
    const auto check = [](const Tensor& x, const auto& loss) {
      CHECK(loss(x).item() == 0);
      for (const double g : test::gradient_of(x, loss)) CHECK(g == 0);
    };
    const Tensor none = Tensor::full({2, 3, 3, 5}, 0, DType::f64, *device);
    const Tensor ignored = Tensor::from(std::vector<int32_t>(90, -1), {2, 3, 3, 5}, *device);
    check(random(*device, {2, 3, 3, 10}, -3, 3, 1),
          [&](const Tensor& x) { return ops::anchor_class_loss(x, ignored); });
    const Tensor target = random(*device, {2, 3, 3, 20}, -3, 3, 2);
    check(random(*device, {2, 3, 3, 20}, -3, 3, 3),
          [&](const Tensor& x) { return ops::anchor_box_loss(x, target, none); });
    check(target, [&](const Tensor& x) {  // and where a prediction is exact
      return ops::anchor_box_loss(x, target, Tensor::full({2, 3, 3, 5}, 1, DType::f64, *device));
    });
    check(random(*device, {4, 9, 9, 1}, -3, 3, 4), [&](const Tensor& x) {
      return ops::soft_margin_loss(x, signs(x.shape(), *device), Tensor::zeros({4}, DType::f64, *device));
    });
    // Beyond the crop the term is the constant ln 2.
    const Tensor zeros = Tensor::zeros({1, 9}, DType::f64, *device), x = random(*device, {1, 9}, -3, 3, 5);
    const auto margin = [&](const Tensor& in) {
      return ops::soft_margin_loss(in, zeros, Tensor::full({1}, 1, DType::f64, *device));
    };
    CHECK(margin(x).item() == doctest::Approx(std::log(2.0)).epsilon(1e-14));
    for (const double g : test::gradient_of(x, margin)) CHECK(g == 0);
  }
}

TEST_CASE("devices agree in Siamese losses and gradients, whatever the first image") {
  for (Device* device : test::devices(test::Against::cpu))
    for (const int64_t begin : {0, 1}) {
      CAPTURE(device->name());
      const auto f32 = [&](Device& where, const Shape& shape, uint64_t seed) {
        return random(where, shape, -4, 4, seed).to(DType::f32).narrowed(begin, shape[0] - 1);
      };
      const auto all = [&](Device& where) {
        std::vector<Values> results;
        const auto add = [&](const Tensor& x, const auto& loss) {
          results.push_back({loss(x).item()});
          results.push_back(test::gradient_of(x, loss));
        };
        const Tensor labels = Tensor::from(labels_of(3 * 25), {3, 5, 5, 1}, where).narrowed(begin, 2);
        const Tensor weight = every_other({3, 5, 5, 1}, 0.25, where).to(DType::f32).narrowed(begin, 2);
        const Tensor target = f32(where, {3, 5, 5, 4}, 2);
        add(f32(where, {3, 5, 5, 2}, 1), [&](const Tensor& x) { return ops::anchor_class_loss(x, labels); });
        add(f32(where, {3, 5, 5, 4}, 3), [&](const Tensor& x) { return ops::anchor_box_loss(x, target, weight); });
        const Tensor margins = signs({6, 301}, where).to(DType::f32).narrowed(begin, 5);
        const Tensor rows = every_other({6}, 1, where).to(DType::f32).narrowed(begin, 5);
        add(f32(where, {6, 301}, 4), [&](const Tensor& x) { return ops::soft_margin_loss(x, margins, rows); });
        return results;
      };
      const auto got = all(*device), want = all(test::cpu());
      for (size_t i = 0; i < want.size(); ++i) {
        REQUIRE(got[i].size() == want[i].size());
        // Losses are double sums in another order; gradients have one formula for both.
        for (size_t k = 0; k < want[i].size(); ++k)
          CHECK(std::abs(got[i][k] - want[i][k]) <= 1e-7 * std::abs(want[i][k]));
      }
    }
}

TEST_CASE("Siamese losses have the same bits for any number of threads") {
  const Tensor x = random(test::cpu(), {16, 127, 127, 1}, -4, 4, 1).to(DType::f32);
  const Tensor target = signs(x.shape(), test::cpu()).to(DType::f32);
  const Tensor rows = every_other({16}, 1, test::cpu()).to(DType::f32);
  const auto loss = [&](const Tensor& in) { return ops::soft_margin_loss(in, target, rows); };
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const double value = loss(x).item();
  const Values slope = test::gradient_of(x, loss);
  omp_set_num_threads(3);
  CHECK(loss(x).item() == value);
  CHECK(test::gradient_of(x, loss) == slope);
  omp_set_num_threads(threads);
}

TEST_CASE("Siamese losses say what is wrong with their arguments") {
  Device& cpu = test::cpu();
  const auto zeros = [&](const Shape& shape, DType dtype = DType::f32) { return Tensor::zeros(shape, dtype, cpu); };
  const auto message = [](const auto& call) {
    try {
      call();
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  const auto has = [](const std::string& text, const std::string& part) {
    CHECK_MESSAGE(text.find(part) != std::string::npos, text);
  };
  const Tensor labels = zeros({2, 3, 3, 5}, DType::i32);
  has(message([&] { ops::anchor_class_loss(zeros({2, 3, 3, 9}), labels); }), "anchor_class_loss: logits");
  has(message([&] {
        ops::anchor_class_loss(zeros({2, 3, 3, 12}), labels);
      }),
      "anchor_class_loss: labels is i32 [2, 3, 3, 5]");
  has(message([&] { ops::anchor_class_loss(zeros({2, 3, 3, 10}), zeros({2, 3, 3, 5})); }), "want i32 [2, 3, 3, 5]");
  has(message([&] {
        ops::anchor_class_loss(zeros({2, 3, 3, 10}), Tensor::from(std::vector<int32_t>(90, 2), {2, 3, 3, 5}, cpu));
      }),
      "label 2 of anchor 0, want -1, 0 or 1");
  has(message([&] {
        ops::anchor_box_loss(zeros({2, 3, 3, 20}), zeros({2, 3, 3, 16}), zeros({2, 3, 3, 5}));
      }),
      "anchor_box_loss: target is f32 [2, 3, 3, 16]");
  has(message([&] {
        ops::anchor_box_loss(zeros({2, 3, 3, 20}), zeros({2, 3, 3, 20}), zeros({2, 3, 3, 4}));
      }),
      "anchor_box_loss: weight is f32 [2, 3, 3, 4]");
  has(message([&] {
        ops::soft_margin_loss(zeros({4, 9}), zeros({4, 8}), zeros({4}));
      }),
      "soft_margin_loss: target is f32 [4, 8]");
  has(message([&] {
        ops::soft_margin_loss(zeros({4, 9}), zeros({4, 9}), zeros({9}));
      }),
      "soft_margin_loss: weight is f32 [9]");
}

TEST_CASE("on a CUDA device a label beyond -1, 0 and 1 makes the class loss NaN") {
  if (!test::cuda()) return;
  const Tensor z = Tensor::zeros({1, 1, 1, 4}, DType::f32, *test::cuda());
  const Tensor labels = Tensor::from(std::vector<int32_t>{0, 2}, {1, 1, 1, 2}, *test::cuda());
  CHECK(std::isnan(ops::anchor_class_loss(z, labels).item()));
}
