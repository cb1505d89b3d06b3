#include "train/best_checkpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tensor/error.h"
#include "tensor/file.h"

namespace az::train {

namespace fs = std::filesystem;

BestCheckpoints::BestCheckpoints(fs::path run, int64_t keep) : run_(std::move(run)), keep_(keep) {
  AZ_CHECK(keep >= 1, "train: {} best checkpoints to keep, want 1 or more", keep);
  remove_leftovers(run_ / "best");
}

/// What an earlier part of the run left.
void BestCheckpoints::read(Device& device) {
  if (std::exchange(read_, true)) return;
  const fs::path first = run_ / "best.safetensors";
  if (fs::exists(first))
    if (const Checkpoint before = load_header(first, device); before.has_score) best_ = before.score;
  std::error_code none;  // no folder yet
  for (const auto& entry : fs::directory_iterator(run_ / "best", none)) {
    if (entry.path().extension() != ".safetensors") continue;
    const Checkpoint before = load_header(entry.path(), device);
    if (before.has_score) kept_.push_back({before.step, before.score, entry.path()});
  }
}

void BestCheckpoints::offer(const Checkpoint& c) {
  if (std::isnan(c.score) || c.model.empty()) return;
  read(c.model.begin()->second.device());
  Checkpoint weights = c;
  weights.optimizer.clear();
  if (!best_ || c.score > *best_) {
    save_checkpoint(run_ / "best.safetensors", weights);
    best_ = c.score;
  }
  if (keep_ > 1) rank(weights);
}

void BestCheckpoints::rank(const Checkpoint& c) {
  const fs::path file = run_ / "best" / fmt::format("step_{:08}_score_{:.4f}.safetensors", c.step, c.score);
  std::vector<fs::path> gone;
  std::erase_if(kept_, [&](const Kept& k) {
    if (k.step == c.step && k.file != file) gone.push_back(k.file);
    return k.step == c.step;
  });
  kept_.push_back({c.step, c.score, file});
  std::ranges::sort(
      kept_, [](const Kept& a, const Kept& b) { return a.score != b.score ? a.score > b.score : a.step < b.step; });
  for (; kept_.size() > static_cast<size_t>(keep_); kept_.pop_back()) gone.push_back(kept_.back().file);
  if (std::ranges::find(gone, file) == gone.end()) {
    std::error_code failed;
    fs::create_directories(file.parent_path(), failed);
    AZ_CHECK(!failed, "{}: cannot create the folder: {}", file.parent_path().string(), failed.message());
    save_checkpoint(file, c);
  }
  std::error_code ignored;  // somebody else may have removed it
  for (const fs::path& old : gone) fs::remove(old, ignored);
}

}  // namespace az::train
