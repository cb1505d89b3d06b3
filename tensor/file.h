// Files that are either whole or not there.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace az {

/// Writes to a temporary name beside the file, syncs, and renames. Error: `FILE: what is wrong` (the old file stays).
void write_file(const std::filesystem::path& file, std::string_view bytes);
/// The whole file. Error: `FILE: what is wrong`.
std::string read_file(const std::filesystem::path& file);

}  // namespace az
