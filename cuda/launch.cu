// What every launch does on either device, and the real launch; the emulated one is emulator::start
// (cuda/emulator/runtime.cpp).
#include "cuda/kernel.cuh"

#include <cstdio>
#include <string>

#include "cuda/log.h"
#include "cuda/runtime.h"

namespace az::cuda {
namespace {

std::string shape_text(const LaunchShape& s, const char* what) {
  char text[256];
  std::snprintf(text, sizeof text, "%s: %s with grid (%u, %u, %u), block (%u, %u, %u), %d bytes of shared memory",
                s.name, what, s.grid.x, s.grid.y, s.grid.z, s.block.x, s.block.y, s.block.z, s.shared_bytes);
  return text;
}

}  // namespace

void before_launch(Stream& stream, const LaunchShape& shape) {
  if (stream.log()) stream.log()->begin(shape.name);
}

void after_launch(Stream& stream, const LaunchShape& shape) {
  if (stream.log()) stream.log()->end();
  if (stream.capturing()) return;
  stream.note_launch(shape.name);
  if (!stream.waits_for_launches()) return;
  if (const cudaError_t error = cudaStreamSynchronize(stream.get()); error != cudaSuccess)
    throw_kernel_fault(error, shape_text(shape, "the kernel failed"));
  stream.note_wait();
}

#ifdef __CUDACC__
void start(Stream& stream, const LaunchShape& shape, const void* kernel, void** arguments) {
  constexpr int kSharedWithoutAsking = 48 * 1024;
  if (shape.shared_bytes > kSharedWithoutAsking)
    AZ_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shape.shared_bytes),
            shape_text(shape, "launch"));
  AZ_CUDA(cudaLaunchKernel(kernel, shape.grid, shape.block, arguments, static_cast<size_t>(shape.shared_bytes),
                           stream.get()),
          shape_text(shape, "launch"));
}
#endif

}  // namespace az::cuda
