#include "tensor/allocator.h"

#include <algorithm>
#include <cassert>
#include <exception>

namespace az {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kSmallest = 256;
constexpr int64_t kLarge = int64_t{1} << 20;  // worth giving back

/// Sizes are rounded so that a cached block fits later requests: to 1/8 of the next power of two, waste at most 1/8.
int64_t size_class(int64_t bytes) {
  if (bytes <= kSmallest) return kSmallest;
  int64_t step = kSmallest / 8;
  while (step * 16 < bytes) step *= 2;
  step = std::max(step, kAlignment);
  return (bytes + step - 1) / step * step;
}

}  // namespace

struct Allocator::Event {
  bool allocates = true;
  int64_t bytes = 0;      // of an allocation
  int64_t of = -1;        // of a release: the index of the allocation's event
  int64_t released = -1;  // of an allocation: the index of its release, -1 if it outlived the step
};

struct Allocator::Plan {
  std::vector<Event> events;
  std::vector<int64_t> offsets;  // per event; -1: not in the slab
  int64_t slab_bytes = 0;
};

Allocator::Allocator(std::unique_ptr<RawMemory> memory) : memory_(std::move(memory)) {}

Allocator::~Allocator() {
  release_cache();
  if (slab_) memory_->release(slab_, slab_bytes_);
}

void* Allocator::allocate(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  const bool in_step = step_depth_ > 0 && step_thread_ == std::this_thread::get_id();
  void* block = in_step ? allocate_planned(size_class(bytes)) : allocate_cached(size_class(bytes));
  const Block& info = live_[block];
  // Blocks of the slab are not fenced: a captured graph goes on using them after their tensors are gone.
  if (!info.in_slab) memory_->fence(block, bytes, info.bytes);
  stats_.live_bytes += info.bytes;
  stats_.allocated_bytes += info.bytes;
  stats_.peak_live_bytes = std::max(stats_.peak_live_bytes, stats_.live_bytes);
  return block;
}

/// The smallest cached block that is large enough and at most a quarter larger, entered as live; else null.
void* Allocator::find_cached(int64_t bytes) {
  for (auto found = cache_.lower_bound(bytes); found != cache_.end() && found->first <= bytes + bytes / 4; ++found) {
    if (found->second.empty()) continue;
    void* block = found->second.back();
    found->second.pop_back();
    live_[block] = Block{.bytes = found->first};
    return block;
  }
  return nullptr;
}

void* Allocator::allocate_cached(int64_t bytes) {
  if (void* block = find_cached(bytes)) return block;
  if (memory_->exchanges_cheaply() && bytes >= kLarge) give_back_idle(bytes);
  void* block = memory_->allocate(bytes);
  ++stats_.raw_allocations;
  stats_.reserved_bytes += bytes;
  live_[block] = Block{.bytes = bytes};
  return block;
}

void* Allocator::allocate_planned(int64_t bytes) {
  const auto index = static_cast<int64_t>(record_->size());
  record_->push_back({.allocates = true, .bytes = bytes});
  void* block = nullptr;
  if (follows_plan_) {
    const bool same = index < static_cast<int64_t>(plan_->events.size()) &&
                      plan_->events[static_cast<size_t>(index)].allocates &&
                      plan_->events[static_cast<size_t>(index)].bytes == bytes;
    follows_plan_ = same;
    // The record's prefix equals the plan's, so exactly the plan's blocks are alive and this offset is free.
    if (same && plan_->offsets[static_cast<size_t>(index)] >= 0) {
      block = static_cast<char*>(slab_) + plan_->offsets[static_cast<size_t>(index)];
      live_[block] = Block{.bytes = bytes, .in_slab = true};
      ++slab_live_blocks_;
    }
  }
  if (!block) block = allocate_cached(bytes);
  if (!live_[block].in_slab) all_in_slab_ = false;
  live_[block].event = index;
  live_[block].step = step_;
  return block;
}

void Allocator::release(void* block) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(block);
  assert(found != live_.end());
  const Block info = found->second;
  live_.erase(found);
  stats_.live_bytes -= info.bytes;
  if (step_depth_ > 0 && info.event >= 0 && info.step == step_) {
    const auto index = static_cast<int64_t>(record_->size());
    record_->push_back({.allocates = false, .of = info.event});
    (*record_)[static_cast<size_t>(info.event)].released = index;
    if (follows_plan_) {
      follows_plan_ = index < static_cast<int64_t>(plan_->events.size()) &&
                      !plan_->events[static_cast<size_t>(index)].allocates &&
                      plan_->events[static_cast<size_t>(index)].of == info.event;
    }
  }
  if (info.in_slab) {
    --slab_live_blocks_;
  } else {
    memory_->fence(block, 0, info.bytes);
    cache_[info.bytes].push_back(block);
  }
}

