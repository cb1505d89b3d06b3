#include "tensor/allocator.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "tensor/error.h"
#include "tensor/rng.h"

using namespace az;

namespace {

struct Counts {
  int64_t allocations = 0;
  int64_t bytes = 0;
  int64_t limit_bytes = INT64_MAX;
  int64_t peak_bytes = 0;
  bool cheap = false;  ///< exchanges
};

class CountingMemory final : public RawMemory {
 public:
  explicit CountingMemory(Counts& counts) : counts_(counts) {}
  void* allocate(int64_t bytes) override {
    AZ_CHECK(counts_.bytes + bytes <= counts_.limit_bytes, "test: no more memory");
    ++counts_.allocations;
    counts_.bytes += bytes;
    counts_.peak_bytes = std::max(counts_.peak_bytes, counts_.bytes);
    return std::aligned_alloc(64, static_cast<size_t>((bytes + 63) / 64 * 64));
  }
  void release(void* block, int64_t bytes) noexcept override {
    counts_.bytes -= bytes;
    std::free(block);
  }
  bool exchanges_cheaply() const override { return counts_.cheap; }

 private:
  Counts& counts_;
};

/// An allocator over memory that counts.
struct Fixture {
  Counts counts;
  Allocator allocator{std::make_unique<CountingMemory>(counts)};
};

/// A step of a few overlapping lives; returns the addresses it got.
std::vector<void*> small_step(Allocator& a, int64_t scale = 1) {
  void* x = a.allocate(1000 * scale);
  void* y = a.allocate(5000 * scale);
  a.release(x);
  void* z = a.allocate(2000 * scale);
  a.release(y);
  void* w = a.allocate(300 * scale);
  a.release(z);
  a.release(w);
  return {x, y, z, w};
}

std::vector<void*> scoped_step(Allocator& a, uint64_t key, int64_t scale = 1) {
  const StepScope scope(a, key);
  return small_step(a, scale);
}

}  // namespace

TEST_CASE("allocator: a freed block is used again for sizes of its class") {
  Fixture f;
  void* first = f.allocator.allocate(1000);
  CHECK(reinterpret_cast<uintptr_t>(first) % 64 == 0);
  f.allocator.release(first);
  CHECK(f.allocator.allocate(1010) == first);
  CHECK(f.counts.allocations == 1);
  f.allocator.release(first);
  f.allocator.trim();
  CHECK(f.counts.bytes == 0);
  CHECK(f.allocator.stats().reserved_bytes == 0);
  CHECK(f.allocator.stats().live_bytes == 0);
}

TEST_CASE("allocator: a cached block serves requests down to four fifths of its size") {
  Fixture f;
  void* first = f.allocator.allocate(1 << 20);
  f.allocator.release(first);
  CHECK(f.allocator.allocate(900 << 10) == first);
  CHECK(f.allocator.stats().live_bytes == 1 << 20);
  f.allocator.release(first);
  CHECK(f.allocator.stats().live_bytes == 0);
  void* second = f.allocator.allocate(500 << 10);
  CHECK(second != first);
  CHECK(f.allocator.allocate(1 << 20) == first);
  CHECK(f.counts.allocations == 2);
  f.allocator.release(first);
  f.allocator.release(second);
}

TEST_CASE("allocator: where exchanges are cheap, idle memory goes before more is taken") {
  constexpr int64_t kMb = 1 << 20;
  for (const bool cheap : {false, true}) {
    CAPTURE(cheap);
    Fixture f;
    f.counts.cheap = cheap;
    // Never more than 48 MB alive at once.
    for (const int64_t size : {32, 16, 24, 40, 8}) {
      void* a = f.allocator.allocate(size * kMb);
      void* b = f.allocator.allocate(8 * kMb + size);
      std::memset(a, 1, static_cast<size_t>(size * kMb));
      f.allocator.release(a);
      f.allocator.release(b);
    }
    CHECK((f.counts.peak_bytes <= 60 * kMb) == cheap);
    CHECK(f.allocator.stats().reserved_bytes == f.counts.bytes);
    f.allocator.trim();
    CHECK(f.counts.bytes == 0);
  }
}

