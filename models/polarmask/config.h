// A PolarMask run as plain data: what configs/polarmask/*.toml say. Field names are the TOML keys, structs its tables;
// the defaults are the published R-50 1x model on 4 GPUs (specification sections 2 to 10).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "cpu/ray_labels.h"
#include "models/polarmask/model.h"

namespace az::models {

class Config;

/// [data] and [data.augment]
struct PolarDataConfig {
  std::string root = "data/coco";  ///< the other four paths are relative to it
  std::string train_annotations = "annotations/instances_train2017.json", train_images = "train2017";
  std::string val_annotations = "annotations/instances_val2017.json", val_images = "val2017";
  int64_t train_limit = 0, val_limit = 0;  ///< the first pictures by id; 0: all
  int64_t holdout = 0;  ///< > 0: the last pictures by id of the training file are the validation set instead
  int workers = 2;      ///< loader threads
  /// Training decodes a JPEG at 1/2, 1/4 or 1/8 of its size where the input is that much smaller. Faster; other pixels.
  bool jpeg_scale = false;

  /// Input size in pixels. Training draws the long and the short side evenly between the two pairs [long, short], which
  /// are equal but for multi-scale training; testing uses one.
  std::array<int, 2> train_scale_low = {1280, 768}, train_scale_high = {1280, 768}, test_scale = {1280, 768};
  bool keep_ratio = false;  ///< false, as published: every picture becomes exactly long x short, wide or not
  int train_divisor = 128, test_divisor = 32;  ///< padded right and below to a multiple
  bool rgb = false;                            ///< channel order of the network's input; false: BGR
  std::array<float, 3> mean = {102.9801f, 115.9465f, 122.7717f}, std = {1, 1, 1};  ///< in that order

  // Annotations that are not learned, in original pixels.
  double min_area = 15;      ///< dropped where `area` is at most this
  double min_side = 10;      ///< dropped where both sides of the box are under this
  int64_t min_mask_px = 15;  ///< dropped where the mask has fewer pixels
  int min_image_side = 32;   ///< pictures with a shorter side are left out
  bool ignore_crowd =
      false;  ///< false, as published: crowd regions are learned as background. true: no class loss there

  // [data.augment]
  double flip = 0.5;                      ///< probability
  double zoom_low = 1, zoom_high = 1;     ///< log-uniform
  double aspect = 0;                      ///< width over height changes by up to this share
  bool shift = false;                     ///< random offset of the zoomed picture, or a crop
  std::array<float, 3> fill = {0, 0, 0};  ///< grey levels outside the picture, before normalisation
  double min_visible = 0;                 ///< objects with a smaller share left are dropped
  int64_t min_visible_px = 0;             ///< and those with fewer pixels
};

/// [train]
struct PolarTrainConfig {
  int64_t seed = 0;
  int batch = 16;                 ///< pictures a step, over all processes
  int64_t epochs = 12;            ///< of the training set; used where `steps` is 0
  int64_t steps = 0;              ///< a fixed number of steps
  std::string optimizer = "sgd";  ///< "sgd", "adam", "adamw"
  double lr = 0.01, momentum = 0.9, beta1 = 0.9, beta2 = 0.999, weight_decay = 1e-4;
  /// "reference": biases that are no norm's have twice the rate and no decay, the rest decays, norms too.
  /// "matrices": weights of two or more dimensions decay, nothing else.
  std::string decay = "reference";
  double clip_norm = 35;                       ///< of all gradients together; 0: no limit
  std::string schedule = "step";               ///< "constant", "step", "cosine"
  std::vector<int64_t> step_epochs = {8, 11};  ///< step: epochs, from 0, at which the rate falls
  double step_factor = 0.1;
  double final_fraction = 0;  ///< cosine: last rate as a share of lr
  int64_t warmup_steps = 500;
  double warmup_ratio = 1.0 / 3;  ///< first rate as a share of lr
  std::string pretrained;         ///< backbone weights to start from; empty: from scratch. `--init` goes before it
  int64_t log_interval = 10, checkpoint_interval = 500,
          eval_interval = 0;  ///< steps; checkpoint 0: at the end only; eval 0: never
  int64_t keep = 3;           ///< newest checkpoints kept
  int64_t keep_best = 1;      ///< checkpoints kept by their validation score, where there is a validation
};

/// [test]
struct PolarTestConfig {
  int nms_pre = 1000;             ///< best locations kept of each level; 0 keeps all
  double score_threshold = 0.05;  ///< on the class probability alone
  double nms_iou = 0.5;
  int max_per_image = 100;
  double center_bias = 0.5;     ///< score = p * (centerness + bias)
  bool mask_nms = false;        ///< boxes for suppression from the polygon; always so without the box branch
  bool round_vertices = false;  ///< polygon vertices to the nearest pixel; false, as published: truncated
};

struct PolarMaskConfig {
  PolarDataConfig data;
  /// [model], [model.backbone], [model.fpn], [model.head]. head.classes of 0: as many as the annotation file has.
  PolarMaskOptions model;
  cpu::LabelOptions labels;  ///< [labels]; rays, strides from the head
  PolarLossConfig loss;
  PolarTrainConfig train;
  PolarTestConfig test;
};

/// Reads every key and rejects unknown ones. Error: `FILE:line: what is wrong`, also for values that do not fit
/// together (as many strides as levels, a stem's channels, rays that the labels cannot make).
PolarMaskConfig parse_polarmask_config(Config& config);

}  // namespace az::models
