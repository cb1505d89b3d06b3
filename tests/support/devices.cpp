#include "tests/support/devices.h"

#include "cpu/device.h"

namespace az::test {

Device& cpu() {
  static cpu::CpuDevice device;
  return device;
}

std::vector<Device*> devices() { return {&cpu()}; }

}  // namespace az::test
