// Which pictures make a batch.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

namespace az::data {

/// Shuffled batches of pictures of one orientation, as mmdetection 1.x groups them: the pictures of each group are
/// shuffled, its last batch is filled up from the group's start, and the batches of all groups are shuffled. A function
/// of (seed, epoch): the state of a run is (epoch, position), and nothing else need be saved. Any thread may call it.
class AspectSampler {
 public:
  struct Options {
    int batch = 1;
    uint64_t seed = 0;
    bool shuffle = true;
  };
  /// landscape[i]: whether picture i is wider than high. Error: no picture, or a batch below 1.
  AspectSampler(std::vector<bool> landscape, const Options& options);

  int64_t batches_per_epoch() const { return batches_; }
  /// The pictures of batch `position` (0-based) of an epoch, `batch` of them. Error: a position behind the last one.
  std::vector<int64_t> batch(int64_t epoch, int64_t position) const;

  struct State {
    int64_t epoch = 0;
    int64_t position = 0;
    bool operator==(const State&) const = default;
  };
  /// Where a run stands after `steps` batches.
  State state(int64_t steps) const { return {steps / batches_, steps % batches_}; }

 private:
  std::vector<int64_t> order(int64_t epoch) const;

  Options options_;
  std::vector<int64_t> groups_[2];
  int64_t batches_ = 0;
  // Orders of the epochs in use: workers may be on either side of an epoch's end.
  mutable std::mutex mutex_;
  mutable std::vector<std::pair<int64_t, std::vector<int64_t>>> orders_;
};

}  // namespace az::data
