// What surrounds the library's convolution, and its plain twin. Pointers are device memory of any alignment; aligned to
// 16 bytes they are fastest. T is float, bf16, f16 or double; bf16 and f16 are computed in float.
#pragma once

#include <cstdint>

#include "cuda/stream.h"
#include "math/conv.h"
#include "tensor/dtype.h"

namespace az::cuda {

using math::ConvShape;

/// What is added to a convolution's sums before they are rounded and stored; null means absent.
template <class T>
struct ConvAfter {
  const Wide<T>* bias = nullptr;  // [k]
  const T* residual = nullptr;    // [n, oh, ow, k]
  bool relu = false;
};

/// packed[i][j] = T(w[i][j] * scale[i]), the weights as the convolution takes them.   w, packed [k, row]; scale [k] or
/// null
template <class T>
void pack_weights(Stream& stream, const Wide<T>* w, const Wide<T>* scale, T* packed, int64_t k, int64_t row);

/// y = relu(y + bias + residual) in place, where the library has no plan that does it.   y [rows, k]
template <class T>
void bias_act(Stream& stream, const ConvAfter<T>& after, T* y, int64_t rows, int64_t k);

/// The convolution and its gradients with double sums (cpu::conv_forward_plain and its kin): what tests compare the
/// library with, f64, and shapes that the library does not take.
template <class T>
void conv_forward_plain(Stream& stream, const ConvShape& shape, const T* x, const T* w, const ConvAfter<T>& after,
                        T* y);
template <class T>
void conv_backward_data_plain(Stream& stream, const ConvShape& shape, const T* dy, const T* w, T* dx);
template <class T>
void conv_backward_weights_plain(Stream& stream, const ConvShape& shape, const T* x, const T* dy, Wide<T>* dw);

}  // namespace az::cuda
