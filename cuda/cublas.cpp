#include "cuda/cublas.h"

#include <fmt/format.h>

#include "cuda/vendor.h"
#include "tensor/error.h"

namespace az::cuda {
namespace {

/// What cuBLAS's documentation advises for Hopper.
constexpr int64_t kWorkspaceBytes = int64_t{32} << 20;

[[noreturn]] void throw_cublas(cublasStatus_t status, const char* call, const std::string& what) {
  fail("{}: {} ({})", what, cublas().cublasGetStatusString(status), called_name(call));
}

#define AZ_CUBLAS(call, describe)                                                             \
  do {                                                                                        \
    if (const cublasStatus_t status_ = (call); status_ != CUBLAS_STATUS_SUCCESS) [[unlikely]] \
      throw_cublas(status_, #call, (describe));                                               \
  } while (0)

cudaDataType type_of(DType dtype) {
  switch (dtype) {
    case DType::f64: return CUDA_R_64F;
    case DType::bf16: return CUDA_R_16BF;
    case DType::f16: return CUDA_R_16F;
    default: return CUDA_R_32F;
  }
}

cublasOperation_t operation(bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; }

}  // namespace

Blas::Blas(Stream& stream, Allocator& allocator) : allocator_(allocator) {
  AZ_CUBLAS(cublas().cublasCreate_v2(&handle_), "cublas: start");
  workspace_ = allocator.allocate(kWorkspaceBytes);
  // Setting the stream takes the workspace away, so that comes second.
  AZ_CUBLAS(cublas().cublasSetStream_v2(handle_, stream.get()), "cublas: its stream");
  AZ_CUBLAS(cublas().cublasSetWorkspace_v2(handle_, workspace_, kWorkspaceBytes), "cublas: its workspace");
  allow_tf32(false);
}

Blas::~Blas() {
  cublas().cublasDestroy_v2(handle_);
  if (workspace_) allocator_.release(workspace_);
}

void Blas::allow_tf32(bool allowed) {
  // Sums of bf16 and f16 stay in f32 either way: partial sums in f16 could overflow.
  const int mode =
      (allowed ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH) | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
  AZ_CUBLAS(cublas().cublasSetMathMode(handle_, static_cast<cublasMath_t>(mode)), "cublas: its precision");
}

void Blas::matmul(const math::MatmulShape& shape, DType dtype, const void* a, const void* b, void* y) {
  const GemmCall g = gemm_call(shape);
  const cudaDataType type = type_of(dtype);
  const float one = 1, zero = 0;
  const double one_wide = 1, zero_wide = 0;
  const bool wide = dtype == DType::f64;
  AZ_CUBLAS(cublas().cublasGemmStridedBatchedEx_64(
                handle_, operation(g.transpose_first), operation(g.transpose_second), g.m, g.n, g.k,
                wide ? static_cast<const void*>(&one_wide) : &one, b, type, g.ld_first, g.step_first, a, type,
                g.ld_second, g.step_second, wide ? static_cast<const void*>(&zero_wide) : &zero, y, type, g.ld_y,
                g.step_y, shape.batch, wide ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
            fmt::format("matmul: {} products {} [{}, {}] x [{}, {}]", shape.batch, dtype_name(dtype), shape.m, shape.k,
                        shape.k, shape.n));
}

}  // namespace az::cuda
