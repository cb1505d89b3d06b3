// Cases of `bench kernels` that are the Siamese trackers' own.
#pragma once

#include "cli/kernel_cases_maps.h"
#include "cuda/siam_select.h"

namespace az::cli {

/// The choice among the 3125 candidates of a search crop of 255.
template <class Cuda>
void time_siam_select(KernelTimer<Cuda>& b, int64_t n) {
  const int64_t side = b.sizes.channels < 256 ? 5 : 25, anchors = 5, cells = side * side;
  const float *classes = b.template random<float>(n * cells * 2 * anchors),
              *boxes = b.template random<float>(n * cells * 4 * anchors);
  const auto halves = [&](int64_t count) { return b.upload(std::vector<double>(static_cast<size_t>(count), 0.5)); };
  const double *priors = halves(4 * anchors * cells), *window = halves(cells), *views = halves(4 * n);
  double* choices = b.template empty<double>(8 * n);
  int32_t* chosen = b.template empty<int32_t>(3 * n);
  const math::SiamMaps maps{.classes = classes,
                            .boxes = boxes,
                            .priors = reinterpret_cast<const math::SiamPrior*>(priors),
                            .window = window,
                            .views = reinterpret_cast<const math::SiamView*>(views),
                            .images = n,
                            .anchors = anchors,
                            .side = side};
  const auto candidates = static_cast<double>(n * anchors * cells);
  b.template time<float>("siam_select", "best cell", {n, side, side, anchors}, {56 * candidates, 60 * candidates}, [&] {
    cuda::siam_select(b.stream(), maps, reinterpret_cast<math::SiamChoice*>(choices), chosen);
  });
  b.clear();
}

}  // namespace az::cli
