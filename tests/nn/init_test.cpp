#include "nn/init.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "nn/layers.h"
#include "nn/module.h"
#include "tests/support/devices.h"

using namespace az;

namespace {

struct Moments {
  double mean, deviation, largest;
};

Moments moments(const Tensor& t) {
  double sum = 0, squares = 0, largest = 0;
  for (const float v : t.to_vector<float>()) {
    sum += v;
    squares += static_cast<double>(v) * v;
    largest = std::max(largest, std::abs(static_cast<double>(v)));
  }
  const auto n = static_cast<double>(t.numel());
  return {sum / n, std::sqrt(squares / n - sum / n * sum / n), largest};
}

}  // namespace

TEST_CASE("initial values have the mean, deviation and range of their distributions") {
  // 147456 values: a mean lies within 5 / sqrt(n) deviations, a deviation within 5 / sqrt(2n) of itself.
  const nn::Builder b{test::cpu(), 5};
  const int64_t k = 128, r = 3, c = 128;
  const double mean_error = 5 / std::sqrt(147456.0), deviation_error = 5 / std::sqrt(2 * 147456.0);
  const auto check = [&](const Tensor& t, double deviation) {
    CHECK(t.shape() == Shape{k, r, r, c});
    const Moments m = moments(t);
    CHECK(std::abs(m.mean) < mean_error * deviation);
    CHECK(std::abs(m.deviation / deviation - 1) < deviation_error);
  };
  check(nn::init_conv(b, "he", nn::Init::he_normal, k, r, c, 1), std::sqrt(2.0 / (128 * 9)));
  check(nn::init_conv(b, "small", nn::Init::normal_001, k, r, c, 1), 0.01);

  const Tensor xavier = nn::init_conv(b, "xavier", nn::Init::xavier_uniform, k, r, c, 1);
  const double bound = std::sqrt(6.0 / (128 * 9 + 128 * 9));
  check(xavier, bound / std::sqrt(3.0));
  CHECK(moments(xavier).largest <= bound * (1 + 1e-6));
  CHECK(moments(xavier).largest > 0.999 * bound);
}

TEST_CASE("initial values follow seed and name, and nothing else") {
  const auto make = [](uint64_t seed, const char* name) {
    return nn::init_conv({test::cpu(), seed}, name, nn::Init::he_normal, 4, 3, 4, 2).to_vector<float>();
  };
  CHECK(make(1, "a").size() == 4 * 9 * 2);
  CHECK(make(1, "a") == make(1, "a"));
  CHECK(make(1, "a") != make(2, "a"));
  CHECK(make(1, "a") != make(1, "b"));
}

TEST_CASE("a blank network has its shapes and is loaded whole") {
  const nn::Builder blank{test::cpu(), 5, /*blank=*/true};
  CHECK(nn::init_conv(blank, "a", nn::Init::he_normal, 4, 3, 2, 1).shape() == Shape{4, 3, 3, 2});
  nn::Conv2d from({test::cpu(), 5}, "conv", {.in = 6, .out = 4, .groups = 2, .bias = true});
  nn::Conv2d to(blank, "conv", {.in = 6, .out = 4, .groups = 2, .bias = true});
  CHECK(nn::state_shapes(to) == std::map<std::string, Shape>{{"weight", {4, 3, 3, 3}}, {"bias", {4}}});
  CHECK(nn::load_state_dict(to, nn::state_dict(from)).missing.empty());
  CHECK(to.weight().to_vector<float>() == from.weight().to_vector<float>());
}
