#include "cli/siammask_workload.h"

#include <algorithm>

#include "autograd/node.h"
#include "models/siammask/config.h"
#include "nn/reference_fill.h"
#include "ops/cast.h"
#include "tensor/layout.h"
#include "tensor/rng.h"
#include "train/siammask_task.h"

namespace az::cli {
namespace {

/// Numbers from 0 to 255.
Tensor random_crop(int64_t n, int64_t side, DType activations, Device& device) {
  Rng rng(1, Purpose::test);
  std::vector<float> values(static_cast<size_t>(n * side * side * 3));
  for (float& v : values) v = static_cast<float>(rng.uniform(0, 255));
  const Tensor crop = Tensor::from(values, {n, side, side, 3}, device);
  return activations == DType::f32 ? crop : ops::cast(crop, activations);
}

constexpr int64_t kExemplar = 127, kSearch = 255, kCells = 25, kAnchors = 5;

/// A filled NCHW tensor as NHWC.
Tensor maps(const char* name, const Shape& nchw, double scale, Device& device) {
  return oihw_to_ohwi(Tensor::from(nn::reference_fill(name, nchw.dims(), 0, 0, scale), nchw, device));
}

/// One anchor in a thousand is positive, one in twenty negative.
models::SiamTargets made_up_targets(int64_t n, Device& device) {
  const int64_t per_image = kCells * kCells * kAnchors;
  const auto score = maps("label_cls", {n, kAnchors, kCells, kCells}, 1, device).to_vector<float>();
  std::vector<int32_t> labels, cells;
  std::vector<float> weights(score.size(), 0);
  for (const float s : score) labels.push_back(s > 0.998F ? 1 : s < -0.9F ? 0 : -1);
  for (int64_t image = 0; image < n; ++image) {
    const auto begin = labels.begin() + image * per_image;
    const auto positives = static_cast<float>(std::count(begin, begin + per_image, 1));
    for (int64_t cell = 0; cell < kCells * kCells; ++cell) {
      bool holds = false;
      for (int64_t a = 0; a < kAnchors; ++a) {
        const auto at = static_cast<size_t>(image * per_image + cell * kAnchors + a);
        if (labels[at] != 1) continue;
        weights[at] = 1 / (positives + 1e-6F);
        holds = true;
      }
      if (holds)
        for (const int64_t v : {image, cell / kCells, cell % kCells}) cells.push_back(static_cast<int32_t>(v));
    }
  }
  auto masks = maps("label_mask", {n, 1, kSearch, kSearch}, 1, device).to_vector<float>();
  for (float& m : masks) m = m >= 0 ? 1.0F : -1.0F;
  const auto rows = static_cast<int64_t>(cells.size() / 3);
  return {.labels = Tensor::from(labels, {n, kCells, kCells, kAnchors}, device),
          .boxes = maps("label_loc", {n, 4 * kAnchors, kCells, kCells}, 0.5, device),
          .box_weights = Tensor::from(weights, {n, kCells, kCells, kAnchors}, device),
          .cells = Tensor::from(cells, {rows, 3}, device),
          .cell_weights = Tensor::full({rows}, 1, DType::f32, device),
          .masks = Tensor::from(masks, {n, kSearch, kSearch, 1}, device)};
}

train::Optimizer filled_optimizer(models::SiamMask& network) {
  nn::reference_fill(network, 0);
  const models::SiamTrainConfig config;
  train::set_trained(network, config, /*late=*/false);
  return train::make_optimizer(network, config);
}

}  // namespace

SiamMaskSearchWork::SiamMaskSearchWork(const SiamMaskSearchOptions& o, Device& device)
    : network_(nn::Builder{device, 0}, {.backbone = {}, .refine = false}),
      search_(random_crop(o.batch, 255, o.activations, device)),
      runner_(device, o.graphs) {
  const autograd::NoGrad off;
  network_.set_training(false);
  kernels_ = network_.make_template(random_crop(1, 127, o.activations, device));
}

void SiamMaskSearchWork::step() {
  const autograd::NoGrad off;
  runner_.run(/*key=*/1, [&] { network_.masks(network_.search(search_, kernels_)); });
}

SiamMaskTrainingWork::SiamMaskTrainingWork(const SiamMaskWorkloadOptions& o, Device& device)
    : options_(o),
      network_(nn::Builder{device, 0}, {.backbone = {}, .refine = false}),
      optimizer_(filled_optimizer(network_)),
      exemplar_(maps("template", {o.batch, 3, kExemplar, kExemplar}, 1, device)),
      search_(maps("search", {o.batch, 3, kSearch, kSearch}, 1, device)),
      loss_(Tensor::zeros({1}, DType::f32, device)),
      targets_(made_up_targets(o.batch, device)),
      runner_(device, o.graphs) {
  train::set_live_norms(network_, {}, /*late=*/false);
}

void SiamMaskTrainingWork::enqueue() {
  const auto found = network_.search(search_, network_.make_template(exemplar_));
  const auto losses = models::siam_losses(network_, found, targets_, models::SiamStage::base, {});
  loss_.copy_from(losses.total.detached());
  autograd::backward(losses.total);
  optimizer_.enqueue(losses.total.detached());
  optimizer_.zero_grad();
}

void SiamMaskTrainingWork::step() {
  optimizer_.prepare(options_.lr);
  runner_.run(/*key=*/1, [this] { enqueue(); });
}

double SiamMaskTrainingWork::loss() {
  optimizer_.norm();
  return loss_.to_vector<float>()[0];
}

}  // namespace az::cli
