#include "ops/siam_select.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tensor/error.h"
#include "tensor/rng.h"
#include "tests/support/devices.h"

using namespace az;

namespace {

struct Case {
  int64_t images, anchors, side;
  std::vector<float> classes, boxes;
  std::vector<double> priors, window, views;

  Case(int64_t n, int64_t a, int64_t s, uint64_t seed) : images(n), anchors(a), side(s) {
    Rng rng(seed, Purpose::test);
    const auto fill = [&](auto& values, int64_t count, double low, double high) {
      using T = typename std::decay_t<decltype(values)>::value_type;
      for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<T>(rng.uniform(low, high)));
    };
    fill(classes, n * s * s * 2 * a, -4, 4);
    fill(boxes, n * s * s * 4 * a, -1, 1);
    for (int64_t i = 0; i < a * s * s; ++i) fill(priors, 2, -90, 90), fill(priors, 2, 20, 110);
    fill(window, s * s, 0, 1);
    for (int64_t i = 0; i < n; ++i) fill(views, 2, 10, 120), fill(views, 2, 0, 0.5);
  }
  ops::SiamSelection run(Device& d) const {
    return ops::siam_select(Tensor::from(classes, {images, side, side, 2 * anchors}, d),
                            Tensor::from(boxes, {images, side, side, 4 * anchors}, d),
                            Tensor::from(priors, {anchors * side * side, 4}, d), Tensor::from(window, {side * side}, d),
                            Tensor::from(views, {images, 4}, d));
  }
};

/// The choice of one image as the specification words it, section 12, steps 2 to 4.
std::vector<double> reference(const Case& k, int64_t image) {
  const int64_t cells = k.side * k.side;
  std::vector<double> best;
  for (int64_t a = 0; a < k.anchors; ++a)
    for (int64_t cell = 0; cell < cells; ++cell) {
      const auto logit = [&](int64_t channel) {
        return static_cast<double>(k.classes[static_cast<size_t>((image * cells + cell) * 2 * k.anchors + channel)]);
      };
      const auto delta = [&](int64_t q) {
        return static_cast<double>(
            k.boxes[static_cast<size_t>((image * cells + cell) * 4 * k.anchors + q * k.anchors + a)]);
      };
      const double* prior = &k.priors[static_cast<size_t>(4 * (a * cells + cell))];
      const double* view = &k.views[static_cast<size_t>(4 * image)];
      const double high = std::max(logit(a), logit(k.anchors + a));
      const double b = std::exp(logit(a) - high), f = std::exp(logit(k.anchors + a) - high), score = f / (b + f);
      const double x = delta(0) * prior[2] + prior[0], y = delta(1) * prior[3] + prior[1],
                   w = std::exp(delta(2)) * prior[2], h = std::exp(delta(3)) * prior[3];
      const auto change = [](double r) { return std::max(r, 1 / r); };
      const auto size = [](double u, double v) { return std::sqrt((u + (u + v) / 2) * (v + (u + v) / 2)); };
      const double penalty = std::exp(
          -(change((view[0] / view[1]) / (w / h)) * change(size(w, h) / size(view[0], view[1])) - 1) * view[2]);
      const double rank = penalty * score * (1 - view[3]) + k.window[static_cast<size_t>(cell)] * view[3];
      if (best.empty() || rank > best[1])
        best = {static_cast<double>(a * cells + cell), rank, score, penalty, x, y, w, h};
    }
  return best;
}

}  // namespace

TEST_CASE("the best cell is the one of the formulas") {
  for (Device* device : test::devices(test::Against::both))
    for (const auto& [n, a, s] : std::vector<std::array<int64_t, 3>>{
             {1, 1, 1}, {0, 5, 3}, {2, 5, 25}, {3, 3, 31}, {1, 2, 32}, {1, 1, 33}, {2, 1, 257}}) {
      CAPTURE(device->name());
      CAPTURE(s);
      const test::Sizes sizes{n, a, s};
      const Case k(n, a, s, static_cast<uint64_t>(s));
      const ops::SiamSelection own = k.run(*device);
      const auto choices = own.choices.to_vector<double>();
      const auto cells = own.cells.to_vector<int32_t>();
      for (int64_t i = 0; i < n; ++i) {
        const auto want = reference(k, i);
        const auto* choice = &choices[static_cast<size_t>(i * ops::kSiamChoiceValues)];
        const auto* cell = &cells[static_cast<size_t>(3 * i)];
        CHECK(choice[0] == want[0]);
        for (size_t v = 1; v < want.size(); ++v)
          CHECK(choice[v] == doctest::Approx(want[v]).epsilon(1e-12));  // a few roundings in double
        const auto flat = static_cast<int64_t>(want[0]) % (s * s);
        CHECK(cell[0] == i);
        CHECK(cell[1] == flat / s);
        CHECK(cell[2] == flat % s);
      }
    }
}

TEST_CASE("of equal ranks the first counts, and a rank that is no number counts for nothing") {
  for (Device* device : test::devices()) {
    CAPTURE(device->name());
    Case k(1, 2, 7, 1);
    k.window.assign(k.window.size(), 0.5);
    k.classes.assign(k.classes.size(), 0);
    k.boxes.assign(k.boxes.size(), 0);
    for (size_t i = 0; i < k.priors.size(); i += 4) k.priors[i + 2] = k.priors[i + 3] = 64;
    CHECK(k.run(*device).choices.to_vector<double>()[0] == 0);
    for (size_t i = 0; i < 8; ++i) k.classes[4 * i] = std::nanf("");  // anchor 0 of the first cells
    CHECK(k.run(*device).choices.to_vector<double>()[0] == 8);
    k.classes.assign(k.classes.size(), std::nanf(""));
    const auto none = k.run(*device).choices.to_vector<double>();
    CHECK(none[0] == 0);
    CHECK(std::isnan(none[1]));
  }
}

TEST_CASE("siam_select refuses maps that do not fit") {
  Device& d = test::cpu();
  Case k(1, 2, 3, 1);
  k.window.pop_back();
  CHECK_THROWS_AS(k.run(d), Error);
  const Tensor classes = Tensor::zeros({1, 3, 3, 4}, DType::f32, d), boxes = Tensor::zeros({1, 3, 3, 4}, DType::f32, d);
  CHECK_THROWS_WITH_AS(ops::siam_select(classes, boxes, {}, {}, {}),
                       "siam_select: classes is f32 [1, 3, 3, 4] cpu, boxes is f32 [1, 3, 3, 4] cpu; want [n, s, s, 2 "
                       "anchors] and [n, s, s, 4 anchors]",
                       Error);
}
