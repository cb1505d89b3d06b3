#include "cuda/emulator/device_heap.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>

#include "tensor/error.h"

namespace az::cuda::emulator {
namespace {

constexpr size_t kAlignment = 256;          // cudaMalloc's own
constexpr size_t kRoom = size_t{16} << 30;  // reserved, not used, until blocks are
constexpr int kTouchable = PROT_READ | PROT_WRITE;

size_t rounded(size_t bytes) { return (bytes == 0 ? 1 : bytes + kAlignment - 1) / kAlignment * kAlignment; }

/// First fit in one range of addresses that is locked but for the time that work runs.
class GuardedHeap {
 public:
  GuardedHeap() {
    void* begin = mmap(nullptr, kRoom, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    AZ_CHECK(begin != MAP_FAILED, "cuda emulation: no {} GiB of addresses for AZ_SIMT_GUARD=1", kRoom >> 30);
    begin_ = static_cast<char*>(begin);
    free_[0] = kRoom;
  }
  void* allocate(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const size_t size = rounded(bytes);
    for (auto at = free_.begin(); at != free_.end(); ++at) {
      const auto [offset, room] = *at;
      if (room < size) continue;
      free_.erase(at);
      if (room > size) free_[offset + size] = room - size;
      used_[offset] = size;
      if (offset + size > high_) high_ = offset + size;
      return begin_ + offset;
    }
    return nullptr;
  }
  void release(void* block) {
    const std::lock_guard lock(mutex_);
    auto used = used_.find(static_cast<size_t>(static_cast<char*>(block) - begin_));
    if (used == used_.end()) return;
    auto at = free_.emplace(used->first, used->second).first;
    used_.erase(used);
    const auto next = std::next(at);
    if (next != free_.end() && at->first + at->second == next->first) {
      at->second += next->second;
      free_.erase(next);
    }
    if (at == free_.begin()) return;
    const auto before = std::prev(at);
    if (before->first + before->second != at->first) return;
    before->second += at->second;
    free_.erase(at);
  }
  void enter() {
    const std::lock_guard lock(mutex_);
    if (++inside_ == 1) protect(kTouchable);
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--inside_ == 0) protect(PROT_NONE);
  }

 private:
  void protect(int how) {
    if (high_ > 0) mprotect(begin_, (high_ + 4095) / 4096 * 4096, how);
  }

  std::mutex mutex_;
  char* begin_ = nullptr;
  size_t high_ = 0;  // nothing beyond was ever used
  int inside_ = 0;
  std::map<size_t, size_t> free_, used_;  // bytes by offset
};

/// Null unless asked for. Never destroyed: devices may outlive every static object.
GuardedHeap* guarded() {
  static GuardedHeap* const heap = [] {
    const char* wanted = std::getenv("AZ_SIMT_GUARD");
    return wanted && std::strcmp(wanted, "1") == 0 ? new GuardedHeap : nullptr;
  }();
  return heap;
}

}  // namespace

void* device_allocate(size_t bytes) {
  return guarded() ? guarded()->allocate(bytes) : std::aligned_alloc(kAlignment, rounded(bytes));
}

void device_release(void* block) {
  if (!guarded()) return std::free(block);
  guarded()->release(block);
}

OnDevice::OnDevice() {
  if (guarded()) guarded()->enter();
}
OnDevice::~OnDevice() {
  if (guarded()) guarded()->leave();
}

}  // namespace az::cuda::emulator
