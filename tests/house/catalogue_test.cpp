// docs/kernels.md and its pages name every kernel, and no other.
#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <string>

#include "tensor/file.h"
#include "tests/support/shell.h"
#include "tests/support/source_rules.h"

namespace az::test {
namespace {

namespace fs = std::filesystem;

std::set<std::string> matches(const std::string& text, const std::regex& pattern) {
  std::set<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), pattern), none; at != none; ++at) found.insert((*at)[1]);
  return found;
}

/// Names of the kernels that a source defines: `__global__ void [__launch_bounds__(...)] NAME(`.
std::set<std::string> kernels_of(const std::string& text) {
  return matches(text,
                 std::regex("__global__\\s+void\\s+(?:__launch_bounds__\\([^;{]*?\\)\\s*)?([a-z0-9_]+_kernel)\\("));
}

}  // namespace

TEST_CASE("the catalogue of kernels is complete") {
  std::map<std::string, std::string> kernels;  // and their files
  for (const SourceFile& file : source_files(source_root()))
    if (file.path.starts_with("cuda/"))
      for (const std::string& kernel : kernels_of(file.text)) {
        const auto [at, is_new] = kernels.emplace(kernel, file.path);
        if (!is_new) FAIL_CHECK(kernel << " is in " << at->second << " and " << file.path << ": logs name it once");
      }
  REQUIRE(kernels.size() > 60);

  const std::regex span("`([a-z0-9_]+_kernel)`");
  const fs::path docs = source_root() / "docs";
  const std::set<std::string> in_table =
      matches(read_file(docs / "kernels.md"), std::regex("\\n\\| `([a-z0-9_]+_kernel)`"));
  std::set<std::string> described, headings;
  for (const auto& page : fs::directory_iterator(docs / "kernels")) {
    const std::string text = read_file(page.path());
    described.merge(matches(text, span));
    for (const std::string& line : matches(text, std::regex("\\n### ([^\\n]*)"))) headings.merge(matches(line, span));
  }
  for (const auto& [kernel, file] : kernels) {
    if (!in_table.contains(kernel)) FAIL_CHECK("docs/kernels.md: no row for " << kernel << " of " << file);
    if (!headings.contains(kernel)) FAIL_CHECK("docs/kernels/: no heading ### `" << kernel << "` (" << file << ")");
  }
  described.insert(in_table.begin(), in_table.end());
  for (const std::string& name : described)
    if (!kernels.contains(name)) FAIL_CHECK("docs/kernels: there is no kernel " << name);
}

TEST_CASE("kernels are found in a source") {
  CHECK(kernels_of("__global__ void a_kernel(int* x) {}\n__device__ void not_a_kernel(int);").size() == 1);
  CHECK(
      kernels_of("template <class T>\n__global__ void __launch_bounds__(kWarp* kMost, 3)\n    b_kernel(const T* x)") ==
      std::set<std::string>{"b_kernel"});
}

}  // namespace az::test
