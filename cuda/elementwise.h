// Element-wise kernels. Pointers are device memory of any alignment; aligned to 16 bytes they are fastest. T is float
// or double; float, bf16 or double where it says so.
#pragma once

#include <cstdint>

#include "cuda/stream.h"

namespace az::cuda {

/// y[i] = x[i] as another of float, bf16 and double (math::cast).   x, y [count]
template <class From, class To>
void cast(Stream& stream, const From* x, To* y, int64_t count);

}  // namespace az::cuda
