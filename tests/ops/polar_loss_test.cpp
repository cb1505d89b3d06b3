#include "ops/polar_loss.h"

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

const std::vector<int64_t> kRows = {0, 1, 31, 32, 33, 257};

/// Every third row is background; with `none`, all are.
std::vector<int32_t> labels_of(int64_t rows, bool none = false) {
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < rows; ++i) labels.push_back(none || i % 3 == 1 ? 0 : static_cast<int32_t>(1 + i % 5));
  return labels;
}

Tensor tensor_of(const std::vector<int32_t>& labels, Device& device) {
  return Tensor::from(labels, {static_cast<int64_t>(labels.size())}, device);
}

Tensor random(Device& device, const Shape& shape, double low, double high, uint64_t seed) {
  return test::uniform(shape, low, high, DType::f64, device, seed);
}

/// sum w * row(i) / sum w over rows with a label, 0 where there is none.
double weighted_mean(const std::vector<int32_t>& labels, const Values& weight,
                     const std::function<double(size_t)>& row) {
  double sum = 0, total = 0;
  for (size_t i = 0; i < labels.size(); ++i)
    if (labels[i] > 0) {
      sum += weight[i] * row(i);
      total += weight[i];
    }
  return total > 0 ? sum / total : 0;
}

double polar_reference(ops::PolarIou kind, const Values& d, const Values& t, size_t row, size_t rays) {
  double larger = 0, smaller = 0, logs = 0;
  for (size_t k = row * rays; k < (row + 1) * rays; ++k) {
    const double power = kind == ops::PolarIou::v3 ? 2 : 1;
    larger += std::pow(std::max(d[k], t[k]), power);
    smaller += std::pow(std::min(d[k], t[k]), power);
    logs += std::log(std::max(d[k], t[k]) / std::max(std::min(d[k], t[k]), 1e-6));
  }
  return kind == ops::PolarIou::v2 ? logs / static_cast<double>(rays) : std::log(larger / smaller);
}

double box_reference(const double* point, const double* d, const double* t) {
  const auto side = [](double low, double high) { return high - low + 1; };
  const double width = side(std::max(point[0] - d[0], point[0] - t[0]), std::min(point[0] + d[2], point[0] + t[2]));
  const double height = side(std::max(point[1] - d[1], point[1] - t[1]), std::min(point[1] + d[3], point[1] + t[3]));
  const double both = std::max(width, 0.0) * std::max(height, 0.0);
  const double all = (d[0] + d[2] + 1) * (d[1] + d[3] + 1) + (t[0] + t[2] + 1) * (t[1] + t[3] + 1) - both;
  return -std::log(std::max(both / all, 1e-6));
}

constexpr double kNarrow = 3e-6;  // sums of 37 rays, each rounded

}  // namespace

TEST_CASE("polar centerness is sqrt(shortest / longest) of the rows with a label") {
  for (Device* device : test::devices(test::Against::reference)) {
    CAPTURE(device->name());
    for (const int64_t rows : kRows)
      for (const int64_t rays : {1, 4, 36, 37}) {
        const test::Sizes sizes{rows, rays};
        const Tensor d = random(*device, {rows, rays}, 1e-6, 90, 3);
        const auto labels = labels_of(rows);
        const auto got = ops::polar_centerness(d, tensor_of(labels, *device)).to_vector<double>();
        const auto values = d.to_vector<double>();
        for (size_t i = 0; i < labels.size(); ++i) {
          const auto at = values.begin() + static_cast<int64_t>(i) * rays;
          const double want = std::sqrt(*std::min_element(at, at + rays) / *std::max_element(at, at + rays));
          CHECK(got[i] == doctest::Approx(labels[i] > 0 ? want : 0).epsilon(1e-12));
        }
      }
    CHECK(ops::polar_centerness(Tensor::zeros({1, 36}, DType::f32, *device), tensor_of({1}, *device)).item() == 0);
  }
}

TEST_CASE("polar IoU losses agree with their formulas and their own differences") {
  for (Device* device : test::devices(test::Against::reference)) {
    CAPTURE(device->name());
    for (const auto kind : {ops::PolarIou::v1, ops::PolarIou::v2, ops::PolarIou::v3})
      for (const int64_t rows : kRows)
        for (const int64_t rays : {1, 4, 36, 37}) {
          const test::Sizes sizes{rows, rays};
          CAPTURE(static_cast<int>(kind));
          CAPTURE(rows);
          CAPTURE(rays);
          const std::vector<Tensor> in = {random(*device, {rows, rays}, 1, 90, 3),
                                          random(*device, {rows, rays}, 1, 90, 4), random(*device, {rows}, 0.05, 1, 5)};
          const auto labels = labels_of(rows);
          const auto d = in[0].to_vector<double>(), t = in[1].to_vector<double>();
          const double want = weighted_mean(labels, in[2].to_vector<double>(), [&](size_t row) {
            return polar_reference(kind, d, t, row, static_cast<size_t>(rays));
          });
          test::check_loss(
              [&](const auto& x) { return ops::polar_iou_loss(x[0], x[1], x[2], tensor_of(labels, *device), kind); },
              in, want, kNarrow);
        }
  }
}

