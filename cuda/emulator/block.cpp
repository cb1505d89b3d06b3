#include "cuda/emulator/block.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <exception>
#include <map>
#include <random>

#include "cuda/emulator/fault.h"
#include "cuda/emulator/fiber.h"
#include "tensor/error.h"
#include "tensor/sanitizer.h"

namespace az::cuda::emulator {

constinit thread_local uint3 current_thread{0, 0, 0};
constinit thread_local const BlockView* current_block = nullptr;

namespace {

constinit thread_local BlockRunner::Impl* running = nullptr;

constexpr int kLanes = 32;
constexpr unsigned char kPattern = 0xCB;
constexpr size_t kMostStatic = 48 * 1024;   // what CUDA allows to be declared
constexpr size_t kMostShared = 227 * 1024;  // what a block of compute capability 9.0 may ask for
constexpr size_t kFence = kAddressSanitizer ? 64 : 0;
constexpr size_t kStaticRoom = kMostStatic + 64 * (kFence + 16);

enum class State : uint8_t { ready, at_block, at_warp, done };

/// What a lane brought to a warp operation, and what it takes away.
struct Lane {
  unsigned mask = 0;
  bool predicate = false;
  int source = 0;
  uint64_t bits = 0;
  WarpVotes votes{};
  const std::source_location* where = nullptr;
};

struct Thread {
  State state = State::ready;
  int fiber = -1;
  bool predicate = false;  // at a barrier of the block
  const std::source_location* where = nullptr;
  Lane lane;
};

struct Warp {
  unsigned live = 0, waiting = 0;
};

bool same_line(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

}  // namespace

const char* Order::name() const {
  switch (kind) {
    case Kind::forward: return "forward";
    case Kind::reverse: return "reverse";
    case Kind::random: break;
  }
  return "random";
}

class BlockRunner::Impl {
 public:
  void run(const GridShape& shape, uint3 index, const Order& order, const std::function<void()>& kernel);

  BlockVotes block_barrier(bool predicate, const std::source_location& where);
  const Lane& warp_wait(Lane lane);
  void* static_shared(const void* site, size_t bytes);
  unsigned live_lanes() const { return warps_[static_cast<size_t>(current_ / kLanes)].live; }
  int lane() const { return current_ % kLanes; }

 private:
  struct StaticArray {
    const void* site;
    size_t offset, bytes;
  };

  void prepare(const GridShape& shape, const Order& order);
  void prepare_shared(int dynamic_bytes);
  void make_current(int thread);
  void resume(int fiber);
  void wait();  // of the current thread, until its state is ready again
  void run_to_end();
  void run_threads();
  void finish_thread();
  bool release_block();
  void release_warp(int warp);
  [[noreturn]] void fail_stuck();
  std::string where(const std::source_location& at) const { return fmt::format("{}:{}", at.file_name(), at.line()); }
  static void fiber_main(void* impl) { static_cast<Impl*>(impl)->run_threads(); }

  BlockView view_{};
  const std::function<void()>* kernel_ = nullptr;
  int count_ = 0, live_ = 0, at_block_ = 0, next_ = 0, current_ = 0;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<int> order_;
  BlockVotes votes_{};

  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<sigjmp_buf*> exits_;  // of fibers that have begun
  std::vector<int> idle_;
  int fiber_ = -1;
  std::exception_ptr error_;

