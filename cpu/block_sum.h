// Sums over fixed blocks of rows.
#pragma once

#include <vector>

#include "cpu/parallel.h"

namespace az::cpu {

/// f(begin, end) of consecutive blocks of `block` rows, in parallel, then added in order: the bits do not depend on the
/// number of threads. Sum has operator+= and starts at Sum{}.
template <class Sum, class F>
Sum sum_blocks(int64_t rows, int64_t block, const F& f) {
  std::vector<Sum> parts(static_cast<size_t>((rows + block - 1) / block));
  parallel_for(static_cast<int64_t>(parts.size()), 1, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b)
      parts[static_cast<size_t>(b)] = f(b * block, std::min(rows, (b + 1) * block));
  });
  Sum total{};
  for (const Sum& part : parts) total += part;
  return total;
}

}  // namespace az::cpu
