// The kinds of SiamMask's golden cases.
#pragma once

#include <filesystem>

#include "tests/support/golden.h"

namespace az::golden::siammask {

void run_augment_geometry(const std::filesystem::path& file, Report& report);
void run_crop511(const std::filesystem::path& file, Report& report);
void run_forward(const std::filesystem::path& file, Report& report);
void run_rotated_rect(const std::filesystem::path& file, Report& report);
void run_subwindow(const std::filesystem::path& file, Report& report);
void run_xcorr(const std::filesystem::path& file, Report& report);

}  // namespace az::golden::siammask