TEST_CASE("box IoU loss agrees with its formula and its own differences") {
  for (Device* device : test::devices(test::Against::reference)) {
    CAPTURE(device->name());
    for (const int64_t images : {1, 2})
      for (const int64_t rows : kRows) {
        const test::Sizes sizes{rows};
        const int64_t l = std::max<int64_t>(rows, 1);
        const std::vector<Tensor> in = {
            random(*device, {rows * images, 4}, 1, 60, 3), random(*device, {rows * images, 4}, 1, 60, 4),
            random(*device, {rows * images}, 0.05, 1, 5), random(*device, {l, 2}, 0, 800, 6)};
        const auto labels = labels_of(rows * images);
        const auto d = in[0].to_vector<double>(), t = in[1].to_vector<double>(), p = in[3].to_vector<double>();
        const double want = weighted_mean(labels, in[2].to_vector<double>(), [&](size_t row) {
          return box_reference(&p[row % static_cast<size_t>(l) * 2], &d[row * 4], &t[row * 4]);
        });
        test::check_loss(
            [&](const auto& x) { return ops::box_iou_loss(x[3], x[0], x[1], x[2], tensor_of(labels, *device)); }, in,
            want, kNarrow);
      }
  }
}

TEST_CASE("boxes that do not meet cost -log(1e-6) and have no gradient") {
  for (Device* device : test::devices()) {
    CAPTURE(device->name());
    // Distances may be negative in principle: the predicted box lies wholly to the right of the target.
    const Tensor pred = Tensor::from(Values{-50, 3, 60, 3}, {1, 4}, *device);
    const Tensor target = Tensor::from(Values{3, 3, 3, 3}, {1, 4}, *device);
    const Tensor weight = Tensor::full({1}, 1, DType::f64, *device);
    const Tensor point = Tensor::full({1, 2}, 100, DType::f64, *device);
    const auto loss = [&](const Tensor& x) {
      return ops::box_iou_loss(point, x, target, weight, tensor_of({1}, *device));
    };
    CHECK(loss(pred).item() == doctest::Approx(-std::log(1e-6)).epsilon(1e-12));
    CHECK(test::gradient_of(pred, loss) == Values{0, 0, 0, 0});
  }
}

TEST_CASE("centerness cross-entropy agrees with its formula and its own differences") {
  for (Device* device : test::devices(test::Against::reference)) {
    CAPTURE(device->name());
    for (const int64_t rows : kRows)
      for (const bool column : {false, true}) {
        const test::Sizes sizes{rows};
        const Shape shape = column ? Shape{rows, 1} : Shape{rows};
        const std::vector<Tensor> in = {random(*device, shape, -8, 8, 3), random(*device, {rows}, 0, 1, 4)};
        const auto labels = labels_of(rows);
        const auto z = in[0].to_vector<double>(), c = in[1].to_vector<double>();
        const double want = weighted_mean(labels, Values(labels.size(), 1), [&](size_t i) {
          const double p = 1 / (1 + std::exp(-z[i]));
          return -(c[i] * std::log(p) + (1 - c[i]) * std::log(1 - p));
        });
        test::check_loss([&](const auto& x) { return ops::centerness_bce(x[0], x[1], tensor_of(labels, *device)); }, in,
                         want, kNarrow);
      }
  }
}

TEST_CASE("without a positive row, or with zero weights, losses are 0 and so are gradients") {
  for (Device* device : test::devices()) {
    CAPTURE(device->name());
    const int64_t rows = 33;
    const Tensor d = random(*device, {rows, 36}, 1, 9, 1), t = random(*device, {rows, 36}, 1, 9, 2);
    const Tensor boxes = random(*device, {rows, 4}, 1, 9, 3), other = random(*device, {rows, 4}, 1, 9, 4);
    const Tensor points = random(*device, {rows, 2}, 0, 9, 5), z = random(*device, {rows}, -1, 1, 6);
    const Tensor ones = Tensor::full({rows}, 1, DType::f64, *device),
                 zeros = Tensor::zeros({rows}, DType::f64, *device);
    const auto check = [](const Tensor& x, const auto& loss) {
      CHECK(loss(x).item() == 0);
      for (const double g : test::gradient_of(x, loss)) CHECK(g == 0);
    };
    const Tensor none = tensor_of(labels_of(rows, true), *device);
    check(d, [&](const Tensor& x) { return ops::polar_iou_loss(x, t, ones, none); });
    check(boxes, [&](const Tensor& x) { return ops::box_iou_loss(points, x, other, ones, none); });
    check(z, [&](const Tensor& x) { return ops::centerness_bce(x, ones, none); });
    const Tensor some = tensor_of(labels_of(rows), *device);
    check(d, [&](const Tensor& x) { return ops::polar_iou_loss(x, t, zeros, some); });
    check(boxes, [&](const Tensor& x) { return ops::box_iou_loss(points, x, other, zeros, some); });
  }
}

