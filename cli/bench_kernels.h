// `azimuth bench kernels`: every handwritten CUDA kernel at the sizes of PolarMask-R50.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/device.h"

namespace az::cli {

struct KernelBenchOptions {
  bool small = false;    ///< sizes that the emulated device runs in seconds, each once
  double seconds = 0.1;  ///< of launches a case
};

/// One launcher at one size.
struct KernelTime {
  std::string family;                ///< the .cu file
  std::string what;                  ///< launcher, and what of it
  std::string dtype, shape;          ///< of the largest operand
  std::vector<std::string> kernels;  ///< that it started
  double us = 0;                     ///< fastest of three series
  double gb_s = 0;                   ///< of the bytes that the algorithm must read and write
  double gflop_s = 0;                ///< 0: none to speak of
  double share = 0;                  ///< of the copy's bandwidth
};

struct KernelBench {
  double copy_gb_s = 0;  ///< bytes read and written by a copy on this device, in this run
  std::vector<KernelTime> kernels;
};

/// Times launches between two events of the device's stream. Inputs are 800x1344 pictures, alone and by 16, f32 and
/// bf16 where activations may be that. Operands that fit into the second-level cache can beat the copy.
/// Error: a device without kernels.
KernelBench bench_kernels(const KernelBenchOptions& options, Device& device);

}  // namespace az::cli
