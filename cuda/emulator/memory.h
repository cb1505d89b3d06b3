// The emulated device's memory: which blocks exist, so that a checking launch can find those that a kernel reaches, and
// which kernels had a part in what they hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "cuda/emulator/coverage.h"

namespace az::cuda::emulator {

struct Region {
  unsigned char* begin;
  size_t bytes;
};

/// Blocks in use, by address: what the allocator handed out, and what was taken from the driver directly.
class MemoryMap {
 public:
  /// Of blocks that begin at one address, the last one added counts.
  void add(void* block, size_t bytes);
  void remove(void* block);
  /// Blocks that the pointers among these bytes lead to, directly or through small blocks of pointers.
  std::vector<Region> reached_from(const void* values, size_t bytes) const;
  /// Whether a pointer into a block, among these bytes or in small ones of these regions, is no multiple of 16 bytes.
  bool reached_unaligned(const void* values, size_t bytes, const std::vector<Region>& regions) const;

  /// The kernels that the contents of the block at `address` come from: those noted, until it is given back.
  KernelSet writers(const void* address) const;
  void set_writers(const void* address, const KernelSet& kernels);

 private:
  const Region* find(uintptr_t address) const;
  bool any_unaligned(const unsigned char* values, size_t bytes) const;
  void collect(const unsigned char* values, size_t bytes, std::map<uintptr_t, Region>& found) const;

  mutable std::mutex mutex_;
  std::map<uintptr_t, Region> regions_;
  std::map<uintptr_t, KernelSet> writers_;  // by where their block begins
};

/// The process's emulated memory.
MemoryMap& memory_map();

}  // namespace az::cuda::emulator
