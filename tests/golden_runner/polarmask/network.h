// Golden cases of the whole network: forward_, train_ and train_steps_.
#pragma once

#include <filesystem>

#include "tests/support/golden.h"

namespace az::golden::polarmask {

void run_forward(const std::filesystem::path& file, Report& report);
void run_train(const std::filesystem::path& file, Report& report);
void run_train_steps(const std::filesystem::path& file, Report& report);

}  // namespace az::golden::polarmask
