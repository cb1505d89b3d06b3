// What this machine reaches, measured: the roofs of a profile, and `azimuth bench peak`.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tensor/device.h"
#include "tensor/dtype.h"

namespace az::cli {

/// Bests of several; 0: not there, or not measured. All threads together unless it says otherwise.
struct Peaks {
  std::string device;            ///< "cpu", "cuda:0"
  int threads = 0;               ///< of the host
  double f32_gflops = 0;         ///< multiply-adds in registers; on a GPU a matrix product
  double f32_core_gflops = 0;    ///< the same on one thread
  double bf16_gflops = 0;        ///< where the processor multiplies bf16
  double matmul_f32_gflops = 0;  ///< matrix product of 2048 (on a GPU 8192)
  double memory_gb_s = 0;        ///< bytes read and written by a copy of 256 MiB (on a GPU 1 GiB)
  double level3_gb_s = 0;        ///< by threads that each copy what all together is half of the third-level cache
  double level2_gb_s = 0;        ///< by threads that each copy half of their second-level cache
};

/// Measures for about `seconds`.
Peaks measure_peaks(Device& device, double seconds);

/// The matrix product of `dtype` alone, GFLOP/s.
double matmul_gflops(Device& device, DType dtype, double seconds);

/// As `bench peak --json` writes it.
nlohmann::ordered_json peaks_json(const Peaks& peaks);
/// Reads that. Error: FILE is not such an object, with what is missing.
Peaks read_peaks(const std::string& file);

}  // namespace az::cli
