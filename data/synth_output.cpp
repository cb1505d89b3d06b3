#include "data/synth_output.h"

#include "tensor/error.h"

namespace az::data {

namespace fs = std::filesystem;

void prepare_output(const fs::path& out, bool force) {
  std::error_code error;
  AZ_CHECK(!fs::exists(out, error) || fs::is_directory(out, error), "{}: not a folder", out.string());
  AZ_CHECK(force || !fs::exists(out, error) || fs::is_empty(out, error),
           "{}: not empty; name another folder, or overwrite with --force", out.string());
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  AZ_CHECK(!error, "{}: cannot create it: {}", folder.string(), error.message());
}

void remove_old(const fs::path& file) {
  std::error_code error;
  fs::remove(file, error);
  AZ_CHECK(!error, "{}: cannot remove it: {}", file.string(), error.message());
}

}  // namespace az::data