TEST_CASE("rows of label -1 count as background") {
  for (Device* device : test::devices()) {
    CAPTURE(device->name());
    const int64_t rows = 33;
    const Tensor d = random(*device, {rows, 36}, 1, 9, 1), t = random(*device, {rows, 36}, 1, 9, 2),
                 w = random(*device, {rows}, 0.05, 1, 3);
    const Tensor boxes = random(*device, {rows, 4}, 1, 9, 4), other = random(*device, {rows, 4}, 1, 9, 5);
    const Tensor points = random(*device, {rows, 2}, 0, 9, 6), z = random(*device, {rows}, -1, 1, 7);
    std::vector<int32_t> labels = labels_of(rows);
    const Tensor background = tensor_of(labels, *device);
    for (int32_t& label : labels)
      if (label == 0) label = -1;
    const Tensor left_out = tensor_of(labels, *device);
    CHECK(ops::polar_centerness(t, left_out).to_vector<double>() ==
          ops::polar_centerness(t, background).to_vector<double>());
    const auto check = [&](const Tensor& x, const auto& loss) {
      const auto with = [&](const Tensor& classes) { return [&](const Tensor& in) { return loss(in, classes); }; };
      CHECK(loss(x, left_out).item() == loss(x, background).item());
      CHECK(test::gradient_of(x, with(left_out)) == test::gradient_of(x, with(background)));
    };
    check(d, [&](const Tensor& x, const Tensor& classes) { return ops::polar_iou_loss(x, t, w, classes); });
    check(boxes,
          [&](const Tensor& x, const Tensor& classes) { return ops::box_iou_loss(points, x, other, w, classes); });
    check(z, [&](const Tensor& x, const Tensor& classes) { return ops::centerness_bce(x, w, classes); });
  }
}

TEST_CASE("where prediction and target agree, the prediction takes both gradients, as in the reference") {
  for (Device* device : test::devices()) {
    CAPTURE(device->name());
    const Tensor d = Tensor::from(Values{2, 5}, {1, 2}, *device);
    const Tensor t = Tensor::from(Values{2, 3}, {1, 2}, *device);
    const Tensor one = Tensor::full({1}, 1, DType::f64, *device);
    const auto g =
        test::gradient_of(d, [&](const Tensor& x) { return ops::polar_iou_loss(x, t, one, tensor_of({1}, *device)); });
    CHECK(g[0] == doctest::Approx(1.0 / 7 - 1.0 / 5));
    CHECK(g[1] == doctest::Approx(1.0 / 7));
  }
}

TEST_CASE("a row of weight 0 does not spoil the loss, a NaN elsewhere does") {
  for (Device* device : test::devices()) {
    CAPTURE(device->name());
    const Tensor d = Tensor::from(Values{0, 5}, {2, 1}, *device);
    const Tensor t = Tensor::from(Values{2, 4}, {2, 1}, *device);
    const auto loss = [&](Values weight) {
      return ops::polar_iou_loss(d, t, Tensor::from(weight, {2}, *device), tensor_of({1, 1}, *device)).item();
    };
    CHECK(loss({0, 1}) == doctest::Approx(std::log(1.25)));
    CHECK(std::isinf(loss({1, 1})));  // log(2 / 0): the model decides whether to clamp
    CHECK(std::isnan(loss({std::nan(""), 1})));
  }
}

