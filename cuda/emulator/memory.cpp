#include "cuda/emulator/memory.h"

#include <algorithm>
#include <cstring>

namespace az::cuda::emulator {
namespace {

/// Blocks up to this size may be tables of pointers.
constexpr size_t kLargestTable = 64 * 1024;

}  // namespace

void MemoryMap::add(void* block, size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto at = reinterpret_cast<uintptr_t>(block);
  regions_[at] = {static_cast<unsigned char*>(block), bytes};
  writers_.erase(at);
}

void MemoryMap::remove(void* block) {
  const std::lock_guard lock(mutex_);
  regions_.erase(reinterpret_cast<uintptr_t>(block));
  writers_.erase(reinterpret_cast<uintptr_t>(block));
}

const Region* MemoryMap::find(uintptr_t address) const {
  auto after = regions_.upper_bound(address);
  if (after == regions_.begin()) return nullptr;
  const Region& region = (--after)->second;
  return address < after->first + region.bytes ? &region : nullptr;
}

void MemoryMap::collect(const unsigned char* values, size_t bytes, std::map<uintptr_t, Region>& found) const {
  for (size_t at = 0; at + sizeof(uintptr_t) <= bytes; at += sizeof(uintptr_t)) {
    uintptr_t address = 0;
    std::memcpy(&address, values + at, sizeof address);
    const Region* region = find(address);
    if (!region || !found.emplace(reinterpret_cast<uintptr_t>(region->begin), *region).second) continue;
    if (region->bytes <= kLargestTable) collect(region->begin, region->bytes, found);
  }
}

std::vector<Region> MemoryMap::reached_from(const void* values, size_t bytes) const {
  const std::lock_guard lock(mutex_);
  std::map<uintptr_t, Region> found;
  collect(static_cast<const unsigned char*>(values), bytes, found);
  std::vector<Region> regions;
  for (const auto& [address, region] : found) regions.push_back(region);
  return regions;
}

bool MemoryMap::any_unaligned(const unsigned char* values, size_t bytes) const {
  for (size_t at = 0; at + sizeof(uintptr_t) <= bytes; at += sizeof(uintptr_t)) {
    uintptr_t address = 0;
    std::memcpy(&address, values + at, sizeof address);
    if (address % 16 != 0 && find(address)) return true;
  }
  return false;
}

bool MemoryMap::reached_unaligned(const void* values, size_t bytes, const std::vector<Region>& regions) const {
  const std::lock_guard lock(mutex_);
  return any_unaligned(static_cast<const unsigned char*>(values), bytes) ||
         std::ranges::any_of(
             regions, [&](const Region& r) { return r.bytes <= kLargestTable && any_unaligned(r.begin, r.bytes); });
}

KernelSet MemoryMap::writers(const void* address) const {
  const std::lock_guard lock(mutex_);
  const Region* region = find(reinterpret_cast<uintptr_t>(address));
  const auto found = region ? writers_.find(reinterpret_cast<uintptr_t>(region->begin)) : writers_.end();
  return found == writers_.end() ? KernelSet() : found->second;
}

void MemoryMap::set_writers(const void* address, const KernelSet& kernels) {
  const std::lock_guard lock(mutex_);
  if (const Region* region = find(reinterpret_cast<uintptr_t>(address)))
    writers_[reinterpret_cast<uintptr_t>(region->begin)] = kernels;
}

MemoryMap& memory_map() {
  // Never destroyed: devices that live to the end of the process give their memory back after every static object.
  static MemoryMap& map = *new MemoryMap;
  return map;
}

}  // namespace az::cuda::emulator
