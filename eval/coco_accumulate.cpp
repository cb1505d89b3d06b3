#include "eval/coco_accumulate.h"

#include <algorithm>
#include <bit>

#include "tensor/simd.h"

namespace az::eval {
namespace {

constexpr std::array<uint32_t, kCocoLimits> kLimits = {1, 10, 100};
constexpr double kEpsilon = 0x1p-52;  // added to the denominator of precision

// A detection of a category, among those of all pictures.
struct Entry {
  double score;
  uint32_t rank;  // within its picture
  const MatchBits* bits;
};

size_t precision_at(size_t t, size_t r, size_t k, size_t a, size_t m, size_t categories) {
  return (((t * kCocoRecalls + r) * categories + k) * kCocoAreas + a) * kCocoLimits + m;
}

size_t recall_at(size_t t, size_t k, size_t a, size_t m, size_t categories) {
  return ((t * categories + k) * kCocoAreas + a) * kCocoLimits + m;
}

// A bit for each of 64 entries, by area range and threshold.
using BitsOfWord = std::array<std::array<uint64_t, kCocoThresholds>, kCocoAreas>;
struct EntryWord {
  BitsOfWord counted = {};                        // those that are not ignored
  BitsOfWord hits = {};                           // of these, the matched ones
  std::array<uint64_t, kCocoLimits> within = {};  // those within each limit of detections a picture
};

// The reverse of how matching leaves them: thresholds of an entry become entries of a threshold.
AZ_SIMD std::vector<EntryWord> to_words(std::span<const Entry> entries) {
  std::vector<EntryWord> words((entries.size() + 63) / 64);
  for (size_t i = 0; i < entries.size(); ++i) {
    EntryWord& word = words[i / 64];
    const size_t bit = i % 64;
    for (size_t m = 0; m < kLimits.size(); ++m) word.within[m] |= uint64_t{entries[i].rank < kLimits[m]} << bit;
    for (size_t a = 0; a < size_t{kCocoAreas}; ++a) {
      const uint64_t counted = static_cast<uint16_t>(~entries[i].bits->ignored[a]);
      const uint64_t hits = counted & entries[i].bits->matched[a];
      for (size_t t = 0; t < size_t{kCocoThresholds}; ++t) {
        word.counted[a][t] |= (counted >> t & 1) << bit;
        word.hits[a][t] |= (hits >> t & 1) << bit;
      }
    }
  }
  return words;
}

// The curve of one category, area range, limit and threshold. Recall grows, and precision has its peaks, at hits only,
// so the curve is kept there: the reference's envelope (the largest precision from a place on) is the same numbers.
class Curve {
 public:
  void trace(std::span<const EntryWord> words, size_t t, size_t a, size_t m, double objects) {
    hits_.clear();
    size_t counted = 0;  // entries of the words before
    for (size_t w = 0; w < words.size(); ++w) {
      const uint64_t entries = words[w].counted[a][t] & words[w].within[m];
      for (uint64_t hits = words[w].hits[a][t] & words[w].within[m]; hits != 0; hits &= hits - 1) {
        const auto bit = static_cast<size_t>(std::countr_zero(hits));
        const size_t before = counted + static_cast<size_t>(std::popcount(entries & ((uint64_t{1} << bit) - 1)));
        const auto misses = static_cast<double>(before - hits_.size());
        const auto count = static_cast<double>(hits_.size() + 1);
        hits_.push_back({w * 64 + bit, count / objects, count / ((misses + count) + kEpsilon)});
      }
      counted += static_cast<size_t>(std::popcount(entries));
    }
    for (size_t i = hits_.size(); i-- > 1;)
      hits_[i - 1].precision = std::max(hits_[i - 1].precision, hits_[i].precision);
  }

  double last_recall() const { return hits_.empty() ? 0 : hits_.back().recall; }

  // Calls f(r, precision, position) for each recall threshold above 0 that a detection reaches: the first one that
  // does.
  template <class F>
  void sample(const std::array<double, kCocoRecalls>& recalls, const F& f) const {
    size_t next = 0;
    for (size_t r = 1; r < recalls.size(); ++r) {
      while (next < hits_.size() && hits_[next].recall < recalls[r]) ++next;
      if (next == hits_.size()) return;
      f(r, hits_[next].precision, hits_[next].position);
    }
  }
  double first_precision() const { return hits_.empty() ? 0 : hits_[0].precision; }

