// The kinds of SiamMask's golden cases.
#pragma once

#include <filesystem>

#include "tests/support/golden.h"

namespace az::golden::siammask {

void run_anchors(const std::filesystem::path& file, Report& report);
void run_augment_geometry(const std::filesystem::path& file, Report& report);
void run_crop511(const std::filesystem::path& file, Report& report);
void run_forward(const std::filesystem::path& file, Report& report);
void run_losses(const std::filesystem::path& file, Report& report);
void run_lr(const std::filesystem::path& file, Report& report);
void run_rotated_rect(const std::filesystem::path& file, Report& report);
void run_subwindow(const std::filesystem::path& file, Report& report);
void run_targets(const std::filesystem::path& file, Report& report);
void run_track_sequence(const std::filesystem::path& file, Report& report);
void run_tracker_step(const std::filesystem::path& file, Report& report);
void run_train(const std::filesystem::path& file, Report& report);
void run_vos_meter(const std::filesystem::path& file, Report& report);
void run_xcorr(const std::filesystem::path& file, Report& report);

}  // namespace az::golden::siammask
