// What the vendor's libraries compute: convolution and matrix product. cuDNN and cuBLAS on a GPU (cudnn.cpp,
// cublas.cpp), oneDNN on the emulated device (emulator/library.cpp); the link chooses. Free of CUDA headers.
#pragma once

#include <memory>
#include <string>

#include "cuda/conv.h"
#include "cuda/stream.h"
#include "cuda/weights.h"
#include "math/matmul.h"
#include "tensor/allocator.h"
#include "tensor/dtype.h"

namespace az::cuda {

using math::MatmulShape;

/// Calls are queued on the stream and may be captured, once each shape has run outside of a capture. Pointers are
/// device memory. T is float, bf16, f16 or double; sums are at least f32, and the same call gives the same bits.
class Library {
 public:
  /// `exact`: no TF32 and no algorithm that transforms its input; on the emulated device, double sums.
  /// `allocator` gives workspaces. Error: the library cannot be initialised.
  Library(Stream& stream, Allocator& allocator, bool exact);
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  /// y = relu(conv(x, w) + bias + residual).   x [n, h, w, c], w [k, r, s, c / groups], y [n, oh, ow, k]
  template <class T>
  void conv_forward(const ConvShape& shape, const T* x, const T* w, const ConvAfter<T>& after, T* y);
  /// dx of y = conv(x, w).   dy [n, oh, ow, k], dx [n, h, w, c]
  template <class T>
  void conv_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx);
  /// dw of y = conv(x, w), in f32 where T is bf16 or f16; for shapes whose f32 result cuDNN does not offer, its sums
  /// pass through T.   dw [k, r, s, c / groups]
  template <class T>
  void conv_backward_weights(const ConvShape& shape, const T* x, const T* dy, Wide<T>* dw);
  /// y = a b.   a [batch, m, k], b [batch, k, n], y [batch, m, n]
  template <class T>
  void matmul(const MatmulShape& shape, const T* a, const T* b, T* y);

  /// f32 products may be rounded to TF32 (10 bits of mantissa) on tensor cores. Off at first, and always if exact.
  void allow_tf32(bool allowed);
  bool tf32() const;

  /// While on, the first call of each convolution times the plans that cuDNN offers and keeps the fastest; else it
  /// takes the heuristic's first. No effect on the emulated device.
  void tune(bool on);
  /// The plans chosen by timing, as a text file for machines with the same GPU and cuDNN; AZ_CUDNN_PLANS names one that
  /// a new Library loads. Error: the file cannot be written, is another machine's, or broken.
  void save_plans(const std::string& path) const;
  void load_plans(const std::string& path);

  /// Packed weights of inference.
  WeightCache& weights() { return weights_; }

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  WeightCache weights_;
};

}  // namespace az::cuda
