// `azimuth bench overhead`: what an op costs besides its arithmetic.
#pragma once

#include "tensor/device.h"

namespace az::cli {

/// Nanoseconds of one `ops::add` of two vectors of 16 floats; medians over `rounds` of many calls each.
struct OverheadBench {
  double no_tape_ns = 0;  ///< recording off
  double tape_ns = 0;     ///< one input wants a gradient: a node is pushed and freed with the sum
  double span_ns = 0;     ///< of that, what a profiler's hook costs while there is no profiler
};

/// Times it on `device`. The peer is bench/peers/overhead_peer.py.
OverheadBench bench_overhead(Device& device, int rounds = 21);

}  // namespace az::cli
