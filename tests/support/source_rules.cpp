#include "tests/support/source_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

namespace az::test {
namespace {

// Lowest first: a folder may include those before it.
constexpr std::array<std::string_view, 12> kFolders = {"tensor", "math", "cpu",    "cuda", "autograd", "ops",
                                                       "nn",     "data", "models", "eval", "train",    "cli"};
constexpr std::array<std::string_view, 3> kTape = {"autograd", "ops", "nn"};
constexpr std::array<std::string_view, 8> kSlowHeaders = {"CLI/",     "toml++/", "nlohmann/json.hpp", "simdjson.h",
                                                          "doctest/", "spdlog/", "pugixml.hpp",       "stb/"};
/// Headers that are parts of a few .cpp files, and may include what those do.
constexpr std::array<std::string_view, 1> kPrivateHeaders = {"data/coco_entry.h"};
constexpr std::array<std::string_view, 2> kDnnHeaders = {"dnnl", "oneapi/dnnl/"};
constexpr std::array<std::string_view, 6> kCudaHeaders = {"cuda", "cublas", "cudnn", "nccl", "nvtx3/", "cub/"};
constexpr int kMaxFileLines = 400;
constexpr int kMaxFunctionLines = 80;
constexpr std::string_view kExcuse = "long because";

struct Include {
  int line;
  std::string target;
  bool quoted;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

template <size_t N>
bool starts_with_any(std::string_view text, const std::array<std::string_view, N>& starts) {
  return std::any_of(starts.begin(), starts.end(), [&](std::string_view s) { return text.starts_with(s); });
}

// The folder's place in the list; none for bench, tests and the system's headers.
std::optional<size_t> rank_of(std::string_view folder) {
  const auto at = std::find(kFolders.begin(), kFolders.end(), folder);
  if (at == kFolders.end()) return std::nullopt;
  return static_cast<size_t>(at - kFolders.begin());
}

std::string folder_of(std::string_view path) {
  const size_t slash = path.find('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash));
}

std::vector<Include> includes_of(const std::vector<std::string>& lines) {
  std::vector<Include> found;
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string_view line = lines[i];
    const auto skip_blanks = [&] { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); };
    skip_blanks();
    if (!line.starts_with('#')) continue;
    line.remove_prefix(1);
    skip_blanks();
    if (!line.starts_with("include")) continue;
    line.remove_prefix(7);
    skip_blanks();
    if (line.empty() || (line[0] != '"' && line[0] != '<')) continue;
    const size_t end = line.find(line[0] == '"' ? '"' : '>', 1);
    if (end == std::string_view::npos) continue;
    found.push_back({static_cast<int>(i) + 1, std::string(line.substr(1, end - 1)), line[0] == '"'});
  }
  return found;
}

bool is_header(std::string_view path) { return path.ends_with(".h") || path.ends_with(".cuh"); }

// The project's files, and those of them that show oneDNN's or CUDA's headers to whoever includes them.
struct Project {
  std::set<std::string> files;
  std::set<std::string> carriers;
};

Project survey(const std::vector<SourceFile>& files) {
  Project project;
  for (const SourceFile& file : files) {
    project.files.insert(file.path);
    if (!is_header(file.path)) continue;
    for (const Include& include : includes_of(lines_of(file.text))) {
      if (include.quoted) continue;
      if (starts_with_any(include.target, kDnnHeaders) || starts_with_any(include.target, kCudaHeaders)) {
        project.carriers.insert(file.path);
      }
    }
  }
  return project;
}

// One include's fault, or nothing.
std::string include_fault(const std::string& path, const Include& include, const Project& project) {
  const std::string from = folder_of(path);
  const std::string to = folder_of(include.target);
  const auto from_rank = rank_of(from);
  const auto to_rank = rank_of(to);
  if (include.quoted && !project.files.contains(include.target)) {
    return fmt::format("\"{}\" is no file of the project; write the path from the repository's root", include.target);
  }
  if (include.quoted && from_rank && !to_rank) {
    return fmt::format("\"{}\": {}/ includes project folders only", include.target, from);
  }
  if (include.quoted && from_rank && to_rank && *to_rank > *from_rank) {
    return fmt::format("\"{}\": {}/ comes before {}/ and may not include it", include.target, from, to);
  }
  if (include.quoted && from == "data" && std::find(kTape.begin(), kTape.end(), to) != kTape.end()) {
    return fmt::format("\"{}\": data/ uses cpu/ kernels, never the tape", include.target);
  }
  // Tests of a folder go where it goes.
  const bool own_test = path.starts_with("tests/" + to + "/");
  if (include.quoted && from != to && !own_test && project.carriers.contains(include.target)) {
    return fmt::format("\"{}\" includes the headers of {}/'s library, which stay there", include.target, to);
  }
  if (include.quoted) return {};
  if (starts_with_any(include.target, kDnnHeaders) && from != "cpu") {
    return fmt::format("<{}>: oneDNN headers stay in cpu/", include.target);
  }
  if (starts_with_any(include.target, kCudaHeaders) && from != "cuda") {
    return fmt::format("<{}>: CUDA headers stay in cuda/", include.target);
  }
  const bool is_public = is_header(path) && std::ranges::find(kPrivateHeaders, path) == kPrivateHeaders.end();
  if (is_public && from != "tests" && starts_with_any(include.target, kSlowHeaders)) {
    return fmt::format("<{}> is slow to compile: include it in the .cpp", include.target);
  }
  return {};
}

// Functions as clang-format leaves them: a line at the margin that ends in `{`, up to `}` alone at the margin.
void check_functions(const SourceFile& file, const std::vector<std::string>& lines, std::vector<std::string>& out) {
  constexpr std::array<std::string_view, 9> kNoFunction = {"namespace", "class ", "struct ", "enum ", "union ",
                                                           "extern ",   "#",      "//",      "}"};
  size_t head = 0;  // first line of the statement at the margin
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line.empty() || line[0] == ' ') continue;
    if (line[0] != '}') {
      // A signature may take several lines; the further ones are indented, or continue after a template's head.
      head = i > 0 && lines[i - 1].starts_with("template") ? i - 1 : i;
      continue;
    }
    const std::string& first = lines[head];
    if (line != "}" || starts_with_any(first, kNoFunction) || first.find("constexpr std::array") != std::string::npos) {
      continue;
    }
    const size_t length = i - head + 1;
    if (length <= kMaxFunctionLines) continue;
    bool excused = false;
    for (size_t above = head; above > 0 && lines[above - 1].starts_with("//"); --above) {
      excused = excused || lines[above - 1].find(kExcuse) != std::string::npos;
    }
    if (!excused) {
      out.push_back(fmt::format("{}:{}: a function of {} lines; split it, or say '{} ...' above it", file.path,
                                head + 1, length, kExcuse));
    }
  }
}

