// Loops over OpenMP threads, the same runtime as oneDNN's.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "tensor/fork_join.h"

namespace az::cpu {

/// Calls f(begin, end) on contiguous parts of [0, count), in parallel when there are at least two parts of `grain`.
/// What f computes for an index must not depend on where the parts lie: results are then the same for any thread count.
template <class F>
void parallel_for(int64_t count, int64_t grain, const F& f) {
  if (count <= 0) return;
  const int64_t parts = std::min<int64_t>(omp_get_max_threads(), count / std::max<int64_t>(grain, 1));
  if (parts <= 1 || omp_in_parallel()) {
    f(int64_t{0}, count);
    return;
  }
  ForkJoin order;
#pragma omp parallel num_threads(static_cast <int>(parts))
  {
    order.enter();
    const int64_t part = omp_get_thread_num();
    const int64_t total = omp_get_num_threads();
    const int64_t begin = count * part / total;
    const int64_t end = count * (part + 1) / total;
    if (begin < end) f(begin, end);
    order.leave();
  }
  order.join();
}

}  // namespace az::cpu
