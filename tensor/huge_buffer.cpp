#include "tensor/huge_buffer.h"

#include <cstdlib>

#include "tensor/error.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace az {

void HugeBuffer::Free::operator()(float* block) const noexcept { std::free(block); }

float* HugeBuffer::reserve(size_t count) {
  if (count <= count_) return data();
  constexpr size_t kHuge = size_t{2} << 20;
  const size_t alignment = count * sizeof(float) >= kHuge ? kHuge : 64;
  const size_t bytes = (count * sizeof(float) + alignment - 1) / alignment * alignment;
  data_.reset();
  count_ = 0;
  data_.reset(static_cast<float*>(std::aligned_alloc(alignment, bytes)));
  AZ_CHECK(data_, "cpu: out of memory asking for {} MiB; use a smaller batch or image", bytes >> 20);
#if defined(__linux__)
  // A hint: without it nothing changes but the number of pages.
  if (alignment == kHuge) static_cast<void>(madvise(data(), bytes, MADV_HUGEPAGE));
#endif
  count_ = count;
  return data();
}

}  // namespace az
