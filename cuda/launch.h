// The only way to start a kernel. Included by .cu files through cuda/kernel.cuh.
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

#include "cuda/stream.h"

namespace az::cuda {

/// Name, grid, block and dynamic shared memory of a launch.
struct LaunchShape {
  const char* name;
  dim3 grid, block;
  int shared_bytes;
};

#ifdef __CUDACC__
/// Queues the kernel. Error: a launch that the driver refuses, with the kernel's name and shape (cuda/launch.cu).
void start(Stream& stream, const LaunchShape& shape, const void* kernel, void** arguments);
#endif

/// Begins and ends a launch's record in the stream's log; with AZ_SYNC=1 the end waits for the kernel (cuda/launch.cu).
/// Error there: what the kernel did wrong, with its name, grid, block and shared memory.
void before_launch(Stream& stream, const LaunchShape& shape);
void after_launch(Stream& stream, const LaunchShape& shape);

/// Queues kernel(args...) on the stream. `name` is the kernel's own and outlives the launch. Does nothing for a grid
/// without blocks. With AZ_SYNC=1 it waits for the kernel, so that an asynchronous error names it.
/// Error: a launch that the driver refuses, with the kernel's name, grid, block and shared memory.
template <class... P, class... A>
void launch(Stream& stream, const char* name, dim3 grid, dim3 block, int shared_bytes, void (*kernel)(P...),
            A&&... args) {
  static_assert(sizeof...(P) == sizeof...(A), "launch: as many arguments as the kernel has parameters");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  const LaunchShape shape{name, grid, block, shared_bytes};
  std::tuple<std::decay_t<P>...> values{static_cast<std::decay_t<P>>(std::forward<A>(args))...};
  before_launch(stream, shape);
#ifdef __CUDACC__
  std::apply(
      [&](auto&... value) {
        void* arguments[] = {static_cast<void*>(&value)..., nullptr};
        start(stream, shape, reinterpret_cast<const void*>(kernel), arguments);
      },
      values);
#else
  emulator::start(
      stream, shape, [kernel, values] { std::apply(kernel, values); }, &values, sizeof values);
#endif
  after_launch(stream, shape);
}

}  // namespace az::cuda
