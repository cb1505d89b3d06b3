#include "cpu/parallel.h"

#include <doctest/doctest.h>

#include <vector>

using namespace az;

TEST_CASE("balanced parts take every index once, whatever the grain and the threads") {
  const int before = omp_get_max_threads();
  for (const int threads : {1, 2, 3, 8}) {
    omp_set_num_threads(threads);
    for (const int64_t count : {0, 1, 2, 7, 64, 1000})
      for (const int64_t grain : {1, 3, 64, 2000}) {
        std::vector<int> taken(static_cast<size_t>(count)), owner(static_cast<size_t>(count), -1);
        cpu::parallel_for_balanced(count, grain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            ++taken[static_cast<size_t>(i)];
            owner[static_cast<size_t>(i)] = omp_get_thread_num();
          }
        });
        CAPTURE(threads);
        CAPTURE(count);
        CAPTURE(grain);
        CHECK(taken == std::vector<int>(static_cast<size_t>(count), 1));
        for (const int thread : owner) CHECK((thread >= 0 && thread < threads));
      }
  }
  omp_set_num_threads(before);
}

TEST_CASE("a thread that is held up leaves its part to the others") {
  const int before = omp_get_max_threads();
  omp_set_num_threads(2);
  // The first piece of thread 0 ends when thread 1 has done all others, which it can only do by taking them.
  constexpr int64_t kCount = 40;
  std::atomic<int64_t> done = 0;
  cpu::parallel_for_balanced(kCount, 1, [&](int64_t begin, int64_t) {
    if (begin == 0)
      while (done < kCount - 1 && omp_get_num_threads() > 1) {
      }
    ++done;
  });
  CHECK(done == kCount);
  omp_set_num_threads(before);
}
