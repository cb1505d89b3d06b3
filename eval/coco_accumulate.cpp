#include "eval/coco_accumulate.h"

#include <algorithm>

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

// The curve of one category, area range, limit and threshold. Recall grows, and precision has its peaks, at hits only,
// so the curve is kept there: the reference's envelope (the largest precision from a place on) is the same numbers.
class Curve {
 public:
  void trace(std::span<const Entry> entries, size_t t, size_t a, double objects) {
    hits_.clear();
    double misses = 0;
    for (size_t i = 0; i < entries.size(); ++i) {
      if ((entries[i].bits->ignored[a] >> t & 1) != 0) continue;
      if ((entries[i].bits->matched[a] >> t & 1) == 0) {
        misses += 1;
        continue;
      }
      const auto count = static_cast<double>(hits_.size() + 1);
      hits_.push_back({i, count / objects, count / ((misses + count) + kEpsilon)});
    }
    for (size_t i = hits_.size(); i-- > 1;)
      hits_[i - 1].precision = std::max(hits_[i - 1].precision, hits_[i].precision);
  }

  double last_recall() const { return hits_.empty() ? 0 : hits_.back().recall; }

  // Calls f(r, precision, position) for each recall threshold that a detection reaches: recall 0 the first one does.
  template <class F>
  void sample(const std::array<double, kCocoRecalls>& recalls, const F& f) const {
    f(size_t{0}, hits_.empty() ? 0.0 : hits_[0].precision, size_t{0});
    size_t next = 0;
    for (size_t r = 1; r < recalls.size(); ++r) {
      while (next < hits_.size() && hits_[next].recall < recalls[r]) ++next;
      if (next == hits_.size()) return;
      f(r, hits_[next].precision, hits_[next].position);
    }
  }

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
  const std::vector<Entry> all = sorted_entries(pictures);
  Curve curve;
  for (size_t m = 0; m < kLimits.size(); ++m) {
    std::vector<Entry> entries;
    std::ranges::copy_if(all, std::back_inserter(entries), [&](const Entry& entry) { return entry.rank < kLimits[m]; });
    for (size_t a = 0; a < objects.size(); ++a) {
      if (objects[a] == 0) continue;
      for (size_t t = 0; t < kCocoThresholds; ++t) {
        curve.trace(entries, t, a, static_cast<double>(objects[a]));
        to.recall[recall_at(t, k, a, m, category_count)] = curve.last_recall();
        for (size_t r = 0; r < recalls.size(); ++r) {
          const size_t at = precision_at(t, r, k, a, m, category_count);
          to.precision[at] = to.scores[at] = 0;
        }
        if (entries.empty()) continue;
        curve.sample(recalls, [&](size_t r, double precision, size_t position) {
          const size_t at = precision_at(t, r, k, a, m, category_count);
          to.precision[at] = precision;
          to.scores[at] = entries[position].score;
        });
      }
    }
  }
}

void summarize_coco(CocoScores& scores) {
  const auto ap = [&](const Selection& s) { return mean_precision(scores, s); };
  const auto ar = [&](const Selection& s) { return mean_recall(scores, s); };
  scores.stats = {ap({}),          ap({.threshold = 0}), ap({.threshold = 5}), ap({.area = 1}),
                  ap({.area = 2}), ap({.area = 3}),      ar({.limit = 0}),     ar({.limit = 1}),
                  ar({}),          ar({.area = 1}),      ar({.area = 2}),      ar({.area = 3})};
  for (size_t k = 0; k < scores.categories.size(); ++k) {
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
}

}  // namespace az::eval
