// Fused updates of many parameters in one parallel pass. T is float or double. Each element is read and written once;
// the clip factor is folded in, so gradients are not rewritten.
#pragma once

#include <cstdint>
#include <span>

namespace az::cpu {

/// One parameter with its gradient and state.
template <class T>
struct ParameterView {
  T* value = nullptr;           ///< [count]
  const T* gradient = nullptr;  ///< [count]
  T* first = nullptr;           ///< [count]  velocity (SGD) or mean of gradients (Adam)
  T* second = nullptr;          ///< [count]  mean of squared gradients (Adam)
  int64_t count = 0;
  int64_t step = 1;  ///< which update of this parameter this is, from 1; at 1 SGD overwrites `first` without reading it
  double lr = 0;
  double decay = 0;
};

/// L2 norm of all gradients together, summed in double in fixed blocks: the same bits for any number of threads.
template <class T>
double gradient_norm(std::span<const ParameterView<T>> parameters);

/// math::SgdUpdate on every element; gradients are multiplied by `gradient_factor` first.
template <class T>
void sgd_update(std::span<const ParameterView<T>> parameters, double momentum, double gradient_factor);

struct AdamConstants {
  double beta1, beta2, eps;
  bool decoupled;  ///< AdamW
};
/// math::AdamUpdate on every element; gradients are multiplied by `gradient_factor` first.
template <class T>
void adam_update(std::span<const ParameterView<T>> parameters, const AdamConstants& constants, double gradient_factor);

}  // namespace az::cpu
