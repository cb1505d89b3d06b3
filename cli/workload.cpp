#include "cli/workload.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <vector>

#include "autograd/node.h"
#include "cli/polarmask.h"
#include "ops/cast.h"
#include "tensor/rng.h"
#include "train/optimizer.h"

namespace az::cli {
namespace {

/// One location in twenty is positive, as in the peer.
models::PolarTargets made_up_targets(int64_t images, int64_t locations, int64_t rays, Device& device) {
  const auto rows = static_cast<size_t>(images * locations);
  Rng rng(2, Purpose::test);
  std::vector<int32_t> labels(rows, 0);
  std::vector<float> lengths(rows * static_cast<size_t>(rays), 0), boxes(rows * 4, 0);
  for (size_t r = 0; r < rows; r += 20) {
    labels[r] = static_cast<int32_t>(rng.integer(1, 80));
    for (size_t k = 0; k < static_cast<size_t>(rays); ++k)
      lengths[r * static_cast<size_t>(rays) + k] = static_cast<float>(rng.uniform(4, 12));
    for (size_t k = 0; k < 4; ++k) boxes[r * 4 + k] = static_cast<float>(rng.uniform(6, 12));
  }
  const auto n = static_cast<int64_t>(rows);
  return {Tensor::from(labels, {n}, device), Tensor::from(lengths, {n, rays}, device),
          Tensor::from(boxes, {n, 4}, device), Tensor::zeros({locations, 2}, DType::f32, device)};
}

int64_t locations_of(int64_t height, int64_t width) {
  int64_t total = 0;
  for (const int64_t stride : {8, 16, 32, 64, 128})
    total += ((height + stride - 1) / stride) * ((width + stride - 1) / stride);
  return total;
}

int64_t padded(int64_t size) { return (size + 31) / 32 * 32; }

}  // namespace

/// Steps of training: losses, backward, an SGD update.
class Workload::TrainingStep {
 public:
  TrainingStep(models::PolarMask& network, models::PolarTargets targets)
      : network_(network), targets_(std::move(targets)), optimizer_(options(), parameters(network)) {
    network.set_training(true);
  }
  void prepare() { optimizer_.prepare(1e-6); }
  void enqueue(const Tensor& image) {
    autograd::backward(models::polar_losses(network_.forward(image), targets_).total);
    optimizer_.enqueue();
    optimizer_.zero_grad();
  }
  /// Error: a step's gradients were not finite.
  void check() { optimizer_.norm(); }

 private:
  static train::OptimizerOptions options() { return {.kind = train::OptimizerKind::sgd, .weight_decay = 1e-4}; }
  static std::vector<train::Parameter> parameters(models::PolarMask& network) {
    std::vector<train::Parameter> found;
    for (const nn::Entry& e : nn::entries(network))
      if (e.learned && autograd::requires_grad(*e.tensor))
        found.push_back({e.name, e.tensor, train::polarmask_rule(e.name)});
    return found;
  }

  models::PolarMask& network_;
  models::PolarTargets targets_;
  train::Optimizer optimizer_;
};

Workload::Workload(const WorkloadOptions& o, Device& device)
    : options_(o),
      network_({device, 0}, named_model(o.model)),
      image_(random_image({o.batch, padded(o.height), padded(o.width), 3}, device)),
      runner_(device, o.graphs) {
  if (o.train)
    training_ =
        std::make_unique<TrainingStep>(network_, made_up_targets(o.batch, locations_of(height(), width()), 36, device));
}

Workload::~Workload() = default;

Tensor Workload::input() const {
  return options_.activations == DType::f32 ? image_ : ops::cast(image_, options_.activations);
}

void Workload::step() {
  if (training_) {
    training_->prepare();
    runner_.run(/*key=*/1, [&] { training_->enqueue(input()); });
  } else {
    const autograd::NoGrad off;
    runner_.run(/*key=*/1, [&] { network_.forward(input()); });
  }
}

void Workload::check() {
  if (training_) training_->check();
}

models::PolarOutputs Workload::outputs() {
  const autograd::NoGrad off;
  return network_.forward(input());
}

Tensor random_image(const Shape& shape, Device& device) {
  Rng rng(1, Purpose::test);
  std::vector<float> values(static_cast<size_t>(shape.numel()));
  for (float& v : values) v = static_cast<float>(rng.uniform());
  return Tensor::from(values, shape, device);
}

float threshold_for(const models::PolarOutputs& out, size_t count) {
  std::vector<float> logits;
  for (const Tensor& t : out.classes) {
    const auto level = t.narrowed(0, 1).to_vector<float>();
    logits.insert(logits.end(), level.begin(), level.end());
  }
  count = std::min(count, logits.size() - 1);
  std::ranges::nth_element(logits, logits.begin() + static_cast<std::ptrdiff_t>(count), std::greater<>());
  return 1 / (1 + std::exp(-logits[count]));
}

models::polarmask::ImageGeometry whole_picture(int64_t height, int64_t width) {
  const auto h = static_cast<int>(height), w = static_cast<int>(width);
  return {w, h, 1, 1, w, h};
}

void postprocess_first(const models::PolarOutputs& out, const models::polarmask::ImageGeometry& geometry,
                       float threshold) {
  std::vector<models::polarmask::LevelOutputs> levels;
  int stride = 8;
  for (size_t i = 0; i < out.classes.size(); ++i, stride *= 2) {
    const auto first = [](const Tensor& t) {
      return std::span(t.data<float>(), static_cast<size_t>(t.numel() / t.dim(0)));
    };
    levels.push_back({static_cast<int>(out.classes[i].dim(1)), static_cast<int>(out.classes[i].dim(2)), stride,
                      first(out.classes[i]), first(out.centerness[i]), first(out.boxes[i]), first(out.rays[i])});
  }
  const auto found = models::polarmask::postprocess(levels, geometry, {.score_threshold = threshold});
  models::polarmask::polygon_masks(found, geometry);
}

}  // namespace az::cli
