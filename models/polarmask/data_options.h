// A PolarMask configuration in the data pipeline's terms.
#pragma once

#include "data/polar_samples.h"
#include "models/polarmask/config.h"

namespace az::models {

/// Sizes, normalisation, augmentation, filters and labels of training.
data::PolarDataOptions train_data_options(const PolarMaskConfig& config);
/// The input of testing: one scale, no augmentation.
data::PolarInputOptions test_input_options(const PolarDataConfig& config);

/// A data set of the configuration: annotations and where its pictures lie.
struct PolarDataset {
  data::CocoDataset annotations;
  std::filesystem::path images;
};
/// The training or the validation part, with its limit and hold-out applied (pictures by rising id).
/// Error: a file that cannot be read; no picture left.
PolarDataset read_dataset(const PolarDataConfig& config, bool validation);

}  // namespace az::models
