#include "cuda/vendor.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "tensor/error.h"

namespace az::cuda {
namespace {

/// Where a toolkit lies that the system's linker does not know.
std::vector<std::string> folders() {
  std::vector<std::string> found;
  for (const char* name : {"CUDA_PATH", "CUDA_HOME"})
    if (const char* root = std::getenv(name); root && *root) found.push_back(std::string(root) + "/lib64");
  found.emplace_back("/usr/local/cuda/lib64");
  return found;
}

/// A library that stays loaded. `package` is what to install.
void* open(const std::string& file, const std::string& package) {
  if (void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  const std::string reason = dlerror();  // names the file
  std::string searched = "LD_LIBRARY_PATH, the system's folders";
  for (const std::string& folder : folders()) {
    if (void* library = dlopen((folder + "/" + file).c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    searched += ", " + folder;
  }
  fail("cuda: cannot load {} (looked in {}); install {}, or add its folder to LD_LIBRARY_PATH", reason, searched,
       package);
}

template <class F>
void resolve(void* library, const char* file, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(library, name));
  AZ_CHECK(function, "cuda: {} has no {}; the binary is built with {}", file, name, vendor_versions(false));
}

std::string library_file(const char* stem, int major) { return fmt::format("{}.so.{}", stem, major); }

Cudnn load_cudnn() {
  const std::string file = library_file("libcudnn", CUDNN_MAJOR);
  void* library = open(file, fmt::format("cuDNN {}", CUDNN_MAJOR));
  Cudnn f;
#define AZ_RESOLVE(name) resolve(library, file.c_str(), #name, f.name);
  AZ_CUDNN_FUNCTIONS(AZ_RESOLVE)
  return f;
}

Cublas load_cublas() {
  const std::string file = library_file("libcublas", CUBLAS_VER_MAJOR);
  void* library = open(file, fmt::format("cuBLAS of CUDA {}", CUBLAS_VER_MAJOR));
  Cublas f;
  AZ_CUBLAS_FUNCTIONS(AZ_RESOLVE)
#undef AZ_RESOLVE
  return f;
}

std::string version_text(size_t dnn, int blas_major, int blas_minor) {
  return fmt::format("cuDNN {}.{}.{}, cuBLAS {}.{}", dnn / 10000, dnn % 10000 / 100, dnn % 100, blas_major, blas_minor);
}

}  // namespace

const Cudnn& cudnn() {
  static const Cudnn functions = load_cudnn();
  return functions;
}

const Cublas& cublas() {
  static const Cublas functions = load_cublas();
  return functions;
}

std::string called_name(std::string_view call) {
  constexpr std::string_view kAccess = "().";
  if (const size_t at = call.find(kAccess); at != std::string_view::npos) call.remove_prefix(at + kAccess.size());
  return std::string(call.substr(0, call.find('(')));
}

std::string vendor_fault() {
  try {
    cudnn();
    cublas();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

std::string vendor_versions(bool loaded) {
  if (!loaded) return version_text(CUDNN_VERSION, CUBLAS_VER_MAJOR, CUBLAS_VER_MINOR);
  int major = 0, minor = 0;
  cublas().cublasGetProperty(MAJOR_VERSION, &major);
  cublas().cublasGetProperty(MINOR_VERSION, &minor);
  return version_text(cudnn().cudnnGetVersion(), major, minor);
}

}  // namespace az::cuda
