#include "cpu/optim.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "math/optim.h"
#include "tensor/rng.h"

using namespace az;

namespace {

const std::vector<int64_t> kLengths = {0, 1, 7, 31, 32, 33, 257, 40000};

template <class T>
std::vector<T> values(int64_t count, double low, double high, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  std::vector<T> v(static_cast<size_t>(count));
  for (T& x : v) x = static_cast<T>(rng.uniform(low, high));
  return v;
}

/// Several parameters with gradients and state, and what the formulas make of them in double.
template <class T>
struct Set {
  std::vector<std::vector<T>> p, g, first, second;

  Set() {
    for (size_t k = 0; k < kLengths.size(); ++k) {
      p.push_back(values<T>(kLengths[k], -1, 1, 10 + k));
      g.push_back(values<T>(kLengths[k], -2, 2, 30 + k));
      first.push_back(values<T>(kLengths[k], -1, 1, 50 + k));
      second.push_back(values<T>(kLengths[k], 0, 2, 70 + k));
    }
  }
  std::vector<cpu::ParameterView<T>> views(int64_t step) {
    std::vector<cpu::ParameterView<T>> v;
    for (size_t k = 0; k < p.size(); ++k)
      v.push_back({p[k].data(), g[k].data(), first[k].data(), second[k].data(), kLengths[k], step,
                   0.01 * static_cast<double>(k + 1), 0.1 * static_cast<double>(k)});
    return v;
  }
};

template <class T>
void check_near(const std::vector<T>& got, const std::vector<double>& want) {
  REQUIRE(got.size() == want.size());
  const double unit = sizeof(T) == 4 ? 1e-6 : 1e-14;  // a few roundings of values below 4
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::abs(double(got[i]) - want[i]));
  CHECK(worst < unit);
}

template <class T>
void check_sgd(int64_t step) {
  Set<T> set;
  const Set<T> before = set;
  const auto views = set.views(step);
  cpu::sgd_update<T>(views, 0.9, 0.5);
  for (size_t k = 0; k < views.size(); ++k) {
    std::vector<double> p, v;
    for (size_t i = 0; i < before.p[k].size(); ++i) {
      const double g = 0.5 * double(before.g[k][i]) + views[k].decay * double(before.p[k][i]);
      v.push_back(step == 1 ? g : 0.9 * double(before.first[k][i]) + g);
      p.push_back(double(before.p[k][i]) - views[k].lr * v.back());
    }
    check_near(set.first[k], v);
    check_near(set.p[k], p);
  }
}

template <class T>
void check_adam(bool decoupled) {
  Set<T> set;
  const Set<T> before = set;
  const auto views = set.views(3);
  cpu::adam_update<T>(views, {0.9, 0.99, 1e-3, decoupled}, 0.5);
  for (size_t k = 0; k < views.size(); ++k) {
    std::vector<double> p, m, v;
    for (size_t i = 0; i < before.p[k].size(); ++i) {
      const double old = double(before.p[k][i]);
      const double g = 0.5 * double(before.g[k][i]) + (decoupled ? 0 : views[k].decay * old);
      m.push_back(0.9 * double(before.first[k][i]) + 0.1 * g);
      v.push_back(0.99 * double(before.second[k][i]) + 0.01 * g * g);
      const double mean = m.back() / (1 - std::pow(0.9, 3)), square = v.back() / (1 - std::pow(0.99, 3));
      const double kept = decoupled ? old - views[k].lr * views[k].decay * old : old;
      p.push_back(kept - views[k].lr * mean / (std::sqrt(square) + 1e-3));
    }
    check_near(set.first[k], m);
    check_near(set.second[k], v);
    check_near(set.p[k], p);
  }
}

}  // namespace

TEST_CASE("SGD with momentum follows its formula from the first update on") {
  check_sgd<float>(1);
  check_sgd<float>(2);
  check_sgd<double>(1);
  check_sgd<double>(2);
}

TEST_CASE("Adam and AdamW follow their formulas") {
  for (const bool decoupled : {false, true}) {
    check_adam<float>(decoupled);
    check_adam<double>(decoupled);
  }
}

TEST_CASE("the gradient norm is the root of all squares, and the clip factor PyTorch's") {
  Set<float> set;
  double squares = 0;
  for (const auto& g : set.g)
    for (const float v : g) squares += double(v) * double(v);
  const auto views = set.views(1);
  CHECK(cpu::gradient_norm<float>(views) == doctest::Approx(std::sqrt(squares)).epsilon(1e-13));
  std::vector<float> huge(9, 3e38F);
  const cpu::ParameterView<float> one{nullptr, huge.data(), nullptr, nullptr, 9};
  CHECK(cpu::gradient_norm<float>({&one, 1}) == doctest::Approx(3 * 3e38).epsilon(1e-6));
  CHECK(cpu::gradient_norm<float>({}) == 0);
  CHECK(math::clip_factor(70, 35) == 35 / (70 + 1e-6));
  CHECK(math::clip_factor(30, 35) == 1);
  CHECK(math::clip_factor(30, 0) == 1);
}

TEST_CASE("updates and norms have the same bits for any number of threads") {
  const auto all = [] {
    Set<float> set;
    const double norm = cpu::gradient_norm<float>(set.views(1));
    cpu::sgd_update<float>(set.views(2), 0.9, 0.7);
    cpu::adam_update<float>(set.views(2), {0.9, 0.99, 1e-8, true}, 0.7);
    return std::tuple(norm, set.p, set.first, set.second);
  };
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto one = all();
  omp_set_num_threads(2);
  const auto two = all();
  omp_set_num_threads(threads);
  CHECK((one == two));
}
