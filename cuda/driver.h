// What depends on the driver or on the emulation standing in for it (cuda/driver.cpp, cuda/emulator/driver.cpp).
#pragma once

#include <string>

namespace az::cuda {

/// Makes GPU `index` the calling thread's. Error: unavailable()'s line, no such GPU, or one older than the kernels.
void select_device(int index);
/// "cuda:0", or "cuda:0 (emulated)".
std::string device_label(int index);

}  // namespace az::cuda
