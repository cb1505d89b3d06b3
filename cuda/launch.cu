// The real launch; the emulated one is emulator::start (cuda/emulator/runtime.cpp).
#include "cuda/kernel.cuh"

#ifdef __CUDACC__
#include <cstdio>
#include <string>

#include "cuda/runtime.h"

namespace az::cuda {
namespace {

constexpr int kSharedWithoutAsking = 48 * 1024;

std::string shape_text(const LaunchShape& s) {
  char text[256];
  std::snprintf(text, sizeof text, "%s: launch with grid (%u, %u, %u), block (%u, %u, %u), %d bytes of shared memory",
                s.name, s.grid.x, s.grid.y, s.grid.z, s.block.x, s.block.y, s.block.z, s.shared_bytes);
  return text;
}

}  // namespace

void start(Stream& stream, const LaunchShape& shape, const void* kernel, void** arguments) {
  if (shape.shared_bytes > kSharedWithoutAsking)
    AZ_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shape.shared_bytes),
            shape_text(shape));
  AZ_CUDA(cudaLaunchKernel(kernel, shape.grid, shape.block, arguments, static_cast<size_t>(shape.shared_bytes),
                           stream.get()),
          shape_text(shape));
}

}  // namespace az::cuda
#endif
