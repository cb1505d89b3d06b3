// Pairs of training crops: an exemplar and a search crop of one object, or of two different ones (specs/siammask.md
// section 10; foolwood/SiamMask datasets/siam_mask_dataset.py).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "data/siam_augment.h"
#include "data/siam_list.h"
#include "tensor/rng.h"

namespace az::data {

/// A set of crops as `azimuth convert crop511` writes it.
struct SiamSetOptions {
  std::string name;
  std::filesystem::path crops;  ///< folder of the crops
  std::filesystem::path list;   ///< JSON
  int frame_range = 1;          ///< exemplar and search frame are at most this many entries of their track apart
  int64_t per_round = 0;        ///< videos drawn a round; 0: each once
  bool masks = false;           ///< crops have a .m.png beside them
};

struct SiamPairOptions {
  int exemplar_side = kExemplarSide;
  int search_side = 255;  ///< 143 in the second stage
  double grey = 0.25;     ///< probability that both crops are grey
  double negative = 0.2;  ///< probability of two different objects; 0 in the second stage
  SiamAugment exemplar{.shift = 4, .scale = 0.05};
  SiamAugment search{.shift = 64, .scale = 0.18, .blur = 0.18};  ///< shift 8 in the second stage
  bool colour = true;                                            ///< offsets of the colours
  uint64_t seed = 123456;
};

/// One crop: positions in the sets, their tracks and the track's frames.
struct SiamTarget {
  size_t set = 0, track = 0, frame = 0;
  bool operator==(const SiamTarget&) const = default;
};

struct SiamPair {
  SiamTarget exemplar, search;
  bool grey = false;
  bool negative = false;
  bool operator==(const SiamPair&) const = default;
};

struct SiamSample {
  std::vector<float> exemplar;  ///< [127, 127, 3] in the order B, G, R; colours are offset, not clipped
  std::vector<float> search;    ///< [side, side, 3], likewise
  CornerBox box;                ///< of the object, in the search crop
  std::vector<int8_t> mask;     ///< [side, side], 1 on the object and -1 elsewhere; empty: a set without, or a negative
  bool negative = false;
  SiamPair pair;
};

/// Samples one after the other, n of them.
struct SiamBatch {
  int64_t n = 0;
  int exemplar_side = 0, search_side = 0;
  std::vector<float> exemplar;    ///< [n, exemplar_side, exemplar_side, 3]
  std::vector<float> search;      ///< [n, search_side, search_side, 3]
  std::vector<CornerBox> boxes;   ///< [n]
  std::vector<float> masks;       ///< [n, search_side, search_side], 1 and -1; 0 where a sample has none
  std::vector<uint8_t> has_mask;  ///< [n]
  std::vector<uint8_t> negative;  ///< [n]
  double decode_ms = 0;           ///< of reading and decoding
  double warp_ms = 0;             ///< of everything else
};

/// The pairs of a training run. A round is a shuffled list in which every set has its share; sample i is number
/// i modulo round_size() of round i / round_size(), and a function of (seed, i) alone. Any thread may call it.
class SiamPairs {
 public:
  /// Reads the lists and looks for every crop that they name.
  /// Error: no set, a set without a usable box, an option out of range, or `FILE: the crop is missing` with how many
  /// are.
  SiamPairs(const std::vector<SiamSetOptions>& sets, const SiamPairOptions& options);

  const SiamPairOptions& options() const { return options_; }
  int64_t round_size() const { return round_size_; }
  size_t set_count() const { return sets_.size(); }
  const SiamList& list(size_t set) const { return sets_[set].list; }
  /// Boxes without an extent that a set's list held.
  size_t dropped(size_t set) const { return sets_[set].dropped; }

  /// What sample `index` (from 0) shows, without reading its crops.
  SiamPair pair(int64_t index) const;
  /// Error: `FILE: what is wrong` of a crop that cannot be read or is not 511 x 511.
  SiamSample sample(int64_t index) const;
  /// Samples first .. first + count - 1.
  SiamBatch batch(int64_t first, int64_t count) const;

 private:
  struct Set {
    SiamSetOptions options;
    SiamList list;
    size_t dropped = 0;
  };
  struct Drawn {
    std::vector<float> pixels;
    CornerBox box;
    std::vector<int8_t> mask;
  };
  using Order = std::vector<std::pair<uint32_t, uint32_t>>;  // set and video

  std::shared_ptr<const Order> order(int64_t round) const;
  std::pair<uint32_t, uint32_t> video_of(int64_t index) const;
  SiamTarget draw_target(size_t set, size_t video, Rng& rng) const;
  SiamPair draw_pair(int64_t index, Rng& rng) const;
  Drawn draw_crop(const SiamTarget& target, const SiamAugment& augment, int side, bool grey, bool with_mask, Rng& rng,
                  double& decode_ms) const;
  SiamSample make(int64_t index, double& decode_ms) const;

  SiamPairOptions options_;
  std::vector<Set> sets_;
  int64_t round_size_ = 0;
  // The lists of the rounds in use: workers may be on either side of a round's end.
  mutable std::mutex mutex_;
  mutable std::vector<std::pair<int64_t, std::shared_ptr<const Order>>> orders_;
};

}  // namespace az::data