 private:
  struct Hit {
    size_t position;
    double recall, precision;
  };
  std::vector<Hit> hits_;
};

std::vector<Entry> sorted_entries(std::span<const PictureMatches* const> pictures) {
  std::vector<Entry> entries;
  for (const PictureMatches* picture : pictures)
    for (uint32_t rank = 0; rank < picture->scores.size(); ++rank)
      entries.push_back({picture->scores[rank], rank, &picture->matches.detections[rank]});
  std::ranges::stable_sort(entries, std::ranges::greater{}, &Entry::score);
  return entries;
}

// A category's figures, those that stand side by side in the whole table: [thresholds, recalls] of these.
using AreasAndLimits = std::array<double, size_t{kCocoAreas} * kCocoLimits>;

void copy_rows(std::span<const AreasAndLimits> rows, size_t k, size_t categories, std::vector<double>& table) {
  for (size_t i = 0; i < rows.size(); ++i)
    std::ranges::copy(rows[i], table.begin() + static_cast<ptrdiff_t>((i * categories + k) * rows[i].size()));
}

// The mean of the values above -1, or -1 without any.
double mean_of_known(std::vector<double> values) {
  std::erase_if(values, [](double v) { return !(v > -1); });
  return values.empty() ? -1 : pairwise_sum(values) / static_cast<double>(values.size());
}

// What a figure is a mean over: all thresholds or one, all categories or one.
struct Selection {
  int threshold = -1;
  size_t area = 0;
  size_t limit = 2;
  int64_t category = -1;
};

struct Range {
  size_t begin, end;
};

// One index, or all of [0, count) where it is negative.
Range range_of(int64_t index, size_t count) {
  if (index < 0) return {0, count};
  return {static_cast<size_t>(index), static_cast<size_t>(index) + 1};
}

double mean_precision(const CocoScores& scores, const Selection& s) {
  const size_t count = scores.categories.size();
  const Range thresholds = range_of(s.threshold, kCocoThresholds), categories = range_of(s.category, count);
  std::vector<double> values;
  for (size_t t = thresholds.begin; t < thresholds.end; ++t)
    for (size_t r = 0; r < kCocoRecalls; ++r)
      for (size_t k = categories.begin; k < categories.end; ++k)
        values.push_back(scores.precision[precision_at(t, r, k, s.area, s.limit, count)]);
  return mean_of_known(std::move(values));
}

double mean_recall(const CocoScores& scores, const Selection& s) {
  const size_t count = scores.categories.size();
  const Range thresholds = range_of(s.threshold, kCocoThresholds), categories = range_of(s.category, count);
  std::vector<double> values;
  for (size_t t = thresholds.begin; t < thresholds.end; ++t)
    for (size_t k = categories.begin; k < categories.end; ++k)
      values.push_back(scores.recall[recall_at(t, k, s.area, s.limit, count)]);
  return mean_of_known(std::move(values));
}

}  // namespace

double pairwise_sum(std::span<const double> values) {
  const size_t n = values.size();
  if (n < 8) {
    double sum = -0.0;
    for (const double v : values) sum += v;
    return sum;
  }
  if (n > 128) {
    const size_t half = n / 2 - (n / 2) % 8;
    return pairwise_sum(values.first(half)) + pairwise_sum(values.subspan(half));
  }
  std::array<double, 8> part{};
  std::copy_n(values.begin(), 8, part.begin());
  const size_t whole = n - n % 8;
  for (size_t i = 8; i < whole; i += 8)
    for (size_t j = 0; j < 8; ++j) part[j] += values[i + j];
  double sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  for (size_t i = whole; i < n; ++i) sum += values[i];
  return sum;
}

void accumulate_category(std::span<const PictureMatches* const> pictures, size_t k, size_t category_count,
                         CocoScores& to) {
  const auto recalls = coco_recalls();
  std::array<uint64_t, kCocoAreas> objects{};
  for (const PictureMatches* picture : pictures)
    for (size_t a = 0; a < objects.size(); ++a) objects[a] += picture->matches.objects[a];
  const std::vector<Entry> entries = sorted_entries(pictures);
  const std::vector<EntryWord> words = to_words(entries);
  AreasAndLimits unknown;
  for (size_t i = 0; i < unknown.size(); ++i) unknown[i] = objects[i / kCocoLimits] == 0 ? -1 : 0;
  std::vector<AreasAndLimits> precision(size_t{kCocoThresholds} * kCocoRecalls, unknown), scores = precision;
  std::vector<AreasAndLimits> recall(kCocoThresholds, unknown);
  Curve curve;
  for (size_t t = 0; t < kCocoThresholds; ++t) {
    for (size_t i = 0; i < unknown.size(); ++i) {
      const size_t a = i / kCocoLimits;
      if (objects[a] == 0 || entries.empty()) continue;
      curve.trace(words, t, a, i % kCocoLimits, static_cast<double>(objects[a]));
      recall[t][i] = curve.last_recall();
      precision[t * kCocoRecalls][i] = curve.first_precision();
      scores[t * kCocoRecalls][i] = entries[0].score;
      curve.sample(recalls, [&](size_t r, double value, size_t position) {
        precision[t * kCocoRecalls + r][i] = value;
        scores[t * kCocoRecalls + r][i] = entries[position].score;
      });
    }
  }
  copy_rows(precision, k, category_count, to.precision);
  copy_rows(scores, k, category_count, to.scores);
  copy_rows(recall, k, category_count, to.recall);
}

void summarize_coco(size_t i, CocoScores& scores) {
  const auto ap = [&](const Selection& s) { return mean_precision(scores, s); };
  const auto ar = [&](const Selection& s) { return mean_recall(scores, s); };
  switch (i) {
    case 0: scores.stats[i] = ap({}); return;
    case 1: scores.stats[i] = ap({.threshold = 0}); return;
    case 2: scores.stats[i] = ap({.threshold = 5}); return;
    case 3:
    case 4:
    case 5: scores.stats[i] = ap({.area = i - 2}); return;
    case 6:
    case 7:
    case 8: scores.stats[i] = ar({.limit = i - 6}); return;
    case 9:
    case 10:
    case 11: scores.stats[i] = ar({.area = i - 8}); return;
    default: break;
  }
  const size_t k = i - scores.stats.size();
  CocoCategoryScores& category = scores.categories[k];
  const auto own = static_cast<int64_t>(k);
  category.ap = ap({.category = own});
  category.ap50 = ap({.threshold = 0, .category = own});
  category.ap75 = ap({.threshold = 5, .category = own});
  category.ap_small = ap({.area = 1, .category = own});
  category.ap_medium = ap({.area = 2, .category = own});
  category.ap_large = ap({.area = 3, .category = own});
  category.ar100 = ar({.category = own});
}

}  // namespace az::eval
