// Cases of `bench kernels` that are a Siamese tracker's own: its losses and the choice of a cell.
#pragma once

#include "cli/kernel_cases_maps.h"
#include "cuda/siam_loss.h"
#include "cuda/siam_select.h"

namespace az::cli {

/// Maps of 25x25 cells and 5 anchors, 64 a picture of the batch; masks of 16 cells. Small: 3x3 cells, masks of 17x17.
template <class Cuda>
void time_siam_loss(KernelTimer<Cuda>& b, int64_t n) {
  const bool small = b.sizes.channels < 256;
  const int64_t side = small ? 3 : 25, mask = small ? 17 : 127;
  const math::AnchorShape shape{64 * n, side * side, 5};
  const int64_t anchors = shape.count(), rows = 16 * n, columns = mask * mask, elements = rows * columns;
  const Shape classes{shape.images, side, side, 2 * shape.anchors}, boxes{shape.images, side, side, 4 * shape.anchors};
  const int64_t largest = std::max(4 * anchors, elements);
  const float *x = b.template random<float>(largest), *target = b.template random<float>(largest);
  const float* weight = b.template random<float>(std::max(anchors, rows));
  const int32_t* labels = b.template zeros<int32_t>(anchors);
  float *dx = b.template empty<float>(largest), *scalars = b.template random<float>(4);
  double* parts = b.template empty<double>(std::max(cuda::siam_loss_parts(anchors), cuda::siam_loss_parts(rows)));
  float *loss = scalars, *counts = scalars + 1;
  const float* dy = scalars + 3;
  const auto time = [&](const char* what, const Shape& size, int64_t moves, const std::function<void()>& work) {
    b.template time<float>("siam_loss", what, size, moved<float>(moves), work);
  };
  time("classes", classes, 3 * anchors,
       [&] { cuda::anchor_class_loss<float>(b.stream(), shape, x, labels, parts, loss, counts); });
  time("classes backward", classes, 5 * anchors,
       [&] { cuda::anchor_class_loss_backward<float>(b.stream(), shape, x, labels, counts, dy, dx); });
  time("boxes", boxes, 9 * anchors,
       [&] { cuda::anchor_box_loss<float>(b.stream(), shape, x, target, weight, parts, loss); });
  time("boxes backward", boxes, 13 * anchors,
       [&] { cuda::anchor_box_loss_backward<float>(b.stream(), shape, x, target, weight, dy, dx); });
  const Shape masks{rows, mask, mask, 1};
  time("masks", masks, 2 * elements,
       [&] { cuda::soft_margin_loss<float>(b.stream(), rows, columns, x, target, weight, parts, loss, counts); });
  time("masks backward", masks, 3 * elements,
       [&] { cuda::soft_margin_loss_backward<float>(b.stream(), rows, columns, x, target, weight, counts, dy, dx); });
  b.clear();
}

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
