#include "ops/siam_select.h"

#include "cpu/siam_select.h"
#include "cuda/siam_select.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops {
namespace {

void check(const Tensor& classes, const Tensor& boxes, const Tensor& priors, const Tensor& window,
           const Tensor& views) {
  for (const Tensor* t : {&classes, &boxes})
    AZ_CHECK(t->defined() && t->dtype() == DType::f32 && t->rank() == 4,
             "siam_select: a map is {}, want f32 [n, s, s, anchors]", t->str());
  const int64_t n = classes.dim(0), s = classes.dim(1), anchors = classes.dim(3) / 2;
  AZ_CHECK(s >= 1 && anchors >= 1 && classes.shape() == Shape({n, s, s, 2 * anchors}) &&
               boxes.shape() == Shape({n, s, s, 4 * anchors}) && anchors * s * s < int64_t{1} << 31,
           "siam_select: classes is {}, boxes is {}; want [n, s, s, 2 anchors] and [n, s, s, 4 anchors]", classes.str(),
           boxes.str());
  const auto want = [](const char* name, const Tensor& t, const Shape& shape) {
    AZ_CHECK(t.defined() && t.dtype() == DType::f64 && t.shape() == shape, "siam_select: {} is {}, want f64 {}", name,
             t.str(), shape.str());
  };
  want("priors", priors, {anchors * s * s, 4});
  want("window", window, {s * s});
  want("views", views, {n, 4});
  for (const Tensor* t : {&boxes, &priors, &window, &views}) check_same_device("siam_select", classes, *t);
}

}  // namespace

SiamSelection siam_select(const Tensor& classes, const Tensor& boxes, const Tensor& priors, const Tensor& window,
                          const Tensor& views) {
  check(classes, boxes, priors, window, views);
  const int64_t n = classes.dim(0);
  const ProfileSpan span(classes.device(), "siam_select", [&] {
    return detail(boxes, {.flops = 60.0 * static_cast<double>(boxes.numel() / 4),
                          .bytes_read = bytes_of(classes) + bytes_of(boxes) + bytes_of(priors),
                          .bytes_written = 76.0 * static_cast<double>(n)});
  });
  SiamSelection found{Tensor::empty({n, 3}, DType::i32, classes.device()),
                      Tensor::empty({n, kSiamChoiceValues}, DType::f64, classes.device())};
  static_assert(sizeof(math::SiamPrior) == 4 * sizeof(double) && sizeof(math::SiamView) == 4 * sizeof(double));
  const math::SiamMaps maps{.classes = classes.data<float>(),
                            .boxes = boxes.data<float>(),
                            .priors = reinterpret_cast<const math::SiamPrior*>(priors.data<double>()),
                            .window = window.data<double>(),
                            .views = reinterpret_cast<const math::SiamView*>(views.data<double>()),
                            .images = n,
                            .anchors = classes.dim(3) / 2,
                            .side = classes.dim(1)};
  auto* choices = reinterpret_cast<math::SiamChoice*>(found.choices.mutable_data<double>());
  int32_t* cells = found.cells.mutable_data<int32_t>();
  by_device(
      "siam_select", classes, [&] { cpu::siam_select(maps, choices, cells); },
      [&](auto& device) { cuda::siam_select(device.stream(), maps, choices, cells); });
  return found;
}

}  // namespace az::ops
