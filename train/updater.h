// What an optimiser does on a device: holds the state of its parameters and updates them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "train/optimizer.h"

namespace az::train {

/// One parameter and its state.
struct Slot {
  Parameter parameter;
  Tensor first;         ///< velocity, or mean of gradients; zero before the first update
  Tensor second;        ///< mean of squared gradients; undefined for SGD
  double weight_decay;  ///< of this parameter
};

/// What came of the updates since the last report.
struct UpdateReport {
  double norm = 0;            ///< L2 norm of all gradients of the last update, before clipping
  int64_t updates = 0;        ///< how many there were
  int64_t failed_update = 0;  ///< the first of them, from 1, whose norm was not finite; 0: none. Later ones did nothing
  int64_t skipped = 0;        ///< how many of them did nothing because of their loss
  int64_t failed_parameter = -1;  ///< the first parameter whose gradient was not finite then, if it was one alone
};

class Updater {
 public:
  explicit Updater(std::vector<Slot> slots) : slots_(std::move(slots)) {}
  virtual ~Updater() = default;
  Updater(const Updater&) = delete;
  Updater& operator=(const Updater&) = delete;

  /// The rate of the updates that follow.
  virtual void prepare(double lr) = 0;
  /// One update, as Optimizer::enqueue says; `loss` may be undefined.
  virtual void enqueue(const Tensor& loss) = 0;
  /// Waits, and begins a new report.
  virtual UpdateReport report() = 0;
  /// How often each parameter has been updated, in the order of slots().
  virtual std::vector<int64_t> steps() const = 0;
  virtual void set_steps(const std::vector<int64_t>& steps) = 0;

  const std::vector<Slot>& slots() const { return slots_; }
  std::vector<Slot>& slots() { return slots_; }

 private:
  std::vector<Slot> slots_;
};

/// For parameters of one device and element type, at least one.
std::unique_ptr<Updater> make_updater(const OptimizerOptions& options, std::vector<Slot> slots);

}  // namespace az::train