void check_file(const SourceFile& file, const Project& project, std::vector<std::string>& out) {
  const std::vector<std::string> lines = lines_of(file.text);
  for (const Include& include : includes_of(lines)) {
    const std::string fault = include_fault(file.path, include, project);
    if (!fault.empty()) out.push_back(fmt::format("{}:{}: {}", file.path, include.line, fault));
  }
  if (is_header(file.path) && std::find(lines.begin(), lines.end(), "#pragma once") == lines.end()) {
    out.push_back(fmt::format("{}:1: a header without #pragma once", file.path));
  }
  if (lines.size() > kMaxFileLines) {
    const auto top = lines.begin() + 10;
    const auto says_why = [](const std::string& l) { return l.find(kExcuse) != std::string::npos; };
    if (std::none_of(lines.begin(), top, says_why)) {
      out.push_back(
          fmt::format("{}:1: {} lines; split it, or say '{} ...' at its top", file.path, lines.size(), kExcuse));
    }
  }
  if (folder_of(file.path) != "tests") check_functions(file, lines, out);
}

}  // namespace

std::vector<SourceFile> source_files(const std::filesystem::path& root) {
  std::vector<SourceFile> files;
  std::vector<std::string> folders(kFolders.begin(), kFolders.end());
  folders.insert(folders.end(), {"bench", "tests"});
  for (const std::string& folder : folders) {
    if (!std::filesystem::is_directory(root / folder)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cpp" && extension != ".cu" && extension != ".cuh") continue;
      std::ifstream in(entry.path(), std::ios::binary);
      std::ostringstream text;
      text << in.rdbuf();
      files.push_back({std::filesystem::relative(entry.path(), root).generic_string(), text.str()});
    }
  }
  std::sort(files.begin(), files.end(), [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

std::vector<std::string> broken_rules(const std::vector<SourceFile>& files) {
  const Project project = survey(files);
  std::vector<std::string> out;
  for (const SourceFile& file : files) check_file(file, project, out);
  return out;
}

}  // namespace az::test