TEST_CASE("allocator: where exchanges are cheap, a step that was recorded anew leaves nothing beside the slab") {
  constexpr int64_t kMiB = int64_t{1} << 20;
  const auto step = [](Allocator& a, int64_t last) {
    const StepScope scope(a, 1);
    void* x = a.allocate(4 * kMiB);
    a.release(x);
    a.release(a.allocate(last));
  };
  for (const bool cheap : {false, true}) {
    CAPTURE(cheap);
    Fixture f;
    f.counts.cheap = cheap;
    step(f.allocator, 2 * kMiB);
    step(f.allocator, 3 * kMiB);  // departs from the first, whose slab is large enough
    CHECK((f.counts.bytes == 4 * kMiB) == cheap);
    CHECK(f.counts.bytes == f.allocator.stats().reserved_bytes);
    const int64_t before = f.counts.allocations;
    step(f.allocator, 3 * kMiB);
    CHECK(f.allocator.last_step_was_planned());
    CHECK(f.counts.allocations == before);
  }
}

TEST_CASE("allocator: rounding wastes at most an eighth") {
  Fixture f;
  for (int64_t bytes : {257, 1000, 4097, 65537, 1000001, 123456789}) {
    CAPTURE(bytes);
    f.allocator.release(f.allocator.allocate(bytes));
    const int64_t reserved = f.allocator.stats().reserved_bytes;
    CHECK(reserved >= bytes);
    CHECK(reserved <= bytes + bytes / 8 + 64);
    f.allocator.trim();
  }
}

TEST_CASE("allocator: the second identical step allocates nothing, later ones keep its addresses") {
  Fixture f;
  scoped_step(f.allocator, 7);
  const int64_t before = f.counts.allocations;
  const auto second = scoped_step(f.allocator, 7);
  const auto third = scoped_step(f.allocator, 7);
  CHECK(f.counts.allocations == before);
  CHECK(second == third);
  // x and y live together, then y and z, then z and w: w fits beside nothing larger than y + z.
  CHECK(f.allocator.stats().reserved_bytes <= 8 * 1024);
}

TEST_CASE("allocator: steps of many shapes share one slab, as large as the largest needs") {
  Fixture f;
  for (int64_t scale = 1; scale <= 8; ++scale) scoped_step(f.allocator, static_cast<uint64_t>(scale), scale);
  const uint64_t generation = f.allocator.arena_generation();
  const int64_t before = f.counts.allocations;
  const auto large = scoped_step(f.allocator, 8, 8);
  const auto small = scoped_step(f.allocator, 1, 1);
  CHECK(scoped_step(f.allocator, 8, 8) == large);
  CHECK(scoped_step(f.allocator, 1, 1) == small);
  CHECK(f.counts.allocations == before);
  CHECK(f.allocator.arena_generation() == generation);
  CHECK(f.allocator.stats().reserved_bytes <= 8 * 8 * 1024);
}

TEST_CASE("allocator: a step that departs goes on and is recorded anew") {
  Fixture f;
  scoped_step(f.allocator, 1);
  scoped_step(f.allocator, 1, 3);  // other sizes under the same key
  const int64_t before = f.counts.allocations;
  const auto again = scoped_step(f.allocator, 1, 3);
  CHECK(scoped_step(f.allocator, 1, 3) == again);
  CHECK(f.counts.allocations == before);
  {
    const StepScope longer(f.allocator, 1);
    small_step(f.allocator, 3);
    f.allocator.release(f.allocator.allocate(77));
  }
  { const StepScope shorter(f.allocator, 1); }
  CHECK(f.allocator.stats().live_bytes == 0);
}

TEST_CASE("allocator: a block that outlives its step is not handed out again") {
  Fixture f;
  void* kept = nullptr;
  const auto step = [&](bool keep) {
    const StepScope scope(f.allocator, 1);
    void* block = f.allocator.allocate(4096);
    small_step(f.allocator);
    if (keep) {
      kept = block;
    } else {
      f.allocator.release(block);
    }
  };
  step(false);
  step(true);  // the plan thought that this block dies: it lies in the slab
  std::memset(kept, 42, 4096);
  for (int i = 0; i < 3; ++i) {
    const StepScope scope(f.allocator, 1);
    void* other = f.allocator.allocate(4096);
    CHECK(other != kept);
    std::memset(other, 0, 4096);
    f.allocator.release(other);
  }
  CHECK(static_cast<const char*>(kept)[4095] == 42);
  f.allocator.release(kept);
  step(false);
  step(false);
  CHECK(f.allocator.stats().live_bytes == 0);
}

TEST_CASE("allocator: scopes do not nest, an inner one belongs to the outer") {
  Fixture f;
  const auto step = [&] {
    const StepScope outer(f.allocator, 1);
    auto blocks = small_step(f.allocator);
    const auto inner = scoped_step(f.allocator, 2);
    blocks.insert(blocks.end(), inner.begin(), inner.end());
    return blocks;
  };
  step();
  const auto second = step();
  CHECK(step() == second);
}

