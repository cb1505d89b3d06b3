// Which kernels ran, and how: with AZ_SIMT_COVERAGE=FOLDER each process leaves FOLDER/PID.txt when it ends, a line a
// kernel: name, launches, thread orders that agreed (the most), and the checks that it took part in (asan, gradient,
// cpu, reference, the sizes of kCoverageSizes, unaligned).
//
// A kernel has been compared when the host read, inside a CompareScope, memory that it wrote or that was computed from
// what it wrote; the checking launches keep the book of who wrote what (MemoryMap::writers).
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <initializer_list>
#include <map>

namespace az::cuda::emulator {

/// Kernels by number, in the order of their first launches; those past the last share it.
using KernelSet = std::bitset<256>;

/// Sizes about warps and blocks at which kernels go wrong.
inline constexpr std::array<int64_t, 6> kCoverageSizes = {0, 1, 31, 32, 33, 257};

/// A launch of `kernel` that ran in this many thread orders with equal results. `unaligned`: a pointer among its
/// arguments is no multiple of 16 bytes. Returns the kernel's number.
size_t note_launch(const char* kernel, int orders, bool unaligned);
/// The host reads memory that these kernels had a part in.
void note_read(const KernelSet& writers);

/// Launches of this thread belong to a gradient check while one lives.
class GradientCheckScope {
 public:
  GradientCheckScope();
  ~GradientCheckScope();
  GradientCheckScope(const GradientCheckScope&) = delete;
  GradientCheckScope& operator=(const GradientCheckScope&) = delete;
};

/// What a test's results are compared with; `itself`: the kernel's own from other addresses.
enum class Against : uint8_t { itself = 0, cpu = 1, reference = 2, both = 3 };

/// While one lives, what this thread reads from the device is compared. Its end credits the kernels that were read with
/// the comparison and with the sizes of their launches. Size 0 counts for all of them if it was among the sizes: a
/// launcher may have nothing to launch then.
class CompareScope {
 public:
  explicit CompareScope(Against against);
  ~CompareScope();
  CompareScope(const CompareScope&) = delete;
  CompareScope& operator=(const CompareScope&) = delete;

 private:
  friend class SizeScope;
  friend size_t note_launch(const char* kernel, int orders, bool unaligned);
  friend void note_read(const KernelSet& writers);

  Against against_;
  CompareScope* outer_;
  bool empty_ = false;                   // size 0 was among the sizes
  KernelSet read_;                       // what the host read comes from these
  std::map<size_t, unsigned> launches_;  // sizes and alignment by kernel
};

/// The sizes of what this thread computes while one lives, beside those of the scopes around it.
class SizeScope {
 public:
  SizeScope(std::initializer_list<int64_t> sizes);
  ~SizeScope();
  SizeScope(const SizeScope&) = delete;
  SizeScope& operator=(const SizeScope&) = delete;

 private:
  unsigned before_;
};

}  // namespace az::cuda::emulator