  std::vector<unsigned char> shared_;  // static arrays, then dynamic memory
  unsigned char* shared_begin_ = nullptr;
  size_t static_used_ = 0;
  std::vector<StaticArray> arrays_;
};

void BlockRunner::Impl::prepare(const GridShape& shape, const Order& order) {
  const auto& b = shape.block;
  const uint64_t count = uint64_t{b.x} * b.y * b.z;
  AZ_CHECK(count >= 1 && count <= 1024, "{}: a block of {} x {} x {} threads, want 1 to 1024", shape.kernel, b.x, b.y,
           b.z);
  count_ = static_cast<int>(count);
  threads_.assign(count, {});
  warps_.assign((count + kLanes - 1) / kLanes, {});
  for (int t = 0; t < count_; ++t) warps_[static_cast<size_t>(t / kLanes)].live |= 1U << (t % kLanes);
  order_.resize(count);
  for (int t = 0; t < count_; ++t)
    order_[static_cast<size_t>(t)] = order.kind == Order::Kind::reverse ? count_ - 1 - t : t;
  if (order.kind == Order::Kind::random) {
    std::mt19937 random(order.seed);
    std::shuffle(order_.begin(), order_.end(), random);
  }
  live_ = count_;
  at_block_ = next_ = 0;
  error_ = nullptr;
}

void BlockRunner::Impl::prepare_shared(int dynamic_bytes) {
  const auto dynamic = static_cast<size_t>(dynamic_bytes);
  const size_t room = kStaticRoom + dynamic + 2 * kFence + 64;
  if (!shared_begin_ || shared_.size() < room) {
    if (shared_begin_) unpoison(shared_.data(), shared_.size());
    shared_.assign(room, 0);
  }
  unpoison(shared_.data(), shared_.size());
  auto begin = reinterpret_cast<uintptr_t>(shared_.data());
  shared_begin_ = shared_.data() + ((begin + 63) / 64 * 64 - begin);
  const size_t used = kStaticRoom + dynamic;
  std::memset(shared_begin_, kPattern, used);
  poison(shared_begin_, used + kFence);
  static_used_ = kFence;
  arrays_.clear();
  view_.dynamic = shared_begin_ + kStaticRoom;
  unpoison(view_.dynamic, dynamic);
}

void* BlockRunner::Impl::static_shared(const void* site, size_t bytes) {
  for (const StaticArray& array : arrays_)
    if (array.site == site) return shared_begin_ + array.offset;
  size_t declared = bytes;
  for (const StaticArray& array : arrays_) declared += array.bytes;
  AZ_CHECK(declared <= kMostStatic, "{}: {} bytes of static shared memory, CUDA allows {}; take it as dynamic",
           view_.shape.kernel, declared, kMostStatic);
  AZ_CHECK(declared + static_cast<size_t>(view_.shape.shared_bytes) <= kMostShared,
           "{}: {} bytes of shared memory in all, a block may have {}", view_.shape.kernel,
           declared + static_cast<size_t>(view_.shape.shared_bytes), kMostShared);
  const size_t offset = static_used_;
  static_used_ = (offset + bytes + 15) / 16 * 16 + kFence;
  unpoison(shared_begin_ + offset, bytes);
  arrays_.push_back({site, offset, bytes});
  return shared_begin_ + offset;
}

void BlockRunner::Impl::make_current(int thread) {
  current_ = thread;
  const auto t = static_cast<unsigned>(thread);
  const dim3& b = view_.shape.block;
  current_thread = {t % b.x, t / b.x % b.y, t / (b.x * b.y)};
}

void BlockRunner::Impl::resume(int fiber) {
  fiber_ = fiber;
  fault_exit = exits_[static_cast<size_t>(fiber)];
  fibers_[static_cast<size_t>(fiber)]->resume();
  fault_exit = nullptr;
}

/// A fiber's work: threads that have not begun, one after the other, for as long as none has to wait.
void BlockRunner::Impl::run_threads() {
  sigjmp_buf exit;
  for (;;) {
    const int self = fiber_;
    if (sigsetjmp(exit, 0) != 0) error_ = std::make_exception_ptr(DeviceFault{cudaErrorIllegalAddress});
    exits_[static_cast<size_t>(self)] = fault_exit = &exit;
    while (next_ < count_ && !error_) {
      const int thread = order_[static_cast<size_t>(next_++)];
      threads_[static_cast<size_t>(thread)].fiber = self;
      make_current(thread);
      try {
        (*kernel_)();
        finish_thread();
      } catch (...) {
        error_ = std::current_exception();
      }
    }
    idle_.push_back(self);
    fibers_[static_cast<size_t>(self)]->suspend();
  }
}

void BlockRunner::Impl::finish_thread() {
  threads_[static_cast<size_t>(current_)].state = State::done;
  --live_;
  const int warp = current_ / kLanes;
  warps_[static_cast<size_t>(warp)].live &= ~(1U << (current_ % kLanes));
  release_warp(warp);
}

void BlockRunner::Impl::wait() {
  const int thread = current_;
  Fiber& fiber = *fibers_[static_cast<size_t>(fiber_)];
  fiber.suspend();
  make_current(thread);
}

void BlockRunner::Impl::run(const GridShape& shape, uint3 index, const Order& order,
                            const std::function<void()>& kernel) {
  view_.shape = shape;
  view_.index = index;
  kernel_ = &kernel;
  prepare(shape, order);
  prepare_shared(shape.shared_bytes);
  current_block = &view_;
  running = this;
  try {
    run_to_end();
  } catch (...) {
    error_ = std::current_exception();
  }
  running = nullptr;
  current_block = nullptr;
  if (error_) {  // threads that still wait are given up with their fibers
    fibers_.clear();
    exits_.clear();
    idle_.clear();
    std::rethrow_exception(error_);
  }
}

void BlockRunner::Impl::run_to_end() {
  while (next_ < count_ && !error_) {
    if (idle_.empty()) {
      fibers_.push_back(std::make_unique<Fiber>(&fiber_main, this));
      exits_.push_back(nullptr);
      idle_.push_back(static_cast<int>(fibers_.size()) - 1);
    }
    const int fiber = idle_.back();
    idle_.pop_back();
    resume(fiber);
  }
  while (live_ > 0 && !error_) {
    bool progress = false;
    for (const int t : order_) {
      Thread& thread = threads_[static_cast<size_t>(t)];
      if (thread.state != State::ready) continue;
      progress = true;
      resume(thread.fiber);
      if (error_) return;
    }
    if (!progress && !release_block()) fail_stuck();
  }
}

BlockVotes BlockRunner::Impl::block_barrier(bool predicate, const std::source_location& where) {
  Thread& thread = threads_[static_cast<size_t>(current_)];
  thread.state = State::at_block;
  thread.predicate = predicate;
  thread.where = &where;
  ++at_block_;
  wait();
  return votes_;
}

/// Lets all threads that have not returned pass the barrier, once every one waits at it.
bool BlockRunner::Impl::release_block() {
  if (at_block_ == 0 || at_block_ != live_) return false;
  const std::source_location* first = nullptr;
  BlockVotes votes{0, live_};
  for (int t = 0; t < count_; ++t) {
    const Thread& thread = threads_[static_cast<size_t>(t)];
    if (thread.state != State::at_block) continue;
    if (!first) first = thread.where;
    AZ_CHECK(same_line(*first, *thread.where),
             "{}: divergent barrier in block ({}, {}, {}): thread {} waits at {}, others at {}", view_.shape.kernel,
             view_.index.x, view_.index.y, view_.index.z, t, this->where(*thread.where), this->where(*first));
    votes.set += thread.predicate ? 1 : 0;
  }
  votes_ = votes;
  for (Thread& thread : threads_)
    if (thread.state == State::at_block) thread.state = State::ready;
  at_block_ = 0;
  return true;
}

const Lane& BlockRunner::Impl::warp_wait(Lane lane) {
  const int warp = current_ / kLanes;
  const unsigned bit = 1U << (current_ % kLanes);
  AZ_CHECK(lane.mask & bit, "{}: lane {} takes part in a warp operation at {} whose mask {:#x} leaves it out",
           view_.shape.kernel, current_ % kLanes, where(*lane.where), lane.mask);
  Thread& thread = threads_[static_cast<size_t>(current_)];
  thread.lane = lane;
  thread.state = State::at_warp;
  warps_[static_cast<size_t>(warp)].waiting |= bit;
  release_warp(warp);
  if (thread.state != State::ready) wait();
  return thread.lane;
}

/// Completes warp operations whose lanes have all come: what each takes away is settled before any of them goes on.
void BlockRunner::Impl::release_warp(int warp_index) {
  Warp& warp = warps_[static_cast<size_t>(warp_index)];
  Thread* const lanes = threads_.data() + warp_index * kLanes;
  for (unsigned left = warp.waiting; left != 0;) {
    const int leader = std::countr_zero(left);
    const Lane& at = lanes[leader].lane;
    const unsigned group = at.mask & warp.live;
    left &= ~(group | 1U << leader);
    if ((warp.waiting & group) != group) continue;
    WarpVotes votes{0, group};
    uint64_t brought[kLanes];
    std::memset(brought, kPattern, sizeof brought);
    for (int i = 0; i < kLanes; ++i) {
      if (!(group >> i & 1U)) continue;
      const Lane& other = lanes[i].lane;
      AZ_CHECK(other.mask == at.mask && same_line(*other.where, *at.where),
               "{}: lanes {} and {} of a warp meet at different operations, {} (mask {:#x}) and {} (mask {:#x})",
               view_.shape.kernel, leader, i, where(*at.where), at.mask, where(*other.where), other.mask);
      brought[i] = other.bits;
      votes.votes |= unsigned{other.predicate} << i;
    }
    for (int i = 0; i < kLanes; ++i) {
      if (!(group >> i & 1U)) continue;
      Lane& own = lanes[i].lane;
      own.bits = brought[own.source % kLanes];
      own.votes = votes;
      lanes[i].state = State::ready;
    }
    warp.waiting &= ~group;
  }
}

void BlockRunner::Impl::fail_stuck() {
  std::map<std::string, int> places;
  for (const Thread& thread : threads_) {
    if (thread.state == State::at_block) ++places["__syncthreads at " + where(*thread.where)];
    if (thread.state == State::at_warp) ++places["a warp operation at " + where(*thread.lane.where)];
  }
  std::string list;
  for (const auto& [place, count] : places)
    list += fmt::format("{}{} threads in {}", list.empty() ? "" : ", ", count, place);
  fail("{}: divergent barrier in block ({}, {}, {}): its threads wait for each other: {}", view_.shape.kernel,
       view_.index.x, view_.index.y, view_.index.z, list);
}

BlockRunner::BlockRunner() : impl_(std::make_unique<Impl>()) {}
BlockRunner::~BlockRunner() = default;
void BlockRunner::run(const GridShape& shape, uint3 index, const Order& order, const std::function<void()>& kernel) {
  impl_->run(shape, index, order, kernel);
}

BlockVotes block_barrier(bool predicate, const std::source_location& where) {
  return running->block_barrier(predicate, where);
}

WarpVotes warp_vote(unsigned mask, bool predicate, const std::source_location& where) {
  return running->warp_wait({.mask = mask, .predicate = predicate, .source = running->lane(), .where = &where}).votes;
}

uint64_t warp_exchange(unsigned mask, uint64_t bits, int source, const std::source_location& where) {
  return running->warp_wait({.mask = mask, .source = source, .bits = bits, .where = &where}).bits;
}

int lane_index() { return running->lane(); }
unsigned live_lanes() { return running->live_lanes(); }
void* static_shared(const void* site, size_t bytes) { return running->static_shared(site, bytes); }
void trap() { throw DeviceFault{cudaErrorLaunchFailure}; }

}  // namespace az::cuda::emulator
