// Multi-tensor optimiser steps: the gradient norm and the updates of all parameters in a handful of launches, with all
// that a step decides (clip factor, step counts, whether to update at all) on the device, so that a captured step
// replays with new values. T is float or double.
#pragma once

#include <cstdint>

#include "cuda/stream.h"

namespace az::cuda {

/// One parameter. `second` is null for SGD.
template <class T>
struct OptimParameter {
  T* value;   ///< [count]
  T* first;   ///< [count]  velocity (SGD) or mean of gradients (Adam)
  T* second;  ///< [count]  mean of squared gradients (Adam)
  int64_t count;
  double lr_mult;  ///< times the step's rate
  double decay;
};

inline constexpr int64_t kOptimChunk = 8192;
/// Elements [index * kOptimChunk, (index + 1) * kOptimChunk) of a parameter, as far as there are any.
struct OptimChunk {
  int32_t parameter, index;
};

/// What the steps since the status was last zeroed came to.
struct OptimStatus {
  double norm;          ///< of the last step's gradients; before clipping
  double factor;        ///< for the last step's gradients (math::clip_factor)
  int64_t steps;        ///< how many there were
  int64_t failed_step;  ///< which of them, from 1, first had a norm that is not finite; 0: none. Later ones do nothing
  int64_t failed_parameter;  ///< the first whose own gradient was not finite then; -1: only all together were not
  int64_t skipped;           ///< how many did nothing because of their loss
  int64_t skips;             ///< whether the last one did
};

/// Device memory of an optimiser. Chunks are in the order of the parameters.
template <class T>
struct OptimTable {
  const OptimParameter<T>* parameters;  ///< [parameter_count]
  const OptimChunk* chunks;             ///< [chunk_count]
  const T** gradients;                  ///< [parameter_count]  null: the parameter is left alone
  int64_t* steps;                       ///< [parameter_count]  updates so far
  void* updates;                        ///< [parameter_count * kOptimUpdateBytes]  scratch, aligned to 16 bytes
  double* parts;                        ///< [chunk_count]  scratch
  const double* lr;                     ///< [1]
  OptimStatus* status;                  ///< [1]
  const T* loss;                        ///< [1]  null, or a step whose loss is above loss_limit, or NaN, does nothing
  double loss_limit;
  int64_t parameter_count, chunk_count;
};
inline constexpr int64_t kOptimUpdateBytes = 80;

/// Writes pointers to device memory. They travel as kernel arguments: a captured graph holds them itself.
/// pointers [count] host memory, read before the call returns; table [count] device memory
void set_pointers(Stream& stream, const void* const* pointers, int64_t count, const void** table);

/// One step with math::SgdUpdate, the rate at table.lr, gradients clipped to `clip_norm` together (0: not).
template <class T>
void sgd_step(Stream& stream, const OptimTable<T>& table, double momentum, double clip_norm);

struct AdamOptions {
  double beta1, beta2, eps;
  bool decoupled;  ///< AdamW
};
/// One step with math::AdamUpdate; the rest as sgd_step.
template <class T>
void adam_step(Stream& stream, const OptimTable<T>& table, const AdamOptions& options, double clip_norm);

}  // namespace az::cuda
