#include "train/schedule.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/error.h"

using namespace az;
using namespace az::train;

TEST_CASE("the step schedule is PolarMask's: linear warm-up from a third, then a tenth at each step") {
  Schedule s{.kind = ScheduleKind::step, .base_lr = 0.01, .warmup_iterations = 500, .warmup_ratio = 1.0 / 3};
  s.steps = steps_from_epochs({8, 11}, 1000);
  // golden/polarmask/train_steps_r50_128x256.json, lr_of_each_step
  CHECK(lr_at(s, 0) == 0.0033333333333333327);
  CHECK(lr_at(s, 1) == 0.0033466666666666658);
  CHECK(lr_at(s, 2) == 0.0033599999999999997);
  CHECK(lr_at(s, 3) == 0.003373333333333333);
  CHECK(lr_at(s, 499) < 0.01);
  CHECK(lr_at(s, 500) == 0.01);
  CHECK(lr_at(s, 7999) == 0.01);
  CHECK(lr_at(s, 8000) == doctest::Approx(1e-3).epsilon(1e-14));
  CHECK(lr_at(s, 10999) == doctest::Approx(1e-3).epsilon(1e-14));
  CHECK(lr_at(s, 11000) == doctest::Approx(1e-4).epsilon(1e-14));
}

TEST_CASE("the cosine schedule ends at its last fraction and stays there") {
  const Schedule s{.kind = ScheduleKind::cosine,
                   .base_lr = 3e-3,
                   .warmup_iterations = 60,
                   .warmup_ratio = 0.1,
                   .total_iterations = 1860,
                   .final_fraction = 0.02};
  CHECK(lr_at(s, 0) == doctest::Approx(3e-4).epsilon(1e-14));
  CHECK(lr_at(s, 30) == doctest::Approx(3e-3 * 0.55).epsilon(1e-14));
  CHECK(lr_at(s, 60) == doctest::Approx(3e-3).epsilon(1e-14));
  CHECK(lr_at(s, 960) == doctest::Approx(3e-3 * 0.51).epsilon(1e-14));
  CHECK(lr_at(s, 1860) == doctest::Approx(6e-5).epsilon(1e-12));
  CHECK(lr_at(s, 5000) == doctest::Approx(6e-5).epsilon(1e-12));
}

TEST_CASE("a constant schedule warms up too") {
  const Schedule s{.base_lr = 0.5, .warmup_iterations = 2};
  CHECK(lr_at(s, 0) == 0);
  CHECK(lr_at(s, 1) == 0.25);
  CHECK(lr_at(s, 2) == 0.5);
  CHECK(lr_at(Schedule{.base_lr = 0.5}, 0) == 0.5);
}

TEST_CASE("schedules name what is wrong") {
  CHECK(schedule_kind("cosine") == ScheduleKind::cosine);
  CHECK_THROWS_WITH_AS(schedule_kind("poly"), "schedule: unknown kind 'poly'; want constant, step or cosine", Error);
  CHECK_THROWS_AS(steps_from_epochs({1}, 0), Error);
  CHECK_THROWS_AS(lr_at(Schedule{}, -1), Error);
  CHECK_THROWS_AS(lr_at(Schedule{.kind = ScheduleKind::cosine, .warmup_iterations = 5, .total_iterations = 5}, 0),
                  Error);
  CHECK_THROWS_WITH_AS(lr_at(Schedule{.kind = ScheduleKind::step, .steps = {5, 3}}, 0),
                       "schedule: the steps must ascend", Error);
}

TEST_CASE("rates of epochs: a warm-up that grows by a constant factor, then a curve whose ends are taken") {
  const auto rates = epoch_rates({.epochs = 20, .warmup_epochs = 5});
  REQUIRE(rates.size() == 20);
  CHECK(rates[0] == doctest::Approx(0.001).epsilon(1e-14));
  CHECK(rates[4] == doctest::Approx(0.001 * std::pow(5, 0.8)).epsilon(1e-14));
  CHECK(rates[5] == doctest::Approx(0.005).epsilon(1e-14));
  CHECK(rates[19] == doctest::Approx(0.0025).epsilon(1e-14));
  const Schedule s{.kind = ScheduleKind::epochs, .rates = rates, .iterations_per_epoch = 7};
  CHECK(lr_at(s, 0) == rates[0]);
  CHECK(lr_at(s, 6) == rates[0]);
  CHECK(lr_at(s, 7) == rates[1]);
  CHECK(lr_at(s, 7 * 20 + 3) == rates[19]);
  CHECK(epoch_rates({.epochs = 1, .curve = Curve::linear}) == std::vector<double>{0.005});
  CHECK_THROWS_WITH_AS(epoch_rates({.epochs = 5, .warmup_epochs = 5}), doctest::Contains("more epochs than warm-up"),
                       Error);
  CHECK_THROWS_WITH_AS(epoch_rates({.last = 0}), doctest::Contains("want values above 0"), Error);
  CHECK_THROWS_WITH_AS(curve_kind("flat"), doctest::Contains("unknown curve 'flat'"), Error);
  CHECK_THROWS_WITH_AS(lr_at({.kind = ScheduleKind::epochs}, 0), doctest::Contains("0 rates"), Error);
}
