#include "cuda/driver.h"

#include <fmt/format.h>

#include "cuda/device.h"
#include "cuda/runtime.h"
#include "cuda/vendor.h"
#include "tensor/error.h"

namespace az::cuda {
namespace {

constexpr int kOldestMajor = 8;  // compute capability of the oldest kernels in the binary

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

}  // namespace

std::string unavailable() {
  int driver = 0, runtime = 0, count = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0)
    return fmt::format(
        "no NVIDIA driver on this machine (the binary is built with CUDA {}); install one, or use --device cpu",
        version_text(runtime));
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver)
    return fmt::format(
        "the NVIDIA driver supports CUDA {}, the binary needs {}; update the driver, or use --device cpu",
        version_text(driver), version_text(runtime));
  if (error != cudaSuccess || count == 0) {
    cudaGetLastError();
    return fmt::format("no usable GPU ({}); check nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu",
                       error == cudaSuccess ? "the driver counts none" : cudaGetErrorString(error));
  }
  if (const std::string fault = vendor_fault(); !fault.empty()) return fault + "; or use --device cpu";
  return {};
}

void select_device(int index) {
  const std::string why_not = unavailable();
  AZ_CHECK(why_not.empty(), "--device cuda: {}", why_not);
  int count = 0;
  AZ_CUDA(cudaGetDeviceCount(&count), "cuda: counting GPUs");
  AZ_CHECK(index >= 0 && index < count, "cuda: there is no GPU {}; the machine has {}, numbered from 0", index, count);
  cudaDeviceProp properties;
  AZ_CUDA(cudaGetDeviceProperties(&properties, index), "cuda: asking what GPU it is");
  AZ_CHECK(properties.major >= kOldestMajor, "cuda: {} has compute capability {}.{}, want {}.0 or later",
           properties.name, properties.major, properties.minor, kOldestMajor);
  AZ_CUDA(cudaSetDevice(index), fmt::format("cuda: taking GPU {}", index));
}

std::string device_label(int index) { return fmt::format("cuda:{}", index); }

std::string description() {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const std::string why_not = unavailable();
  if (!why_not.empty())
    return fmt::format("CUDA {}; built with {}, not loaded; {}", version_text(runtime), vendor_versions(false),
                       why_not);
  const std::string text = fmt::format("CUDA {}, {}", version_text(runtime), vendor_versions(true));
  cudaDeviceProp properties;
  AZ_CUDA(cudaGetDeviceProperties(&properties, 0), "cuda: asking what GPU it is");
  return text + fmt::format(", driver {}, {} ({:.1f} GiB, compute capability {}.{})", version_text(driver),
                            properties.name, static_cast<double>(properties.totalGlobalMem) / (1 << 30),
                            properties.major, properties.minor);
}

}  // namespace az::cuda
