#include "cpu/device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "cpu/dnn.h"
#include "tensor/error.h"
#include "tensor/sanitizer.h"

namespace az::cpu {
namespace {

/// Large blocks are mappings of their own, on huge pages where the system grants them, and leave no hole in the heap.
class HostMemory final : public RawMemory {
 public:
  void* allocate(int64_t bytes) override {
    void* block = is_mapped(bytes) ? map(bytes) : std::aligned_alloc(kAlignment, rounded(bytes, kAlignment));
    AZ_CHECK(block, "cpu: out of memory asking for {} MiB; use a smaller batch or image", bytes >> 20);
    return block;
  }
  void release(void* block, int64_t bytes) noexcept override {
    if (!is_mapped(bytes)) return std::free(block);
#if defined(__linux__)
    ::munmap(block, rounded(bytes, kPage));
#endif
  }
  bool exchanges_cheaply() const override { return true; }
  void fence(void* block, int64_t used, int64_t bytes) noexcept override {
    unpoison(block, static_cast<size_t>(bytes));
    poison(static_cast<char*>(block) + used, static_cast<size_t>(bytes - used));
  }

 private:
  static constexpr int64_t kAlignment = 64, kPage = 4096, kMapped = int64_t{1} << 20;

  static size_t rounded(int64_t bytes, int64_t to) { return static_cast<size_t>((bytes + to - 1) / to * to); }
  /// Under a sanitizer blocks come from its heap, which knows their ends.
  static bool is_mapped(int64_t bytes) {
#if defined(__linux__)
    return !kAddressSanitizer && bytes >= kMapped;
#else
    return static_cast<void>(bytes), false;
#endif
  }
  static void* map(int64_t bytes) {
#if defined(__linux__)
    const size_t size = rounded(bytes, kPage);
    void* block = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return nullptr;
    static_cast<void>(::madvise(block, size, MADV_HUGEPAGE));  // a hint
    return block;
#else
    return static_cast<void>(bytes), nullptr;
#endif
  }
};

}  // namespace

CpuDevice::CpuDevice(bool exact)
    : Device(std::make_unique<HostMemory>()), dnn_(std::make_unique<Dnn>()), exact_(exact) {
  set_bf16_products(true);
}
CpuDevice::~CpuDevice() = default;

void CpuDevice::set_bf16_products(bool on) {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  constexpr auto kWanted = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  bf16_products_ = on && !exact_ && (isa & kWanted) == kWanted;
}

void CpuDevice::copy_from_host(void* to, const void* from, int64_t bytes) { copy(to, from, bytes); }
void CpuDevice::copy_to_host(void* to, const void* from, int64_t bytes) { copy(to, from, bytes); }
void CpuDevice::copy(void* to, const void* from, int64_t bytes) {
  if (bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));
}
void CpuDevice::fill_zero(void* to, int64_t bytes) {
  if (bytes > 0) std::memset(to, 0, static_cast<size_t>(bytes));
}

void CpuDevice::fill(void* to, const void* value, int64_t value_bytes, int64_t count) {
  const auto fill_with = [&](auto v) {
    std::memcpy(&v, value, sizeof v);
    std::fill_n(static_cast<decltype(v)*>(to), count, v);
  };
  switch (value_bytes) {
    case 1: return fill_with(uint8_t{});
    case 2: return fill_with(uint16_t{});
    case 4: return fill_with(uint32_t{});
    case 8: return fill_with(uint64_t{});
    default: fail("cpu: no fill with elements of {} bytes", value_bytes);
  }
}

std::string dnn_version() {
  const dnnl_version_t* v = dnnl_version();
  return fmt::format("{}.{}.{}", v->major, v->minor, v->patch);
}

}  // namespace az::cpu
