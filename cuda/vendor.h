// cuDNN and cuBLAS, loaded when first asked for: linked, they would map 230 MB and take 0.1 s of every start, also of
// work on the CPU. Only sources of cuda/ that the toolkit builds include it.
#pragma once

#include <cublas_v2.h>
#include <cudnn.h>

#include <string>
#include <string_view>

namespace az::cuda {

// What we call of each library, by its exported names.
#define AZ_CUDNN_FUNCTIONS(F)      \
  F(cudnnGetVersion)               \
  F(cudnnGetErrorString)           \
  F(cudnnGetLastErrorString)       \
  F(cudnnCreate)                   \
  F(cudnnDestroy)                  \
  F(cudnnSetStream)                \
  F(cudnnBackendCreateDescriptor)  \
  F(cudnnBackendDestroyDescriptor) \
  F(cudnnBackendSetAttribute)      \
  F(cudnnBackendGetAttribute)      \
  F(cudnnBackendFinalize)          \
  F(cudnnBackendExecute)
#define AZ_CUBLAS_FUNCTIONS(F) \
  F(cublasGetStatusString)     \
  F(cublasGetProperty)         \
  F(cublasCreate_v2)           \
  F(cublasDestroy_v2)          \
  F(cublasSetStream_v2)        \
  F(cublasSetWorkspace_v2)     \
  F(cublasSetMathMode)         \
  F(cublasGemmStridedBatchedEx_64)

#define AZ_POINTER(name) decltype(&::name) name = nullptr;
struct Cudnn {
  AZ_CUDNN_FUNCTIONS(AZ_POINTER)
};
struct Cublas {
  AZ_CUBLAS_FUNCTIONS(AZ_POINTER)
};
#undef AZ_POINTER

/// The libraries. The first call of a process loads and later ones cost a branch; they are never unloaded.
/// Error: the library is missing, or has not what we call; one line with the file, where it was looked for and a
/// remedy.
const Cudnn& cudnn();
const Cublas& cublas();

/// The function's name in the text of such a call: "cudnnCreate" of "cudnn().cudnnCreate(&handle)".
std::string called_name(std::string_view call);

/// What is wrong with the libraries, as those errors say it, "" if nothing. Loads them.
std::string vendor_fault();

/// "cuDNN 9.14.0, cuBLAS 13.1": of the libraries, which are loaded for it, or of the headers of the build.
std::string vendor_versions(bool loaded);

}  // namespace az::cuda
