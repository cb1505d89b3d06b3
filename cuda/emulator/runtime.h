// Launches on the emulated device: at once, in several thread orders, or into a graph that is being captured.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "cuda/emulator/block.h"

namespace az::cuda {
class Stream;
struct LaunchShape;
}  // namespace az::cuda

namespace az::cuda::emulator {

/// Puts `work` into the stream's order: runs it now, or records it while the stream captures. Library stand-ins use it.
void enqueue(Stream& stream, const char* name, std::function<void()> work);

/// Puts a kernel into the stream's order. `arguments` are the bytes of its arguments: in a run that checks, memory that
/// they point to is compared between thread orders.
void start(Stream& stream, const LaunchShape& shape, std::function<void()> kernel, const void* arguments,
           size_t argument_bytes);

/// The orders that a kernel runs in. One: forward, over all cores. More: each on one core, and all memory that the
/// kernel's arguments lead to must end up the same to the bit. AZ_SIMT_ORDERS=all asks for four at the start.
const std::vector<Order>& orders();
void set_orders(std::vector<Order> orders);
std::vector<Order> all_orders();

}  // namespace az::cuda::emulator
