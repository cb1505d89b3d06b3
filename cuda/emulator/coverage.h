// Which kernels ran, and how: with AZ_SIMT_COVERAGE=FOLDER each process leaves FOLDER/PID.txt when it ends, a line a
// kernel: name, launches, thread orders that agreed (the most), and the checks that it took part in (asan, gradient).
#pragma once

namespace az::cuda::emulator {

/// A launch of `kernel` that ran in this many thread orders with equal results.
void note_launch(const char* kernel, int orders);

/// Launches of this thread belong to a gradient check while one lives.
class GradientCheckScope {
 public:
  GradientCheckScope();
  ~GradientCheckScope();
  GradientCheckScope(const GradientCheckScope&) = delete;
  GradientCheckScope& operator=(const GradientCheckScope&) = delete;
};

}  // namespace az::cuda::emulator
