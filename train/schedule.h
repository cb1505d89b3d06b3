// Learning rates as functions of the iteration.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace az::train {

enum class ScheduleKind { constant, step, cosine, epochs };

/// "constant", "step" or "cosine". Error: another name; `epochs` has its rates listed and no name.
ScheduleKind schedule_kind(std::string_view name);

/// Iterations count from 0. Epoch e (from 0) begins at iteration e * iterations_per_epoch.
struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;
  double base_lr = 0.01;
  int64_t warmup_iterations = 0;     ///< 0: none
  double warmup_ratio = 0;           ///< the rate at iteration 0 as a part of the regular one
  std::vector<int64_t> steps = {};   ///< step: iterations from which another factor of gamma holds, ascending
  double gamma = 0.1;                ///< step
  int64_t total_iterations = 1;      ///< cosine: where it ends
  double final_fraction = 0;         ///< cosine: the last rate as a part of base_lr
  std::vector<double> rates = {};    ///< epochs: one an epoch, whatever base_lr and warm-up say; the last one stays
  int64_t iterations_per_epoch = 1;  ///< epochs
};

/// Steps given in epochs as iterations. Error: fewer than one iteration an epoch.
std::vector<int64_t> steps_from_epochs(const std::vector<int64_t>& epochs, int64_t iterations_per_epoch);

/// How a rate goes from `first` to `last` (both taken) over some epochs.
enum class Curve { linear, log, cosine };
/// "linear", "log" or "cosine". Error: another name.
Curve curve_kind(std::string_view name);

/// Rates that change once an epoch, as SiamMask and SiamRPN++ train (foolwood/SiamMask utils/lr_helper.py).
struct EpochRates {
  int64_t epochs = 20;  ///< warm-up included
  Curve curve = Curve::log;
  double first = 0.005, last = 0.0025;
  int64_t warmup_epochs = 0;
  double warmup_first = 0.001, warmup_last = 0.005;  ///< grows by a constant factor; `warmup_last` is not reached
};
/// One rate an epoch: first * (last / first)^(i / (n - 1)) (log), first + (last - first) * i / (n - 1) (linear), or
/// last + (first - last) * (1 + cos(pi i / n)) / 2 (cosine, which does not reach `last`), of the n epochs after the
/// warm-up. Error: a field out of range.
std::vector<double> epoch_rates(const EpochRates& options);

/// The rate of one iteration: the regular one
///   constant  base_lr
///   step      base_lr * gamma^(number of steps <= it)
///   cosine    base_lr * (f + (1 - f) * (1 + cos(pi * t)) / 2), t = (it - N) / (total - N) clamped to 0..1
///   epochs    rates[it / iterations_per_epoch]
/// during the N warm-up iterations times 1 - (1 - it / N) * (1 - r), N = warmup_iterations, r = warmup_ratio.
/// source: specs/polarmask.md section 9 (step), specs/tiny_recipe.md section 2 (cosine). Error: a field out of range.
double lr_at(const Schedule& schedule, int64_t iteration);

}  // namespace az::train
