// One thread block on the host: its CUDA threads are fibers of one operating-system thread.
//
// A CUDA thread runs until it returns or waits (barrier, vote, shuffle); only one that waits needs a fiber of its own.
// Static shared memory is handed out at its first use in a block, dynamic shared memory lies before it; both begin as a
// pattern, and under AddressSanitizer each array is fenced. Threads run in a given order, so a missing barrier gives
// another answer in another order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <vector>

/// CUDA's launch dimensions.
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct uint3 {
  unsigned x, y, z;
};

namespace az::cuda::emulator {

/// The order in which a block's threads, and a grid's blocks, get their turns.
struct Order {
  enum class Kind : uint8_t { forward, reverse, random } kind = Kind::forward;
  uint32_t seed = 0;  ///< of a random one
  const char* name() const;
};

/// What all blocks of a launch share.
struct GridShape {
  const char* kernel;
  dim3 grid, block;
  int shared_bytes;
};

/// What a kernel may ask about its block.
struct BlockView {
  GridShape shape;
  uint3 index;
  unsigned char* dynamic;
};

extern constinit thread_local uint3 current_thread;
extern constinit thread_local const BlockView* current_block;

/// Runs blocks one after the other; keeps its fibers and shared memory for the next. One an operating-system thread.
class BlockRunner {
 public:
  BlockRunner();
  ~BlockRunner();
  BlockRunner(const BlockRunner&) = delete;
  BlockRunner& operator=(const BlockRunner&) = delete;

  /// Errors: threads that wait at different lines for one barrier, or for each other in vain; what the kernel throws.
  void run(const GridShape& shape, uint3 index, const Order& order, const std::function<void()>& kernel);

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// What the device names of cuda/emulator/kernel.h stand on; all are of the running thread.

struct BlockVotes {
  int set, present;  // threads whose predicate holds, threads that have not returned
};
BlockVotes block_barrier(bool predicate, const std::source_location& where);

struct WarpVotes {
  unsigned votes, present;  // lanes whose predicate holds, lanes that took part
};
WarpVotes warp_vote(unsigned mask, bool predicate, const std::source_location& where);
/// The bits that lane `source` brought; a pattern if it is not in the mask or has returned.
uint64_t warp_exchange(unsigned mask, uint64_t bits, int source, const std::source_location& where);
int lane_index();
unsigned live_lanes();
/// The block's array of the declaration `site`.
void* static_shared(const void* site, size_t bytes);
/// Ends the launch with cudaErrorLaunchFailure, which the next call that waits reports.
[[noreturn]] void trap();

}  // namespace az::cuda::emulator
