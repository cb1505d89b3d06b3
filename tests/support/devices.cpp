#include "tests/support/devices.h"

#include "cpu/device.h"

namespace az::test {

Device& cpu() {
  static cpu::CpuDevice device;
  return device;
}

std::vector<Device*> devices() { return {&cpu()}; }

std::vector<Device*> exact_devices() {
  static cpu::CpuDevice device(/*exact=*/true);
  return {&device};
}

}  // namespace az::test
