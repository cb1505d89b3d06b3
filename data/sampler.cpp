#include "data/sampler.h"

#include <algorithm>
#include <utility>

#include "tensor/error.h"
#include "tensor/rng.h"

namespace az::data {
namespace {

/// Fisher-Yates.
void shuffle(std::vector<int64_t>& items, Rng& rng) {
  for (size_t i = items.size(); i > 1; --i) {
    std::swap(items[i - 1], items[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(i) - 1))]);
  }
}

}  // namespace

AspectSampler::AspectSampler(std::vector<bool> landscape, const Options& options) : options_(options) {
  AZ_CHECK(!landscape.empty(), "sampler: the data set has no picture to train on");
  AZ_CHECK(options.batch >= 1, "sampler: batch of {} pictures, want at least 1", options.batch);
  for (size_t i = 0; i < landscape.size(); ++i) groups_[landscape[i] ? 1 : 0].push_back(static_cast<int64_t>(i));
  for (const auto& group : groups_) {
    batches_ += (static_cast<int64_t>(group.size()) + options.batch - 1) / options.batch;
  }
}

std::vector<int64_t> AspectSampler::order(int64_t epoch) const {
  // "Samples" 0 and 1 of the stream are the groups' orders, 2 is that of the batches.
  const auto stream = [&](uint64_t part) {
    return Rng(options_.seed, Purpose::shuffle, part, static_cast<uint64_t>(epoch));
  };
  const auto size = static_cast<size_t>(options_.batch);
  std::vector<int64_t> filled;
  for (uint64_t g = 0; g < 2; ++g) {
    std::vector<int64_t> group = groups_[g];
    Rng rng = stream(g);
    if (options_.shuffle) shuffle(group, rng);
    const size_t count = group.size();
    const size_t whole = (count + size - 1) / size * size;
    for (size_t i = 0; i < whole; ++i) filled.push_back(group[i % count]);
  }
  std::vector<int64_t> batches(static_cast<size_t>(batches_));
  for (size_t i = 0; i < batches.size(); ++i) batches[i] = static_cast<int64_t>(i);
  Rng rng = stream(2);
  if (options_.shuffle) shuffle(batches, rng);
  std::vector<int64_t> ordered;
  ordered.reserve(filled.size());
  for (const int64_t b : batches) {
    const auto begin = filled.begin() + b * options_.batch;
    ordered.insert(ordered.end(), begin, begin + options_.batch);
  }
  return ordered;
}

std::vector<int64_t> AspectSampler::batch(int64_t epoch, int64_t position) const {
  AZ_CHECK(position >= 0 && position < batches_, "sampler: batch {} of an epoch of {}", position, batches_);
  const std::lock_guard lock(mutex_);
  auto found = std::ranges::find(orders_, epoch, &std::pair<int64_t, std::vector<int64_t>>::first);
  if (found == orders_.end()) {
    if (orders_.size() == 2) orders_.erase(orders_.begin());
    orders_.emplace_back(epoch, order(epoch));
    found = orders_.end() - 1;
  }
  const auto begin = found->second.begin() + position * options_.batch;
  return {begin, begin + options_.batch};
}

}  // namespace az::data
