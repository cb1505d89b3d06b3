// The checkpoints of a run with the best validation scores.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "train/checkpoint.h"

namespace az::train {

/// RUN/best.safetensors, the best one, and where more than one is to be kept RUN/best, which holds them all:
/// step_00001200_score_0.6543.safetensors. The weights alone, without the optimiser's state; the exact score is in the
/// file. Of equal scores the earlier step is the better one, so what is kept follows from the scores alone and a run
/// that was killed and went on keeps what an uncut one does.
class BestCheckpoints {
 public:
  /// keep  how many RUN/best holds; 1: there is no such folder. Error: keep below 1.
  BestCheckpoints(std::filesystem::path run, int64_t keep);

  /// Keeps it if it is among the best, and removes what is no longer. A score that is no number never is. In place of
  /// one of the same step: a run that is resumed comes by steps again. Error: of a file.
  void offer(const Checkpoint& checkpoint);

 private:
  struct Kept {
    int64_t step;
    double score;
    std::filesystem::path file;
  };
  void read(Device& device);
  void rank(const Checkpoint& weights);

  std::filesystem::path run_;
  int64_t keep_;
  bool read_ = false;
  std::optional<double> best_;  // of RUN/best.safetensors
  std::vector<Kept> kept_;      // of RUN/best, the best first
};

}  // namespace az::train
