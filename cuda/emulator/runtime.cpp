#include "cuda/emulator/runtime.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <numeric>
#include <random>

#include "cuda/emulator/coverage.h"
#include "cuda/emulator/fault.h"
#include "cuda/emulator/memory.h"
#include "cuda/emulator/queue.h"
#include "cuda/launch.h"
#include "cuda/runtime.h"
#include "cuda/stream.h"
#include "tensor/error.h"
#include "tensor/fork_join.h"

namespace az::cuda::emulator {
namespace {

/// A checking launch that reaches more memory than this runs in one order.
constexpr size_t kMostCompared = size_t{64} << 20;

std::vector<Order> orders_at_start() {
  const char* wanted = std::getenv("AZ_SIMT_ORDERS");
  if (!wanted || !*wanted) return {Order{}};
  AZ_CHECK(std::strcmp(wanted, "all") == 0, "AZ_SIMT_ORDERS={}: want 'all', or nothing for one order", wanted);
  return all_orders();
}

std::vector<Order>& current_orders() {
  static std::vector<Order> orders = orders_at_start();
  return orders;
}

BlockRunner& runner() {
  thread_local BlockRunner runner;
  return runner;
}

uint3 block_index(const dim3& grid, int64_t i) {
  const int64_t x = grid.x, y = grid.y;
  return {static_cast<unsigned>(i % x), static_cast<unsigned>(i / x % y), static_cast<unsigned>(i / (x * y))};
}

int64_t block_count(const dim3& grid) { return int64_t{grid.x} * grid.y * grid.z; }

/// All blocks in ascending order, spread over the cores. The first error stops the launch.
void run_on_all_cores(const GridShape& shape, const std::function<void()>& kernel) {
  const int64_t count = block_count(shape.grid);
  std::atomic<int64_t> next{0};
  std::exception_ptr error;
  std::mutex mutex;
  const int threads = omp_in_parallel() ? 1 : static_cast<int>(std::min<int64_t>(omp_get_max_threads(), count));
  ForkJoin order;
#pragma omp parallel num_threads(threads)
  {
    order.enter();
    try {
      for (int64_t i; (i = next++) < count;) runner().run(shape, block_index(shape.grid, i), {}, kernel);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next = count;
    }
    order.leave();
  }
  order.join();
  if (error) std::rethrow_exception(error);
}

/// Threads and blocks in the given order, one after the other.
void run_in_order(const GridShape& shape, const Order& order, const std::function<void()>& kernel) {
  std::vector<int64_t> blocks(static_cast<size_t>(block_count(shape.grid)));
  std::iota(blocks.begin(), blocks.end(), 0);
  if (order.kind == Order::Kind::reverse) std::reverse(blocks.begin(), blocks.end());
  if (order.kind == Order::Kind::random) {
    std::mt19937 random(order.seed);
    std::shuffle(blocks.begin(), blocks.end(), random);
  }
  for (const int64_t i : blocks) runner().run(shape, block_index(shape.grid, i), order, kernel);
}

std::vector<unsigned char> contents(const std::vector<Region>& regions) {
  std::vector<unsigned char> bytes;
  for (const Region& r : regions) bytes.insert(bytes.end(), r.begin, r.begin + r.bytes);
  return bytes;
}

void restore(const std::vector<Region>& regions, const std::vector<unsigned char>& bytes) {
  size_t at = 0;
  for (const Region& r : regions) {
    std::memcpy(r.begin, bytes.data() + at, r.bytes);
    at += r.bytes;
  }
}

/// The regions whose contents the kernel changed now come from it and from all that it could read.
void note_writers(size_t kernel, const std::vector<Region>& regions, const std::vector<unsigned char>& before,
                  const std::vector<unsigned char>& after) {
  KernelSet from;
  from.set(kernel);
  for (const Region& r : regions) from |= memory_map().writers(r.begin);
  size_t at = 0;
  for (const Region& r : regions) {
    if (std::memcmp(before.data() + at, after.data() + at, r.bytes) != 0) memory_map().set_writers(r.begin, from);
    at += r.bytes;
  }
}

/// Runs the kernel in every order from the same memory. Error: two orders end with different memory.
void run_in_all_orders(const GridShape& shape, const std::function<void()>& kernel, const std::vector<Region>& regions,
                       bool unaligned) {
  const std::vector<unsigned char> before = contents(regions);
  std::vector<unsigned char> first;
  for (const Order& order : orders()) {
    if (!first.empty()) restore(regions, before);
    run_in_order(shape, order, kernel);
    std::vector<unsigned char> after = contents(regions);
    if (first.empty()) {
      first = std::move(after);
      continue;
    }
    if (after == first) continue;
    const auto at = std::mismatch(first.begin(), first.end(), after.begin()).first - first.begin();
    fail(
        "{}: threads in {} order give another result than in {} order (byte {} of {} that it reaches): a barrier is "
        "missing, or two threads write one place; grid ({}, {}, {}), block ({}, {}, {})",
        shape.kernel, order.name(), orders()[0].name(), at, first.size(), shape.grid.x, shape.grid.y, shape.grid.z,
        shape.block.x, shape.block.y, shape.block.z);
  }
  note_writers(note_launch(shape.kernel, static_cast<int>(orders().size()), unaligned), regions, before, first);
}

void run(const GridShape& shape, const std::function<void()>& kernel, const std::vector<unsigned char>& arguments) {
  const AddressTrap trap;
  if (orders().size() < 2) {
    run_on_all_cores(shape, kernel);
    note_launch(shape.kernel, 1, false);
    return;
  }
  const std::vector<Region> regions = memory_map().reached_from(arguments.data(), arguments.size());
  size_t bytes = 0;
  for (const Region& r : regions) bytes += r.bytes;
  if (bytes == 0 || bytes > kMostCompared) {
    run_on_all_cores(shape, kernel);
    note_launch(shape.kernel, 1, false);
    return;
  }
  run_in_all_orders(shape, kernel, regions,
                    memory_map().reached_unaligned(arguments.data(), arguments.size(), regions));
}

}  // namespace

const std::vector<Order>& orders() { return current_orders(); }

void set_orders(std::vector<Order> orders) {
  AZ_CHECK(!orders.empty(), "cuda emulation: no thread order");
  current_orders() = std::move(orders);
}

std::vector<Order> all_orders() {
  return {{Order::Kind::forward, 0}, {Order::Kind::reverse, 0}, {Order::Kind::random, 1}, {Order::Kind::random, 2}};
}

void enqueue(Stream& stream, const char* name, std::function<void()> work) {
  if (const cudaError_t error = stream.get()->add(name, std::move(work)); error != cudaSuccess)
    throw_cuda(error, "launch", name);
}

void start(Stream& stream, const LaunchShape& launch, std::function<void()> kernel, const void* arguments,
           size_t argument_bytes) {
  const GridShape shape{launch.name, launch.grid, launch.block, launch.shared_bytes};
  const auto* bytes = static_cast<const unsigned char*>(arguments);
  enqueue(stream, launch.name,
          [shape, kernel = std::move(kernel), values = std::vector<unsigned char>(bytes, bytes + argument_bytes)] {
            run(shape, kernel, values);
          });
}

}  // namespace az::cuda::emulator
