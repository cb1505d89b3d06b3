// The largest values of each run of a row, in order.
#pragma once

#include <cstdint>

#include "cuda/stream.h"
#include "tensor/hd.h"

namespace az::cuda {

/// The runs of a row that are chosen from, one after another; a pyramid's levels, for example.
class TopkRuns {
 public:
  static constexpr int kMost = 8;
  struct Run {
    int begin, count;  // elements of the row
    int keep, out;     // how many are chosen, and where in the output's row
    int scratch;       // where in the scratch row; -1: sorted in shared memory, or all are kept
  };

  /// Appends a run of `count` elements, of which the best `keep` are chosen; all where there are no more or keep <= 0.
  /// Returns false, and appends nothing, when there are kMost runs already.
  bool add(int count, int keep);

  int size() const { return runs_; }
  AZ_HD int length() const { return length_; }            // of a row
  AZ_HD int chosen() const { return chosen_; }            // elements of an output row
  AZ_HD int scratch_row() const { return scratch_row_; }  // 8-byte words of scratch a row needs
  int shared_words() const { return shared_words_; }
  AZ_HD const Run* begin() const { return run_; }

 private:
  Run run_[kMost] = {};
  int runs_ = 0, length_ = 0, chosen_ = 0, scratch_row_ = 0, shared_words_ = 0;
};

/// chosen[r] = for every run, the indices in row r of its `keep` largest values: largest first, equal values (0 and -0
/// are equal) by index; a NaN counts as minus infinity. A run that is kept whole is not sorted: its indices in order.
///
/// values   [rows, runs.length()]
/// chosen   [rows, runs.chosen()]
/// scratch  [rows, runs.scratch_row()], may be null where that is 0
void topk(Stream& stream, const float* values, int rows, const TopkRuns& runs, int32_t* chosen, uint64_t* scratch);

}  // namespace az::cuda
