// The part of a Siamese tracker's frame that runs on the device: search crops in, for each the best candidate and its
// mask out. One function over ops: on a CUDA device a graph's replay from the third frame on.
#pragma once

#include <memory>
#include <vector>

#include "models/siammask/anchors.h"
#include "models/siammask/model.h"
#include "models/siammask/track_state.h"
#include "ops/step_runner.h"

namespace az::models {

struct SiamStepOptions {
  DType activations = DType::f32;  ///< or bf16, f16
  bool graphs = true;              ///< on a CUDA device: capture and replay
  SiamGeometry geometry = {};
  SiamAnchorOptions anchors = {};
};

/// For several crops in step, each with its own template. The network's weights stay as they are while one lives.
class SiamSearchStep {
 public:
  /// Error: anchors that are not the network's in number, fewer than one lane.
  SiamSearchStep(SiamMask& network, size_t lanes, Device& device, const SiamStepOptions& options);

  /// [exemplar, exemplar, 3], B, G, R: written by the caller before make_template.
  float* exemplar() { return exemplar_host_.data(); }
  /// Computes the template of a lane; it stays until the next for this lane.
  void make_template(size_t lane);

  /// [instance, instance, 3] of a lane, and what ranks its candidates: written by the caller before run().
  float* search(size_t lane) { return &search_host_[lane * search_values_]; }
  math::SiamView& view(size_t lane) { return views_host_[lane]; }
  /// Every lane: crop to network to best candidate to its mask. Waits for the device.
  void run();

  const math::SiamChoice& choice(size_t lane) const { return choices_host_[lane]; }
  /// [mask_side, mask_side]; null for the box variant.
  const float* logits(size_t lane) const { return mask_side_ ? &logits_host_[lane * mask_values_] : nullptr; }
  int mask_side() const { return mask_side_; }  ///< 127 with Refine, the mask head's 63 without, 0 without masks
  /// The last run's maps [lanes, s, s, ...] f32, for tests; keeps them from now on.
  struct Maps {
    std::vector<float> classes, boxes;
  };
  void keep_maps(Maps* maps) { maps_ = maps; }

  int64_t graphs() const { return runner_.graphs(); }
  std::string graph_failure() const { return runner_.failure(); }

 private:
  void enqueue();
  Tensor input(const Tensor& pixels) const;

  SiamMask& network_;
  Device& device_;
  SiamStepOptions options_;
  size_t lanes_, search_values_, mask_values_ = 0;
  int mask_side_;
  ops::StepRunner runner_;
  std::vector<float> exemplar_host_, search_host_, logits_host_;
  std::vector<math::SiamView> views_host_;
  std::vector<math::SiamChoice> choices_host_;
  Maps* maps_ = nullptr;
  // On the device, at addresses that stay.
  Tensor exemplar_, search_, views_, choices_, logits_, priors_, window_;
  SiamTemplate templates_;
};

}  // namespace az::models
