// The devices that tests run on.
#pragma once

#include <vector>

#include "tensor/device.h"

namespace az::test {

/// The CPU; with a CUDA or emulated device in the build, that one too.
std::vector<Device*> devices();
/// The same with convolutions that sum in double, for golden cases of whole networks in training: their gradients turn
/// on the signs of single activations nearer to zero than any f32 sum can tell (docs/numerics.md).
std::vector<Device*> exact_devices();
/// The first of devices().
Device& cpu();
/// The CUDA device: emulated, or a GPU; null where the build or the machine has none.
Device* cuda();

}  // namespace az::test
