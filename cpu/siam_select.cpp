#include "cpu/siam_select.h"

#include "cpu/parallel.h"

namespace az::cpu {

void siam_select(const math::SiamMaps& maps, math::SiamChoice* choices, int32_t* cells) {
  parallel_for(maps.images, 1, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      int64_t best = 0;
      math::SiamCandidate found = maps.candidate(image, 0);
      for (int64_t flat = 1; flat < maps.anchors * maps.cells(); ++flat) {
        const math::SiamCandidate c = maps.candidate(image, flat);
        if (math::siam_before(c.rank, flat, found.rank, best)) best = flat, found = c;
      }
      const int64_t cell = best % maps.cells();
      choices[image] = {static_cast<double>(best), found};
      cells[3 * image] = static_cast<int32_t>(image);
      cells[3 * image + 1] = static_cast<int32_t>(cell / maps.side);
      cells[3 * image + 2] = static_cast<int32_t>(cell % maps.side);
    }
  });
}

}  // namespace az::cpu
