#include "train/checkpoint.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <charconv>

#include "tensor/error.h"
#include "tensor/file.h"

namespace az::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOptimizer = "optimizer/";

std::vector<fs::path> step_files(const fs::path& run) {
  std::vector<fs::path> files;
  std::error_code ignored;  // no folder yet: no files
  for (const auto& entry : fs::directory_iterator(run / "checkpoints", ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("step_") && name.ends_with(".safetensors")) files.push_back(entry.path());
  }
  std::ranges::sort(files);  // steps have a fixed number of digits
  return files;
}

template <class T>
T parse_number(const fs::path& file, const std::string& key, const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  AZ_CHECK(error == std::errc() && end == text.data() + text.size(), "{}: metadata '{}' is '{}', not a number",
           file.string(), key, text);
  return value;
}

/// All of a checkpoint that is not a tensor.
Checkpoint header_of(const fs::path& file, Metadata metadata) {
  Checkpoint c;
  c.config = std::move(metadata["config"]);
  if (const auto step = metadata.find("step"); step != metadata.end())
    c.step = parse_number<int64_t>(file, "step", step->second);
  if (const auto stage = metadata.find("stage"); stage != metadata.end())
    c.stage = parse_number<int64_t>(file, "stage", stage->second);
  if (const auto score = metadata.find("score"); score != metadata.end()) {
    c.score = parse_number<double>(file, "score", score->second);
    c.has_score = true;
  }
  return c;
}

}  // namespace

void save_checkpoint(const fs::path& file, const Checkpoint& c) {
  StateDict all = c.model;
  for (const auto& [name, t] : c.optimizer) all[kOptimizer + name] = t;
  Metadata metadata{{"format", "azimuth"}, {"step", std::to_string(c.step)}, {"config", c.config}};
  if (c.stage != 0) metadata["stage"] = std::to_string(c.stage);
  if (c.has_score) metadata["score"] = fmt::format("{}", c.score);
  write_safetensors(file, all, metadata);
}

Checkpoint load_checkpoint(const fs::path& file, Device& device) {
  Metadata metadata;
  const StateDict all = read_safetensors(file, device, &metadata);
  Checkpoint c = header_of(file, std::move(metadata));
  for (const auto& [name, t] : all) {
    if (name.starts_with(kOptimizer)) {
      c.optimizer[name.substr(std::string_view(kOptimizer).size())] = t;
    } else {
      c.model[name] = t;
    }
  }
  return c;
}

Checkpoint load_header(const fs::path& file, Device& device) {
  Metadata metadata;
  read_safetensors(file, device, &metadata, [](const std::string&) { return false; });
  return header_of(file, std::move(metadata));
}

StateDict load_model(const fs::path& file, Device& device) {
  return read_safetensors(file, device, nullptr, [](const std::string& name) { return !name.starts_with(kOptimizer); });
}

CheckpointFolder::CheckpointFolder(fs::path run, int64_t keep_last) : run_(std::move(run)), keep_last_(keep_last) {
  std::error_code error;
  fs::create_directories(run_ / "checkpoints", error);
  AZ_CHECK(!error, "{}: cannot create the folder: {}", (run_ / "checkpoints").string(), error.message());
  remove_leftovers(run_);
  remove_leftovers(run_ / "checkpoints");
}

fs::path CheckpointFolder::save(const Checkpoint& c) {
  const fs::path file = run_ / "checkpoints" / fmt::format("step_{:08}.safetensors", c.step);
  save_checkpoint(file, c);
  auto files = step_files(run_);
  // Files past this step come from a run that was resumed further back.
  const auto count = static_cast<int64_t>(files.size());
  for (int64_t i = 0; i + std::max<int64_t>(keep_last_, 1) < count; ++i) {
    std::error_code ignored;  // somebody else may have removed it
    if (files[static_cast<size_t>(i)] != file) fs::remove(files[static_cast<size_t>(i)], ignored);
  }
  return file;
}

std::optional<fs::path> CheckpointFolder::newest() const {
  const auto files = step_files(run_);
  return files.empty() ? std::nullopt : std::optional(files.back());
}

std::vector<fs::path> find_weights(const std::string& argument) {
  std::vector<fs::path> candidates;
  if (fs::exists(argument)) {
    candidates = {argument};
  } else {
    glob_t found{};
    if (::glob(argument.c_str(), 0, nullptr, &found) == 0)
      for (size_t i = 0; i < found.gl_pathc; ++i) candidates.emplace_back(found.gl_pathv[i]);
    ::globfree(&found);
  }
  std::vector<fs::path> files;
  for (const fs::path& path : candidates) {
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    const auto steps = step_files(path);
    if (fs::exists(path / "best.safetensors")) {
      files.push_back(path / "best.safetensors");
    } else if (!steps.empty()) {
      files.push_back(steps.back());
    } else {
      fail("{}: a folder without checkpoints; give a weights file or a run folder", path.string());
    }
  }
  AZ_CHECK(!files.empty(), "{}: no such weights; give a file, a run folder or a glob", argument);
  return files;
}

}  // namespace az::train
