// Division by a number that is known when the kernel is started. Included by .cu files.
#pragma once

#include <cstdint>

#include "tensor/hd.h"

namespace az::cuda {

/// n / d for 0 <= n < 2^31 as a multiplication, an addition and a shift, where a division costs some twenty
/// instructions (Granlund & Montgomery, "Division by invariant integers using multiplication", PLDI 1994, figure 4.1).
class Divider {
 public:
  /// d in [1, 2^31).
  explicit Divider(int64_t d) : divisor_(static_cast<int32_t>(d)) {
    while ((int64_t{1} << shift_) < d) ++shift_;
    multiplier_ = static_cast<uint32_t>(
        (uint64_t{1} << 32) * ((uint64_t{1} << shift_) - static_cast<uint64_t>(d)) / static_cast<uint64_t>(d) + 1);
  }
  AZ_HD friend int32_t operator/(int32_t n, const Divider& d) {
    const auto value = static_cast<uint32_t>(n);
    const auto high = static_cast<uint32_t>((uint64_t{value} * d.multiplier_) >> 32);
    return static_cast<int32_t>((high + value) >> d.shift_);
  }
  AZ_HD friend int32_t operator*(int32_t n, const Divider& d) { return n * d.divisor_; }

 private:
  int32_t divisor_;
  int32_t shift_ = 0;
  uint32_t multiplier_;
};

}  // namespace az::cuda
