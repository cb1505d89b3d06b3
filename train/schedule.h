// Learning rates as functions of the iteration.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace az::train {

enum class ScheduleKind { constant, step, cosine };

/// "constant", "step" or "cosine". Error: another name.
ScheduleKind schedule_kind(std::string_view name);

/// Iterations count from 0. Epoch e (from 0) begins at iteration e * iterations_per_epoch.
struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;
  double base_lr = 0.01;
  int64_t warmup_iterations = 0;    ///< 0: none
  double warmup_ratio = 0;          ///< the rate at iteration 0 as a part of the regular one
  std::vector<int64_t> steps = {};  ///< step: iterations from which another factor of gamma holds, ascending
  double gamma = 0.1;               ///< step
  int64_t total_iterations = 1;     ///< cosine: where it ends
  double final_fraction = 0;        ///< cosine: the last rate as a part of base_lr
};

/// Steps given in epochs as iterations. Error: fewer than one iteration an epoch.
std::vector<int64_t> steps_from_epochs(const std::vector<int64_t>& epochs, int64_t iterations_per_epoch);

/// The rate of one iteration: the regular one
///   constant  base_lr
///   step      base_lr * gamma^(number of steps <= it)
///   cosine    base_lr * (f + (1 - f) * (1 + cos(pi * t)) / 2), t = (it - N) / (total - N) clamped to 0..1
/// during the N warm-up iterations times 1 - (1 - it / N) * (1 - r), N = warmup_iterations, r = warmup_ratio.
/// source: specs/polarmask.md section 9 (step), specs/tiny_recipe.md section 2 (cosine). Error: a field out of range.
double lr_at(const Schedule& schedule, int64_t iteration);

}  // namespace az::train
