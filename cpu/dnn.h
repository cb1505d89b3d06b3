// oneDNN behind the CPU device. Nothing outside cpu/ includes this header.
#pragma once

#include <dnnl.hpp>

#include "cpu/device.h"

namespace az::cpu {

class CpuDevice::Dnn {
 public:
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

}  // namespace az::cpu