TEST_CASE("allocator: other threads take from the cache and do not disturb the plan") {
  Fixture f;
  void* foreign = nullptr;
  const auto step = [&] {
    const StepScope scope(f.allocator, 1);
    std::thread([&] { foreign = f.allocator.allocate(1000); }).join();
    auto blocks = small_step(f.allocator);
    std::thread([&] { f.allocator.release(foreign); }).join();
    return blocks;
  };
  step();
  const auto second = step();
  CHECK(step() == second);
  CHECK(f.allocator.stats().live_bytes == 0);
}

TEST_CASE("allocator: threads allocate and release at once") {
  Fixture f;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&f, t] {
      Rng rng(1, Purpose::test, t);
      for (int i = 0; i < 500; ++i) {
        void* block = f.allocator.allocate(rng.integer(1, 5000));
        std::memset(block, static_cast<int>(t), 1);
        f.allocator.release(block);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(f.allocator.stats().live_bytes == 0);
}

TEST_CASE("allocator: memory that runs out is an error for the caller, and a step still ends") {
  Fixture f;
  scoped_step(f.allocator, 1);
  f.counts.limit_bytes = f.counts.bytes;
  CHECK_THROWS_WITH_AS(f.allocator.allocate(1 << 20), "test: no more memory", Error);
  CHECK_THROWS_AS(scoped_step(f.allocator, 2, 50), Error);
  CHECK_NOTHROW(scoped_step(f.allocator, 1));
}

namespace {

/// Live blocks by address; refuses one that overlaps another, and checks that nobody wrote into it.
class Witness {
 public:
  void add(void* block, int64_t bytes, uint8_t mark) {
    const auto begin = reinterpret_cast<uintptr_t>(block);
    const auto next = live_.lower_bound(begin);
    const bool hits_next = next != live_.end() && begin + static_cast<uintptr_t>(bytes) > next->first;
    const bool hits_previous =
        next != live_.begin() && std::prev(next)->first + static_cast<uintptr_t>(std::prev(next)->second.bytes) > begin;
    REQUIRE_FALSE((hits_next || hits_previous));
    live_[begin] = {bytes, mark};
    std::memset(block, mark, static_cast<size_t>(bytes));
  }
  void remove(void* block) {
    const auto found = live_.find(reinterpret_cast<uintptr_t>(block));
    REQUIRE(found != live_.end());
    const auto* bytes = static_cast<const uint8_t*>(block);
    REQUIRE(bytes[0] == found->second.mark);
    REQUIRE(bytes[found->second.bytes - 1] == found->second.mark);
    live_.erase(found);
  }

 private:
  struct Live {
    int64_t bytes;
    uint8_t mark;
  };
  std::map<uintptr_t, Live> live_;
};

/// A random step of one shape: the same `shape` gives the same calls, but `departs` draws some of them anew and lets
/// blocks escape into `kept`.
void random_step(Allocator& a, Witness& witness, uint64_t shape, bool departs, uint64_t step,
                 std::vector<void*>& kept) {
  Rng rng(3, Purpose::test, shape);
  Rng other(4, Purpose::test, shape, step);
  const StepScope scope(a, shape);
  std::vector<void*> live;
  for (int i = 0; i < 60; ++i) {
    Rng& draw = departs && i > 30 ? other : rng;
    if (live.empty() || draw.chance(0.55)) {
      const int64_t bytes = draw.integer(1, 20'000);
      live.push_back(a.allocate(bytes));
      witness.add(live.back(), bytes, static_cast<uint8_t>(other.integer(0, 255)));
    } else {
      const auto at = draw.integer(0, static_cast<int64_t>(live.size()) - 1);
      witness.remove(live[static_cast<size_t>(at)]);
      a.release(live[static_cast<size_t>(at)]);
      live.erase(live.begin() + at);
    }
  }
  if (departs && !live.empty() && other.chance(0.5)) {
    kept.push_back(live.back());
    live.pop_back();
  }
  for (void* block : live) {
    witness.remove(block);
    a.release(block);
  }
}

}  // namespace

TEST_CASE("allocator: in random steps of several shapes no two live blocks overlap") {
  Fixture f;
  Witness witness;
  Rng rng(2, Purpose::test);
  std::vector<void*> kept;
  for (uint64_t step = 0; step < 400; ++step) {
    random_step(f.allocator, witness, static_cast<uint64_t>(rng.integer(1, 3)), rng.chance(0.2), step, kept);
    while (!kept.empty() && rng.chance(0.4)) {
      witness.remove(kept.back());
      f.allocator.release(kept.back());
      kept.pop_back();
    }
  }
  for (void* block : kept) f.allocator.release(block);
  CHECK(f.allocator.stats().live_bytes == 0);
}
