// The devices that tests run on.
#pragma once

#include <vector>

#include "tensor/device.h"

namespace az::test {

/// The CPU; with a CUDA or emulated device in the build, that one too.
std::vector<Device*> devices();
/// The first of them.
Device& cpu();

}  // namespace az::test
