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

/// Small blocks from the heap; large ones are pages of their own, which go back to the system when they are released,
/// and very large ones, as a step's slab, huge pages.
class HostMemory final : public RawMemory {
 public:
  void* allocate(int64_t bytes) override {
    void* block = bytes < kOwnPages ? std::aligned_alloc(kAlignment, static_cast<size_t>(round_up(bytes, kAlignment)))
                                    : pages(bytes);
    AZ_CHECK(block, "cpu: out of memory asking for {} MiB; use a smaller batch or image", bytes >> 20);
    return block;
  }
  void release(void* block, int64_t bytes) noexcept override {
#if defined(__linux__)
    if (bytes >= kOwnPages) {
      munmap(block, static_cast<size_t>(mapped(bytes)));
      return;
    }
#endif
    static_cast<void>(bytes);
    std::free(block);
  }
  bool releases_cheaply() const override { return true; }
  void fence(void* block, int64_t used, int64_t bytes) noexcept override {
    unpoison(block, static_cast<size_t>(bytes));
    poison(static_cast<char*>(block) + used, static_cast<size_t>(bytes - used));
  }

 private:
  static constexpr int64_t kAlignment = 64;
  static constexpr int64_t kOwnPages = int64_t{1} << 20, kHugePages = int64_t{64} << 20;

  static int64_t round_up(int64_t bytes, int64_t to) { return (bytes + to - 1) / to * to; }
#if defined(__linux__)
  static int64_t mapped(int64_t bytes) { return round_up(bytes, 4096); }
  static void* pages(int64_t bytes) {
    // The system places large mappings so that huge pages fit; the hint changes nothing but their number.
    void* block =
        mmap(nullptr, static_cast<size_t>(mapped(bytes)), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return nullptr;
    if (bytes >= kHugePages) static_cast<void>(madvise(block, static_cast<size_t>(mapped(bytes)), MADV_HUGEPAGE));
    return block;
  }
#else
  static void* pages(int64_t bytes) {
    return std::aligned_alloc(kAlignment, static_cast<size_t>(round_up(bytes, kAlignment)));
  }
#endif
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
