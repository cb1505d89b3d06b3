// Which kernels ran, and how: with AZ_SIMT_COVERAGE=FOLDER each process leaves FOLDER/PID.txt when it ends.
#pragma once

namespace az::cuda::emulator {

/// A launch of `kernel` that ran in this many thread orders with equal results.
void note_launch(const char* kernel, int orders);

}  // namespace az::cuda::emulator
