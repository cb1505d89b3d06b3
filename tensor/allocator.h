// Device memory: a cache of freed blocks, and an arena for work that repeats.
//
// A freed block serves later requests of its size or of a little less. Where exchanges are cheap, new memory is asked
// for only after as much that lies idle in the cache was given back: the peak is then what was alive at once.
//
// A training step or an inference asks for the same sizes in the same order each time. The first run of such a scope is
// recorded (sizes and lifetimes), a plan gives every block an offset in a slab so that blocks alive together do not
// overlap, and later runs take their addresses from the plan: same calls, same addresses, nothing allocated. A run that
// departs from the record goes on with the cache and is recorded anew. All plans share the slab, which is as large as
// the largest needs: training on images of many sizes takes the memory of the largest, not of their sum.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

namespace az {

/// Where blocks come from: host memory, or a driver.
class RawMemory {
 public:
  virtual ~RawMemory() = default;
  /// At least `bytes`, aligned to 64; throws `Error` with the size when there is none.
  virtual void* allocate(int64_t bytes) = 0;
  virtual void release(void* block, int64_t bytes) noexcept = 0;
  /// Whether giving blocks back to take others is cheap and may happen at any time. A driver's calls wait for the
  /// device.
  virtual bool exchanges_cheaply() const { return false; }
  /// Only the first `used` of a block's `bytes` may be touched from now on. Memory that a sanitizer watches tells it.
  virtual void fence(void* block, int64_t used, int64_t bytes) noexcept {
    static_cast<void>(block), static_cast<void>(used), static_cast<void>(bytes);
  }
};

struct AllocatorStats {
  int64_t live_bytes = 0;       ///< held by tensors now
  int64_t peak_live_bytes = 0;  ///< the most `live_bytes` has been
  int64_t reserved_bytes = 0;   ///< taken from RawMemory, cached blocks and arenas included
  int64_t allocated_bytes = 0;  ///< handed out in all so far, arena included
  int64_t raw_allocations = 0;  ///< calls to RawMemory::allocate so far
};

class Allocator {
 public:
  explicit Allocator(std::unique_ptr<RawMemory> memory);
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  /// A block of at least `bytes`. Any thread may call it; only the scope's own thread uses the arena.
  void* allocate(int64_t bytes);
  void release(void* block) noexcept;

  /// Begins a scope whose calls repeat under the same `key` (a hash of the step's shapes). Scopes do not nest: an
  /// inner one is part of the outer one.
  void begin_step(uint64_t key);
  void end_step();

  /// Changes whenever the slab moves: addresses kept from a planned step (a captured graph) hold only while it is
  /// equal.
  uint64_t arena_generation() const;
  /// Whether the last step took every block from the slab, at its plan's addresses.
  bool last_step_was_planned() const;
  AllocatorStats stats() const;
  /// Gives cached blocks that nobody uses back to RawMemory.
  void trim();

 private:
  struct Event;
  struct Plan;
  struct Block {
    int64_t bytes = 0;
    int64_t event = -1;  // index of its allocation in the running step's record, or -1
    uint64_t step = 0;   // the step that allocated it
    bool in_slab = false;
  };

  void* allocate_cached(int64_t bytes);
  void* allocate_planned(int64_t bytes);
  void* find_cached(int64_t bytes);
  void give_back(void* block, int64_t bytes) noexcept;
  void give_back_idle(int64_t bytes) noexcept;
  void release_cache() noexcept;
  void solve(Plan& plan) const;
  void grow_slab(int64_t bytes) noexcept;

  std::unique_ptr<RawMemory> memory_;
  mutable std::mutex mutex_;
  std::unordered_map<void*, Block> live_;
  std::map<int64_t, std::vector<void*>> cache_;  // by size
  std::unordered_map<uint64_t, std::unique_ptr<Plan>> plans_;
  AllocatorStats stats_;

  void* slab_ = nullptr;
  int64_t slab_bytes_ = 0;
  int64_t slab_live_blocks_ = 0;
  uint64_t slab_generation_ = 0;

  Plan* plan_ = nullptr;  // of the running step
  std::unique_ptr<std::vector<Event>> record_;
  bool follows_plan_ = false;
  bool all_in_slab_ = false;  // of the running or the last step
  uint64_t step_ = 0;
  int step_depth_ = 0;
  std::thread::id step_thread_;
};

/// begin_step and end_step as a scope.
class StepScope {
 public:
  StepScope(Allocator& allocator, uint64_t key) : allocator_(allocator) { allocator_.begin_step(key); }
  ~StepScope() { allocator_.end_step(); }
  StepScope(const StepScope&) = delete;
  StepScope& operator=(const StepScope&) = delete;

 private:
  Allocator& allocator_;
};

}  // namespace az
