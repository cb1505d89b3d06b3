// Which checkpoints a run keeps by their validation scores, and that a kill changes nothing of it.
#include "train/best_checkpoints.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <vector>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/devices.h"
#include "tests/support/temporary.h"

using namespace az;
namespace fs = std::filesystem;

namespace {

train::Checkpoint checkpoint(int64_t step, double score) {
  train::Checkpoint c{.step = step, .model = {}, .optimizer = {}, .config = "made up"};
  c.model["weight"] = Tensor::full({3}, static_cast<double>(step), DType::f32, test::cpu());
  c.optimizer["moment"] = Tensor::full({3}, 1, DType::f32, test::cpu());
  c.score = score;
  c.has_score = true;
  return c;
}

/// Offers the scores from `begin` on, one each hundred steps, as a process of the run does.
void offer(const fs::path& run, int64_t keep, const std::vector<double>& scores, size_t begin = 0) {
  fs::create_directories(run);
  train::BestCheckpoints best(run, keep);
  for (size_t i = begin; i < scores.size(); ++i) best.offer(checkpoint(static_cast<int64_t>(i + 1) * 100, scores[i]));
}

/// The files below a run by their names, with what is in them.
std::map<std::string, std::string> files_of(const fs::path& run) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(run))
    if (entry.is_regular_file()) files[fs::relative(entry.path(), run).string()] = read_file(entry.path());
  return files;
}

std::vector<std::string> names_of(const fs::path& run) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files_of(run)) names.push_back(name);
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("best checkpoints: as many as asked for, by score, and the best one by itself") {
  const test::TemporaryFolder folder;
  const fs::path run = folder.path();
  offer(run, 3, {0.2, 0.5, 0.1, 0.45, 0.30004});
  CHECK(names_of(run) == Names{"best.safetensors", "best/step_00000200_score_0.5000.safetensors",
                               "best/step_00000400_score_0.4500.safetensors",
                               "best/step_00000500_score_0.3000.safetensors"});
  const auto best = train::load_checkpoint(run / "best.safetensors", test::cpu());
  CHECK(best.step == 200);
  CHECK(best.optimizer.empty());
  CHECK(read_file(run / "best.safetensors") == read_file(run / "best/step_00000200_score_0.5000.safetensors"));
  const auto last = train::load_header(run / "best/step_00000500_score_0.3000.safetensors", test::cpu());
  CHECK(last.score == 0.30004);
  CHECK(last.config == "made up");
  CHECK(last.model.empty());
  CHECK(train::find_weights(run) == std::vector<fs::path>{run / "best.safetensors"});
  CHECK(train::find_weights(run / "best" / "*").size() == 3);
}

TEST_CASE("best checkpoints: one to keep means no folder; no number is no score") {
  const test::TemporaryFolder folder;
  offer(folder.path() / "one", 1, {0.1, 0.3, 0.2});
  CHECK(names_of(folder.path() / "one") == Names{"best.safetensors"});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  offer(folder.path() / "nan", 2, {nan, 0.1, nan});
  CHECK(names_of(folder.path() / "nan") == Names{"best.safetensors", "best/step_00000200_score_0.1000.safetensors"});
  CHECK_THROWS_WITH_AS(train::BestCheckpoints(folder.path(), 0), "train: 0 best checkpoints to keep, want 1 or more",
                       Error);
}

TEST_CASE("best checkpoints: a run that is killed anywhere and goes on keeps the files of an uncut one") {
  const test::TemporaryFolder folder;
  const std::vector<double> scores = {0.3, 0.1, 0.4, 0.4, 0.2, 0.4, 0.5, 0.35, 0.5, 0.05};
  for (const int64_t keep : {1, 2, 3, 20}) {
    const fs::path whole = folder.path() / fmt::format("whole{}", keep);
    offer(whole, keep, scores);
    for (size_t cut = 1; cut <= scores.size(); ++cut)
      for (size_t again = 1; again <= std::min<size_t>(cut, 3); ++again) {  // validations since the last checkpoint
        CAPTURE(keep);
        CAPTURE(cut);
        CAPTURE(again);
        const fs::path run = folder.path() / fmt::format("cut{}_{}_{}", keep, cut, again);
        offer(run, keep, {scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(cut)});
        if (keep > 1) write_file(run / "best" / "step_00000001_score_1.0000.safetensors.2147483647.tmp", "half");
        offer(run, keep, scores, cut - again);
        CHECK(files_of(run) == files_of(whole));
      }
  }
}

TEST_CASE("best checkpoints: a step that comes again with another score takes its own place") {
  const test::TemporaryFolder folder;
  offer(folder.path(), 2, {0.1, 0.2, 0.3});
  offer(folder.path(), 2, {0, 0, 0.15, 0.12}, 2);
  CHECK(names_of(folder.path()) == Names{"best.safetensors", "best/step_00000200_score_0.2000.safetensors",
                                         "best/step_00000300_score_0.1500.safetensors"});
}
