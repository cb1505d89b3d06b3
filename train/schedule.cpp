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

double lr_at(const Schedule& schedule, int64_t iteration) {
  AZ_CHECK(iteration >= 0 && schedule.warmup_iterations >= 0 && schedule.base_lr >= 0,
           "schedule: iteration {}, warm-up {}, rate {}; want values of 0 or more", iteration,
           schedule.warmup_iterations, schedule.base_lr);
  double rate = schedule.base_lr;
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