void Allocator::begin_step(uint64_t key) {
  const std::lock_guard lock(mutex_);
  if (step_depth_++ > 0) return;
  ++step_;
  step_thread_ = std::this_thread::get_id();
  auto& plan = plans_[key];
  if (!plan) plan = std::make_unique<Plan>();
  plan_ = plan.get();
  // A tensor that outlived an earlier step in the slab would be overwritten: run this one from the cache.
  follows_plan_ = !plan_->events.empty() && slab_live_blocks_ == 0 && plan_->slab_bytes <= slab_bytes_;
  all_in_slab_ = true;
  record_ = std::make_unique<std::vector<Event>>();
  record_->reserve(plan_->events.size());
}

void Allocator::end_step() {
  const std::lock_guard lock(mutex_);
  if (--step_depth_ > 0) return;
  const bool repeated = follows_plan_ && record_->size() == plan_->events.size();
  if (!repeated) {
    all_in_slab_ = false;
    plan_->events = std::move(*record_);
    solve(*plan_);
    // The next such step lives in the slab: what this one cached would lie idle beside it.
    if (memory_->exchanges_cheaply()) release_cache();
  }
  if (slab_live_blocks_ == 0) grow_slab(plan_->slab_bytes);
  record_.reset();
  plan_ = nullptr;
}

/// Greedy by size: the largest block first, each at the lowest offset free over its whole life. (Pisarchyk and Lee,
/// "Efficient Memory Management for Deep Neural Net Inference", 2020, section 4.)
void Allocator::solve(Plan& plan) const {
  const auto& events = plan.events;
  plan.offsets.assign(events.size(), -1);
  std::vector<size_t> order;
  for (size_t i = 0; i < events.size(); ++i)
    if (events[i].allocates && events[i].released >= 0) order.push_back(i);
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return events[a].bytes > events[b].bytes; });

  std::vector<size_t> placed;  // by offset
  plan.slab_bytes = 0;
  for (const size_t i : order) {
    const auto begin = static_cast<int64_t>(i);
    int64_t offset = 0;
    for (const size_t j : placed) {
      const bool together = static_cast<int64_t>(j) < events[i].released && begin < events[j].released;
      if (!together) continue;
      if (offset + events[i].bytes <= plan.offsets[j]) break;
      offset = std::max(offset, plan.offsets[j] + events[j].bytes);
    }
    plan.offsets[i] = offset;
    plan.slab_bytes = std::max(plan.slab_bytes, offset + events[i].bytes);
    const auto at = std::ranges::upper_bound(placed, offset, {}, [&](size_t j) { return plan.offsets[j]; });
    placed.insert(at, i);
  }
}

/// Called with no block alive in the slab. Where memory is short the slab is gone and steps run from the cache; it does
/// not throw, for a step also ends while an exception passes.
void Allocator::grow_slab(int64_t bytes) noexcept {
  if (bytes <= slab_bytes_) return;
  // What the recording step took from the cache is free again now; the slab replaces it.
  release_cache();
  if (slab_) memory_->release(slab_, slab_bytes_);
  stats_.reserved_bytes -= slab_bytes_;
  slab_ = nullptr;
  slab_bytes_ = 0;
  ++slab_generation_;
  try {
    slab_ = memory_->allocate(bytes);
  } catch (const std::exception&) {
    return;
  }
  slab_bytes_ = bytes;
  ++stats_.raw_allocations;
  stats_.reserved_bytes += bytes;
}

uint64_t Allocator::arena_generation() const {
  const std::lock_guard lock(mutex_);
  return slab_generation_;
}

bool Allocator::last_step_was_planned() const {
  const std::lock_guard lock(mutex_);
  return all_in_slab_;
}

AllocatorStats Allocator::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Allocator::trim() {
  const std::lock_guard lock(mutex_);
  release_cache();
}

void Allocator::give_back(void* block, int64_t bytes) noexcept {
  memory_->fence(block, bytes, bytes);
  memory_->release(block, bytes);
  stats_.reserved_bytes -= bytes;
}

/// Gives back large idle blocks, the largest first, until they were as large together as what is asked for.
void Allocator::give_back_idle(int64_t bytes) noexcept {
  for (auto at = cache_.rbegin(); at != cache_.rend() && at->first >= kLarge && bytes > 0; ++at)
    for (auto& blocks = at->second; !blocks.empty() && bytes > 0; blocks.pop_back()) {
      give_back(blocks.back(), at->first);
      bytes -= at->first;
    }
}

void Allocator::release_cache() noexcept {
  for (auto& [bytes, blocks] : cache_) {
    for (void* block : blocks) give_back(block, bytes);
    blocks.clear();
  }
}

}  // namespace az
