// Geometry of a matrix product.
#pragma once

#include <cstdint>

namespace az::math {

/// y [batch, m, n] = a b, of a [batch, m, k] (stored [batch, k, m] where transposed) and b [batch, k, n] ([batch, n,
/// k]).
struct MatmulShape {
  int64_t batch = 1, m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  bool operator==(const MatmulShape&) const = default;
};

}  // namespace az::math
