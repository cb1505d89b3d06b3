// The rules that every source file of the project keeps, checked on its text.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace az::test {

/// A file as the rules see it: its path from the repository's root, with '/', and its text.
struct SourceFile {
  std::string path;
  std::string text;
};

/// Every .h, .cpp, .cu and .cuh under the repository's source folders, sorted by path.
std::vector<SourceFile> source_files(const std::filesystem::path& root);

/// What breaks a rule, one line each (`PATH:LINE: what, and what to do`); empty when all is well. The rules:
/// - a folder includes only itself and those before it in the list of docs/architecture.md; data includes no tape
///   (autograd, ops, nn); no folder includes tests; quoted includes are written from the root and exist;
/// - oneDNN headers, and our headers that include them, stay in cpu/, CUDA headers likewise in cuda/;
/// - headers of third parties that are slow to compile stay out of our headers, tests/support apart;
/// - a header begins with `#pragma once`;
/// - a file of over 400 lines or a function of over 80 says `long because` (in the file's first 10 lines, or in the
///   comment above the function). Test files may have long cases.
std::vector<std::string> broken_rules(const std::vector<SourceFile>& files);

}  // namespace az::test
