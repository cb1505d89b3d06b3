// A SiamMask run as plain data: what configs/siammask/*.toml say. Field names are the TOML keys, structs its tables;
// the defaults are the published first stage and tracker (specs/siammask.md sections 7 to 12).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/siammask/anchors.h"
#include "models/siammask/losses.h"
#include "models/siammask/model.h"
#include "models/siammask/targets.h"

namespace az::models {

class Config;

/// [data.NAME]: a set of crops (azimuth convert crop511).
struct SiamSetConfig {
  std::string name;
  std::string crops, list;  ///< folder and JSON, relative to data.root
  int frame_range = 1;      ///< exemplar and search frame are at most this many entries of their track apart
  int64_t videos = 0;       ///< drawn a round; 0: each once
  bool masks = false;
};

/// [data]
struct SiamDataConfig {
  std::string root = "data/crop511";
  std::vector<SiamSetConfig> sets;      ///< those that `sets` names, blank between them
  std::vector<SiamSetConfig> val_sets;  ///< likewise; validation needs one with masks
  int64_t pairs_per_epoch = 600000;
  int64_t val_pairs = 256;
  int search_side = 255;               ///< px; 143 in the second stage
  double grey = 0.25, negative = 0.2;  ///< probabilities
  double exemplar_shift = 4, exemplar_scale = 0.05;
  double search_shift = 64, search_scale = 0.18, search_blur = 0.18, flip = 0;
  bool colour = true;
  int workers = 2;  ///< loader threads
};

/// [train]
struct SiamTrainConfig {
  SiamStage stage = SiamStage::base;  ///< "base" (and box) or "sharp"
  int64_t seed = 123456;
  int batch = 64;  ///< pairs a step
  int64_t epochs = 20;
  int64_t steps = 0;              ///< > 0: the run is that long and `epochs` shares it out
  std::string optimizer = "sgd";  ///< "sgd", "adam", "adamw"
  double momentum = 0.9, beta1 = 0.9, beta2 = 0.999, weight_decay = 1e-4;
  double clip_norm = 10;      ///< of all gradients together; 0: no limit
  double loss_limit = 1e4;    ///< a step whose loss is above, or no number, is skipped; 0: such a loss ends the run
  std::string curve = "log";  ///< of the rate, from epoch to epoch: "linear", "log", "cosine"
  double lr = 0.005, last_lr = 0.0025;
  int64_t warmup_epochs = 5;
  double warmup_lr = 0.001;  ///< grows to lr by a constant factor

  /// Of the backbone. "late": layer2 and layer3 from `unfreeze_epoch` on, at `backbone_lr_mult` times the rate, stem
  /// and layer1 never. "all": everything from the start. "frozen": nothing. The second stage trains none of it.
  std::string backbone = "late";
  int64_t unfreeze_epoch = 10;
  double backbone_lr_mult = 0.1;
  /// Backbone norms that are trained use the batch's statistics, too. Off, as in an uninterrupted run of the reference.
  bool backbone_norm_live = false;
  /// When momentum starts at zero: "change": where what is trained changes; "epoch": each epoch, as the reference's
  /// second stage does; "never".
  std::string fresh_optimizer = "change";

  std::string pretrained;  ///< weights to start from; empty: random. `--init` goes before it
  int64_t log_interval = 20;
  int64_t checkpoint_interval = 0;  ///< steps; 0: an epoch
  int64_t eval_interval = 0;        ///< steps; 0: never
  int64_t keep = 20;                ///< newest checkpoints kept
  int64_t keep_best = 1;            ///< checkpoints kept by their validation score, where there is a validation
};

/// [tracker]
struct SiamTrackerConfig {
  double penalty_k = 0.09;  ///< of changes of size and shape
  double window_influence = 0.39;
  double lr = 0.38;             ///< of the size
  double seg_thr = 0.30;        ///< probability from which a pixel is the object's
  int64_t out_size = 0;         ///< side of the masks that are pasted; 0: the model's own, 127 or 63
  int64_t instance_side = 255;  ///< px of the search crop
  double context = 0.5;         ///< share of width plus height that is added around the object
};

struct SiamMaskConfig {
  SiamDataConfig data;
  SiamMaskOptions model;      ///< [model], [model.backbone]
  SiamAnchorOptions anchors;  ///< [anchors]
  SiamTargetOptions targets;  ///< [targets]
  SiamLossWeights loss;
  SiamTrainConfig train;
  SiamTrackerConfig tracker;
};

/// Reads every key and rejects unknown ones. Error: `FILE:line: what is wrong`, also for values that do not fit
/// together (a second stage without Refine, masks without a mask head).
SiamMaskConfig parse_siammask_config(Config& config);

}  // namespace az::models
