// Folders that generated and converted sets are written to. Errors: `PATH: what is wrong`.
#pragma once

#include <filesystem>

namespace az::data {

/// Error: the folder is something else, or holds something and `force` is off.
void prepare_output(const std::filesystem::path& out, bool force);
void make_folder(const std::filesystem::path& folder);
/// Removes a file of an earlier run; none is no error.
void remove_old(const std::filesystem::path& file);

}  // namespace az::data
