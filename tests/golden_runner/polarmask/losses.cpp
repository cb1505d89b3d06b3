// Kind losses: the values and gradients of every loss on its own.
#include <algorithm>

#include "autograd/node.h"
#include "ops/elementwise.h"
#include "ops/focal.h"
#include "ops/polar_loss.h"
#include "tests/golden_runner/polarmask/kinds.h"
#include "tests/support/devices.h"

namespace az::golden::polarmask {
namespace {

Tensor input(const Case& golden, const std::string& name, Device& device) {
  const Array& array = golden.tensor(name);
  return Tensor::from(golden.values<float>(name), Shape(array.shape), device);
}

Tensor leaf(const Case& golden, const std::string& name, Device& device) {
  Tensor x = input(golden, name, device);
  autograd::set_requires_grad(x, true);
  return x;
}

Tensor all_positive(int64_t rows, Device& device) {
  return Tensor::from(std::vector<int32_t>(static_cast<size_t>(rows), 1), {rows}, device);
}

void check_value(Case& golden, const std::string& name, const Tensor& loss) {
  golden.check(name, std::vector<double>{loss.item()}, {1});
}

void check_gradient(Case& golden, const std::string& name, const Tensor& loss, const Tensor& x) {
  autograd::backward(loss);
  golden.check(name, autograd::grad(x).to_vector<float>(), golden.tensor(name).shape);
}

void check_mask(Case& golden, const Tensor& target, const Tensor& centerness) {
  Device& device = target.device();
  const Tensor pred = leaf(golden, "mask_pred", device);
  const Tensor loss = ops::polar_iou_loss(pred, target, centerness, all_positive(pred.dim(0), device));
  check_value(golden, "mask_iou_loss", loss);
  check_gradient(golden, "mask_iou_grad", loss, pred);
  std::vector<double> rows;
  const Tensor one = Tensor::full({1}, 1, DType::f32, device);
  for (int64_t row = 0; row < pred.dim(0); ++row)
    rows.push_back(
        ops::polar_iou_loss(pred.narrowed(row, 1), target.narrowed(row, 1), one, all_positive(1, device)).item());
  golden.check("mask_iou_per_row", rows, {pred.dim(0)});
}

void check_focal(Case& golden, Device& device) {
  const Tensor logits = leaf(golden, "cls_logit", device);
  const auto classes = golden.values<int32_t>("cls_label");
  const Tensor labels = Tensor::from(classes, Shape(golden.tensor("cls_label").shape), device);
  const double wanted = golden.values<double>("focal_avg_factor").at(0);
  const auto positives = static_cast<double>(std::ranges::count_if(classes, [](int32_t k) { return k > 0; }));
  // The op adds to the number of positives and takes nothing off it.
  const double extra = std::max(wanted - positives, 1.0);
  const Tensor loss = ops::scale(ops::sigmoid_focal_loss(logits, labels, extra), (positives + extra) / wanted);
  check_value(golden, "focal_loss", loss);
  check_gradient(golden, "focal_grad", loss, logits);
}

void check_losses(Case& golden, Device& device) {
  const Tensor rays = input(golden, "mask_target", device);
  const Tensor positive = all_positive(rays.dim(0), device);
  const Tensor centerness = ops::polar_centerness(rays, positive);
  golden.check("centerness_target", centerness.to_vector<float>(), {rays.dim(0)});
  check_mask(golden, rays, centerness);

  const Tensor logits = leaf(golden, "ctr_logit", device);
  const Tensor centerness_loss = ops::centerness_bce(logits, centerness, positive);
  check_value(golden, "ctr_loss", centerness_loss);
  check_gradient(golden, "ctr_grad", centerness_loss, logits);

  const Tensor boxes = leaf(golden, "box_pred", device);
  const Tensor box_loss = ops::box_iou_loss(input(golden, "points", device), boxes, input(golden, "box_target", device),
                                            centerness, positive);
  check_value(golden, "box_loss", box_loss);
  check_gradient(golden, "box_grad", box_loss, boxes);
  check_focal(golden, device);
}

}  // namespace

void run_losses(const std::filesystem::path& json_file, Report& report) {
  for (Device* device : test::devices()) {
    Case golden(json_file, report);
    check_losses(golden, *device);
    golden.finish();
  }
}

}  // namespace az::golden::polarmask
