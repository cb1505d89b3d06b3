#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tensor/error.h"

namespace az::train {

ScheduleKind schedule_kind(std::string_view name) {
  if (name == "constant") return ScheduleKind::constant;
  if (name == "step") return ScheduleKind::step;
  if (name == "cosine") return ScheduleKind::cosine;
  fail("schedule: unknown kind '{}'; want constant, step or cosine", name);
}

std::vector<int64_t> steps_from_epochs(const std::vector<int64_t>& epochs, int64_t iterations_per_epoch) {
  AZ_CHECK(iterations_per_epoch >= 1, "schedule: {} iterations an epoch; want 1 or more", iterations_per_epoch);
  std::vector<int64_t> steps;
  for (const int64_t epoch : epochs) steps.push_back(epoch * iterations_per_epoch);
  return steps;
}

Curve curve_kind(std::string_view name) {
  if (name == "linear") return Curve::linear;
  if (name == "log") return Curve::log;
  if (name == "cosine") return Curve::cosine;
  fail("schedule: unknown curve '{}'; want linear, log or cosine", name);
}

std::vector<double> epoch_rates(const EpochRates& o) {
  AZ_CHECK(o.warmup_epochs >= 0 && o.epochs > o.warmup_epochs,
           "schedule: {} epochs, {} of them warm-up; want more epochs than warm-up", o.epochs, o.warmup_epochs);
  AZ_CHECK(o.first > 0 && o.last > 0 && o.warmup_first > 0 && o.warmup_last > 0,
           "schedule: rates from {} to {}, warm-up from {} to {}; want values above 0", o.first, o.last, o.warmup_first,
           o.warmup_last);
  std::vector<double> rates;
  for (int64_t e = 0; e < o.warmup_epochs; ++e)
    rates.push_back(o.warmup_first * std::pow(o.warmup_last / o.warmup_first,
                                              static_cast<double>(e) / static_cast<double>(o.warmup_epochs)));
  const int64_t n = o.epochs - o.warmup_epochs;
  for (int64_t i = 0; i < n; ++i) {
    const double t = n > 1 ? static_cast<double>(i) / static_cast<double>(n - 1) : 0;
    if (o.curve == Curve::cosine) {
      const double turn = std::numbers::pi * static_cast<double>(i) / static_cast<double>(n);
      rates.push_back(o.last + (o.first - o.last) * (1 + std::cos(turn)) / 2);
    } else if (o.curve == Curve::log) {
      rates.push_back(o.first * std::pow(o.last / o.first, t));
    } else {
      rates.push_back(o.first + (o.last - o.first) * t);
    }
  }
  return rates;
}

double lr_at(const Schedule& schedule, int64_t iteration) {
  AZ_CHECK(iteration >= 0 && schedule.warmup_iterations >= 0 && schedule.base_lr >= 0,
           "schedule: iteration {}, warm-up {}, rate {}; want values of 0 or more", iteration,
           schedule.warmup_iterations, schedule.base_lr);
  double rate = schedule.base_lr;
  if (schedule.kind == ScheduleKind::epochs) {
    AZ_CHECK(!schedule.rates.empty() && schedule.iterations_per_epoch >= 1,
             "schedule: {} rates for epochs of {} iterations; want one or more of each", schedule.rates.size(),
             schedule.iterations_per_epoch);
    const auto epoch = static_cast<size_t>(iteration / schedule.iterations_per_epoch);
    return schedule.rates[std::min(epoch, schedule.rates.size() - 1)];
  }
  if (schedule.kind == ScheduleKind::step) {
    AZ_CHECK(std::ranges::is_sorted(schedule.steps), "schedule: the steps must ascend");
    const auto passed = std::ranges::upper_bound(schedule.steps, iteration) - schedule.steps.begin();
    rate *= std::pow(schedule.gamma, static_cast<double>(passed));
  } else if (schedule.kind == ScheduleKind::cosine) {
    AZ_CHECK(schedule.total_iterations > schedule.warmup_iterations,
             "schedule: {} iterations in all and {} of warm-up; want a total above the warm-up",
             schedule.total_iterations, schedule.warmup_iterations);
    const auto length = static_cast<double>(schedule.total_iterations - schedule.warmup_iterations);
    const double t = std::clamp(static_cast<double>(iteration - schedule.warmup_iterations) / length, 0.0, 1.0);
    const double f = schedule.final_fraction;
    rate *= f + (1 - f) * (1 + std::cos(std::numbers::pi * t)) / 2;
  }
  if (iteration >= schedule.warmup_iterations) return rate;
  // Written as mmdetection's LrUpdaterHook does, for the same bits.
  const double done = static_cast<double>(iteration) / static_cast<double>(schedule.warmup_iterations);
  return rate * (1 - (1 - done) * (1 - schedule.warmup_ratio));
}

}  // namespace az::train
