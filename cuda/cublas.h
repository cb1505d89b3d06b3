// cuBLAS as a device owns it. Only sources of cuda/ that the toolkit builds include it.
#pragma once

#include <cublas_v2.h>

#include "cuda/library_map.h"
#include "cuda/stream.h"
#include "tensor/allocator.h"

namespace az::cuda {

/// Products queued on one stream, with a workspace of their own: the same bits each time, and capture without
/// allocations.
class Blas {
 public:
  Blas(Stream& stream, Allocator& allocator);
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  /// f32 products may be rounded to TF32.
  void allow_tf32(bool allowed);
  /// y = a b, of elements f32, bf16, f16 or f64. Sums of bf16 and f16 are f32.
  void matmul(const math::MatmulShape& shape, DType dtype, const void* a, const void* b, void* y);

 private:
  cublasHandle_t handle_ = nullptr;
  Allocator& allocator_;
  void* workspace_ = nullptr;
};

}  // namespace az::cuda
