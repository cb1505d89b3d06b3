// The kinds of PolarMask's golden cases, one function each; the registry is tests/golden_runner/polarmask.cpp.
#pragma once

#include "tests/support/golden.h"

namespace az::golden::polarmask {

/// Resize, flip, normalisation, padding, boxes and masks of a picture (pipeline.cpp).
void run_pipeline(const std::filesystem::path& json_file, Report& report);
/// Contours, centres, rays of single masks.
void run_ray_labels_masks(const std::filesystem::path& json_file, Report& report);
/// Complete targets of one image.
void run_ray_labels_image(const std::filesystem::path& json_file, Report& report);
/// Values and gradients of every loss (losses.cpp).
void run_losses(const std::filesystem::path& json_file, Report& report);
/// Head outputs to detections and masks.
void run_postprocess(const std::filesystem::path& json_file, Report& report);

}  // namespace az::golden::polarmask