TEST_CASE("devices agree in losses, gradients and centerness, whatever the first row") {
  for (Device* device : test::devices(test::Against::cpu))
    for (const int64_t begin : {0, 1}) {
      CAPTURE(device->name());
      const int64_t rows = 70, count = 69;  // three groups of 32 rows, of which the second has no positive one
      std::vector<int32_t> labels = labels_of(count);
      std::fill(labels.begin() + 32, labels.begin() + 64, 0);
      const auto f32 = [&](Device& where, const Shape& shape, double low, double high, uint64_t seed) {
        return random(where, shape, low, high, seed).to(DType::f32).narrowed(begin, count);
      };
      const auto all = [&](Device& where) {
        const Tensor classes = tensor_of(labels, where), w = f32(where, {rows}, 0.05, 1, 3);
        const Tensor d = f32(where, {rows, 37}, 1, 90, 1), t = f32(where, {rows, 37}, 1, 90, 2);
        const Tensor z = f32(where, {rows}, -8, 8, 4), boxes = f32(where, {rows, 4}, 1, 60, 5);
        const Tensor other = f32(where, {rows, 4}, 1, 60, 6), points = f32(where, {rows, 2}, 0, 800, 7);
        std::vector<Values> results = {ops::polar_centerness(t, classes).to(DType::f64).to_vector<double>()};
        const auto add = [&](const Tensor& x, const auto& loss) {
          results.push_back({loss(x).item()});
          results.push_back(test::gradient_of(x, loss));
        };
        for (const auto kind : {ops::PolarIou::v1, ops::PolarIou::v2, ops::PolarIou::v3})
          add(d, [&](const Tensor& x) { return ops::polar_iou_loss(x, t, w, classes, kind); });
        add(boxes, [&](const Tensor& x) { return ops::box_iou_loss(points, x, other, w, classes); });
        add(z, [&](const Tensor& x) { return ops::centerness_bce(x, w, classes); });
        return results;
      };
      const auto got = all(*device), want = all(test::cpu());
      CHECK(got[0] == want[0]);
      for (size_t i = 1; i < want.size(); ++i) {
        REQUIRE(got[i].size() == want[i].size());
        double scale = 0, worst = 0;
        for (size_t k = 0; k < want[i].size(); ++k) {
          scale = std::max(scale, std::abs(want[i][k]));
          worst = std::max(worst, std::abs(got[i][k] - want[i][k]));
        }
        CHECK(worst <= 1e-6 * scale);  // sums of 37 rays in another order
      }
    }
}

TEST_CASE("the same bits for any number of threads") {
  const int64_t rows = 20000;
  const auto f32 = [](const Tensor& x) { return x.to(DType::f32); };
  const Tensor d = f32(random(test::cpu(), {rows, 36}, 1, 90, 1)), t = f32(random(test::cpu(), {rows, 36}, 1, 90, 2)),
               w = f32(random(test::cpu(), {rows}, 0, 1, 3));
  const Tensor labels = tensor_of(labels_of(rows), test::cpu());
  const auto loss = [&](const Tensor& x) { return ops::polar_iou_loss(x, t, w, labels); };
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const double value = loss(d).item();
  const auto slope = test::gradient_of(d, loss);
  for (const int count : {2, 3, 7}) {
    omp_set_num_threads(count);
    CHECK(loss(d).item() == value);
    CHECK(test::gradient_of(d, loss) == slope);
  }
  omp_set_num_threads(threads);
}

TEST_CASE("messages of the losses") {
  Device& dev = test::cpu();
  const Tensor d = Tensor::zeros({3, 36}, DType::f32, dev), w = Tensor::zeros({3}, DType::f32, dev);
  const Tensor boxes = Tensor::zeros({3, 4}, DType::f32, dev), points = Tensor::zeros({2, 2}, DType::f32, dev);
  const Tensor labels = tensor_of({0, 1, 2}, test::cpu());
  CHECK_THROWS_WITH_AS(ops::polar_iou_loss(d, Tensor::zeros({3, 35}, DType::f32, dev), w, labels),
                       "polar_iou_loss: target is f32 [3, 35] cpu, want f32 [3, 36]", Error);
  CHECK_THROWS_WITH_AS(ops::polar_iou_loss(d, d, w.to(DType::f64), labels),
                       "polar_iou_loss: weight is f64 [3] cpu, want f32 [3]", Error);
  CHECK_THROWS_WITH_AS(ops::polar_iou_loss(d, d, w, tensor_of({1}, test::cpu())),
                       "polar_iou_loss: labels are i32 [1] cpu, want i32 [3]", Error);
  CHECK_THROWS_WITH_AS(ops::box_iou_loss(points, boxes, boxes, w, labels),
                       "box_iou_loss: points are f32 [2, 2] cpu, want [l, 2] with 3 rows a multiple of l", Error);
  CHECK_THROWS_WITH_AS(ops::box_iou_loss(points, d, boxes, w, labels),
                       "box_iou_loss: pred is f32 [3, 36] cpu, want [locations, 4]", Error);
  CHECK_THROWS_WITH_AS(ops::centerness_bce(boxes, w, labels),
                       "centerness_bce: logits are f32 [3, 4] cpu, want [locations] or [locations, 1]", Error);
  CHECK_THROWS_WITH_AS(ops::polar_centerness(w, labels),
                       "polar_centerness: rays are f32 [3] cpu, want [locations, rays]", Error);
}
