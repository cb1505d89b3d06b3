#include "models/siammask/search_step.h"

#include <cmath>
#include <numbers>

#include "autograd/node.h"
#include "ops/cast.h"
#include "ops/siam_select.h"
#include "tensor/error.h"

namespace az::models {
namespace {

/// Outer product of two Hann windows, 0 at the ends.
std::vector<double> hann_square(int side) {
  const auto hann = [&](int i) {
    return side == 1 ? 1.0 : 0.5 - 0.5 * std::cos(2 * std::numbers::pi * i / (side - 1));
  };
  std::vector<double> window;
  for (int row = 0; row < side; ++row)
    for (int column = 0; column < side; ++column) window.push_back(hann(row) * hann(column));
  return window;
}

std::vector<double> flat_anchors(const SiamAnchorOptions& options, int cells) {
  std::vector<double> values;
  for (const SiamAnchor& a : siam_anchors(options, cells, 0)) values.insert(values.end(), {a.cx, a.cy, a.w, a.h});
  return values;
}

/// Keys of the runner; make_template has one a lane.
constexpr uint64_t kSearch = 1, kTemplate = 2;

}  // namespace

SiamSearchStep::SiamSearchStep(SiamMask& network, size_t lanes, Device& device, const SiamStepOptions& options)
    : network_(network),
      device_(device),
      options_(options),
      lanes_(lanes),
      search_values_(static_cast<size_t>(options.geometry.instance) * static_cast<size_t>(options.geometry.instance) *
                     3),
      mask_side_(network.options().refine ? 127 : static_cast<int>(network.options().mask_side)),
      runner_(device, options.graphs) {
  AZ_CHECK(lanes >= 1, "tracker: no object to track");
  const auto n = static_cast<int64_t>(lanes);
  const int64_t exemplar = options.geometry.exemplar, instance = options.geometry.instance;
  const int cells = options.geometry.cells();
  const std::vector<double> window = hann_square(cells), anchors = flat_anchors(options.anchors, cells);
  const int64_t count = network.options().anchors;
  AZ_CHECK(static_cast<int64_t>(anchors.size()) == 4 * count * cells * cells,
           "tracker: {} scales and {} ratios are not the network's {} anchors", options.anchors.scales.size(),
           options.anchors.ratios.size(), count);
  mask_values_ = static_cast<size_t>(mask_side_) * static_cast<size_t>(mask_side_);
  exemplar_host_.resize(static_cast<size_t>(exemplar * exemplar * 3));
  search_host_.resize(lanes * search_values_);
  logits_host_.resize(lanes * mask_values_);
  views_host_.resize(lanes, {1, 1, 0, 0});
  choices_host_.resize(lanes);
  exemplar_ = Tensor::zeros({1, exemplar, exemplar, 3}, DType::f32, device);
  search_ = Tensor::zeros({n, instance, instance, 3}, DType::f32, device);
  views_ = Tensor::zeros({n, 4}, DType::f64, device);
  choices_ = Tensor::zeros({n, ops::kSiamChoiceValues}, DType::f64, device);
  priors_ = Tensor::from(anchors, {count * cells * cells, 4}, device);
  window_ = Tensor::from(window, {int64_t{cells} * cells}, device);
  if (mask_side_) logits_ = Tensor::zeros({n, int64_t{mask_side_} * mask_side_}, DType::f32, device);
}

Tensor SiamSearchStep::input(const Tensor& pixels) const {
  return options_.activations == DType::f32 ? pixels : ops::cast(pixels, options_.activations);
}

void SiamSearchStep::make_template(size_t lane) {
  const autograd::NoGrad off;
  device_.copy_from_host(exemplar_.mutable_raw(), exemplar_host_.data(), exemplar_.bytes());
  const auto keep = [&](Tensor& all, const Tensor& one) {
    if (!one.defined()) return;
    if (!all.defined())
      all = Tensor::zeros({static_cast<int64_t>(lanes_), one.dim(1), one.dim(2), one.dim(3)}, one.dtype(), device_);
    all.narrowed(static_cast<int64_t>(lane), 1).copy_from(one);
  };
  if (!templates_.classes.defined()) {  // outside the runner, for what it makes must stay
    const SiamTemplate first = network_.make_template(input(exemplar_));
    keep(templates_.classes, first.classes);
    keep(templates_.boxes, first.boxes);
    keep(templates_.masks, first.masks);
    return;
  }
  runner_.run(kTemplate + lane, [&] {
    const SiamTemplate one = network_.make_template(input(exemplar_));
    keep(templates_.classes, one.classes);
    keep(templates_.boxes, one.boxes);
    keep(templates_.masks, one.masks);
  });
}

void SiamSearchStep::enqueue() {
  const SiamSearch found = network_.search(input(search_), templates_);
  const Tensor classes = ops::cast(found.classes, DType::f32), boxes = ops::cast(found.boxes, DType::f32);
  const ops::SiamSelection best = ops::siam_select(classes, boxes, priors_, window_, views_);
  choices_.copy_from(best.choices);
  if (maps_) *maps_ = {classes.to_vector<float>(), boxes.to_vector<float>()};
  if (!mask_side_) return;
  const Tensor mask = network_.options().refine ? network_.refine(found, best.cells, /*padded=*/true)
                                                : network_.masks_of(found, best.cells);
  logits_.copy_from(ops::cast(mask, DType::f32).reshaped(logits_.shape()));
}

void SiamSearchStep::run() {
  AZ_CHECK(templates_.classes.defined(), "tracker: searched before any object was given");
  const autograd::NoGrad off;
  device_.copy_from_host(search_.mutable_raw(), search_host_.data(), search_.bytes());
  device_.copy_from_host(views_.mutable_raw(), views_host_.data(), views_.bytes());
  runner_.run(kSearch, [&] { enqueue(); });
  device_.copy_to_host(choices_host_.data(), choices_.raw(), choices_.bytes());
  if (mask_side_) device_.copy_to_host(logits_host_.data(), logits_.raw(), logits_.bytes());
}

}  // namespace az::models
