#include "data/siam_pairs.h"

#include <algorithm>
#include <unordered_set>

#include "data/image.h"
#include "data/stopwatch.h"
#include "tensor/error.h"

namespace az::data {
namespace {

namespace fs = std::filesystem;

template <class Item>
void shuffle(std::vector<Item>& items, Rng& rng) {
  for (size_t i = items.size(); i > 1; --i)
    std::swap(items[i - 1], items[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(i) - 1))]);
}

size_t draw_index(size_t count, Rng& rng) {
  return static_cast<size_t>(rng.integer(0, static_cast<int64_t>(count) - 1));
}

/// Looks for the crops of a list, a folder's listing at a time: a million single look-ups are slow on shared disks.
class CropCheck {
 public:
  CropCheck(const fs::path& folder, bool masks) : folder_(folder), masks_(masks) {}

  void run(const SiamList& list) {
    for (size_t v = 0; v < list.videos().size(); ++v) {
      const std::string& video = list.videos()[v].name;
      read_listing(video);
      const auto [begin, end] = list.tracks_of(v);
      for (size_t t = begin; t < end; ++t)
        for (const SiamFrame& frame : list.frames_of(t)) {
          look_for(crop511_picture(folder_, video, frame.number, list.tracks()[t].name));
          if (masks_) look_for(crop511_mask_file(folder_, video, frame.number, list.tracks()[t].name));
        }
    }
    AZ_CHECK(missing_ == 0, "{}: the crop is missing{}; run `azimuth convert crop511` again, it adds what is not there",
             first_.string(), missing_ > 1 ? fmt::format(", and {} more are", missing_ - 1) : "");
  }

 private:
  void read_listing(const std::string& video) {
    names_.clear();
    std::error_code error;
    for (auto at = fs::directory_iterator(folder_ / video, error); !error && at != fs::end(at); at.increment(error))
      names_.insert(at->path().filename().string());
  }
  void look_for(const fs::path& file) {
    if (names_.contains(file.filename().string())) return;
    if (missing_++ == 0) first_ = file;
  }

  fs::path folder_, first_;
  bool masks_;
  int64_t missing_ = 0;
  std::unordered_set<std::string> names_;
};

void check(const SiamPairOptions& o) {
  const auto share = [](double p) { return p >= 0 && p <= 1; };
  AZ_CHECK(share(o.grey) && share(o.negative), "siam pairs: probabilities grey {} and negative {}, want 0 to 1", o.grey,
           o.negative);
  for (const auto& [side, augment] : {std::pair{o.exemplar_side, o.exemplar}, std::pair{o.search_side, o.search}}) {
    AZ_CHECK(share(augment.blur) && share(augment.flip), "siam pairs: probabilities blur {} and flip {}, want 0 to 1",
             augment.blur, augment.flip);
    siam_window(kCropSide, side, augment, {});  // throws what is wrong
  }
}

Image read_crop(const fs::path& file) {
  Image crop = read_image(file);
  AZ_CHECK(crop.width == kCropSide && crop.height == kCropSide, "{}: is {} x {} pixels, want {} x {}", file.string(),
           crop.width, crop.height, kCropSide, kCropSide);
  return crop;
}

}  // namespace

SiamPairs::SiamPairs(const std::vector<SiamSetOptions>& sets, const SiamPairOptions& options) : options_(options) {
  check(options);
  AZ_CHECK(!sets.empty(), "siam pairs: no data set to train on");
  for (const SiamSetOptions& set : sets) {
    AZ_CHECK(set.frame_range >= 0 && set.per_round >= 0, "siam pairs: set {} has frame_range {} and per_round {}",
             set.name, set.frame_range, set.per_round);
    Set& added = sets_.emplace_back(Set{set, read_siam_list(set.list), 0});
    added.dropped = added.list.drop_empty();
    AZ_CHECK(!added.list.videos().empty(), "{}: has no box with an extent", set.list.string());
    CropCheck(set.crops, set.masks).run(added.list);
    round_size_ += set.per_round > 0 ? set.per_round : static_cast<int64_t>(added.list.videos().size());
  }
}

std::shared_ptr<const SiamPairs::Order> SiamPairs::order(int64_t round) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [known, list] : orders_)
    if (known == round) return list;
  auto made = std::make_shared<Order>();
  made->reserve(static_cast<size_t>(round_size_));
  for (uint32_t s = 0; s < sets_.size(); ++s) {
    Rng rng(options_.seed, Purpose::shuffle, s, static_cast<uint64_t>(round));
    std::vector<uint32_t> videos(sets_[s].list.videos().size());
    for (uint32_t v = 0; v < videos.size(); ++v) videos[v] = v;
    const int64_t asked = sets_[s].options.per_round;
    const size_t wanted = asked > 0 ? static_cast<size_t>(asked) : videos.size();
    for (size_t k = 0; k < wanted; ++k) {
      if (k % videos.size() == 0) shuffle(videos, rng);
      made->emplace_back(s, videos[k % videos.size()]);
    }
  }
  Rng rng(options_.seed, Purpose::shuffle, sets_.size(), static_cast<uint64_t>(round));
  shuffle(*made, rng);
  if (orders_.size() == 2) orders_.erase(orders_.begin());
  orders_.emplace_back(round, made);
  return made;
}

std::pair<uint32_t, uint32_t> SiamPairs::video_of(int64_t index) const {
  AZ_CHECK(index >= 0, "siam pairs: sample {}", index);
  return (*order(index / round_size_))[static_cast<size_t>(index % round_size_)];
}

SiamTarget SiamPairs::draw_target(size_t set, size_t video, Rng& rng) const {
  const SiamList& list = sets_[set].list;
  const auto [begin, end] = list.tracks_of(video);
  const size_t track = begin + draw_index(end - begin, rng);
  return {set, track, draw_index(list.frames_of(track).size(), rng)};
}

SiamPair SiamPairs::draw_pair(int64_t index, Rng& rng) const {
  const auto [set, video] = video_of(index);
  SiamPair pair;
  pair.grey = rng.chance(options_.grey);
  pair.negative = rng.chance(options_.negative);
  pair.exemplar = draw_target(set, video, rng);
  if (pair.negative) {
    const size_t other = draw_index(sets_.size(), rng);
    pair.search = draw_target(other, draw_index(sets_[other].list.videos().size(), rng), rng);
    return pair;
  }
  const auto range = static_cast<size_t>(sets_[set].options.frame_range);
  const size_t frames = sets_[set].list.frames_of(pair.exemplar.track).size();
  const size_t low = pair.exemplar.frame - std::min(pair.exemplar.frame, range);
  const size_t high = std::min(pair.exemplar.frame + range, frames - 1);
  pair.search = {set, pair.exemplar.track, low + draw_index(high - low + 1, rng)};
  return pair;
}

SiamPairs::Drawn SiamPairs::draw_crop(const SiamTarget& target, const SiamAugment& augment, int side, bool grey,
                                      bool with_mask, Rng& rng, double& decode_ms) const {
  const Set& set = sets_[target.set];
  const SiamList::Track& track = set.list.tracks()[target.track];
  const std::string& video = set.list.videos()[track.video].name;
  const SiamFrame& frame = set.list.frames_of(target.track)[target.frame];
  Stopwatch watch;
  Image picture = read_crop(crop511_picture(set.options.crops, video, frame.number, track.name));
  Image mask;
  if (with_mask) mask = read_crop(crop511_mask_file(set.options.crops, video, frame.number, track.name));
  decode_ms += watch.lap_ms();
  if (grey) picture = to_grey(picture);
  const SiamWindow window = siam_window(kCropSide, side, augment, draw_siam_window(rng));
  const CornerBox box = box_in_crop511(frame.box.x2 - frame.box.x1, frame.box.y2 - frame.box.y1);
  Drawn drawn;
  drawn.box = siam_box(window, box);
  drawn.pixels = siam_pixels(picture, window, side, options_.colour ? draw_colour_offset(rng) : std::array<float, 3>{});
  if (const auto blur = draw_blur(augment.blur, rng)) apply_blur(*blur, side, drawn.pixels);
  if (with_mask) drawn.mask = siam_mask(mask, window, side);
  if (rng.chance(augment.flip)) {
    mirror(side, 3, drawn.pixels);
    if (with_mask) mirror(side, 1, drawn.mask);
    drawn.box = mirror(side, drawn.box);
  }
  return drawn;
}

SiamPair SiamPairs::pair(int64_t index) const {
  Rng rng(options_.seed, Purpose::augment, static_cast<uint64_t>(index));
  return draw_pair(index, rng);
}

SiamSample SiamPairs::make(int64_t index, double& decode_ms) const {
  Rng rng(options_.seed, Purpose::augment, static_cast<uint64_t>(index));
  SiamSample sample;
  sample.pair = draw_pair(index, rng);
  sample.negative = sample.pair.negative;
  const bool grey = sample.pair.grey;
  sample.exemplar =
      draw_crop(sample.pair.exemplar, options_.exemplar, options_.exemplar_side, grey, false, rng, decode_ms).pixels;
  const bool with_mask = sets_[sample.pair.search.set].options.masks && !sample.negative;
  Drawn search = draw_crop(sample.pair.search, options_.search, options_.search_side, grey, with_mask, rng, decode_ms);
  sample.search = std::move(search.pixels);
  sample.box = search.box;
  sample.mask = std::move(search.mask);
  return sample;
}

SiamSample SiamPairs::sample(int64_t index) const {
  double unused = 0;
  return make(index, unused);
}

SiamBatch SiamPairs::batch(int64_t first, int64_t count) const {
  AZ_CHECK(first >= 0 && count >= 0, "siam pairs: a batch of {} samples from {}", count, first);
  SiamBatch batch;
  batch.n = count;
  batch.exemplar_side = options_.exemplar_side;
  batch.search_side = options_.search_side;
  const auto n = static_cast<size_t>(count);
  const size_t area = static_cast<size_t>(options_.search_side) * static_cast<size_t>(options_.search_side);
  const size_t exemplar_area =
      static_cast<size_t>(options_.exemplar_side) * static_cast<size_t>(options_.exemplar_side);
  batch.exemplar.reserve(n * exemplar_area * 3);
  batch.search.reserve(n * area * 3);
  batch.masks.reserve(n * area);
  Stopwatch watch;
  for (int64_t i = first; i < first + count; ++i) {
    const SiamSample sample = make(i, batch.decode_ms);
    batch.exemplar.insert(batch.exemplar.end(), sample.exemplar.begin(), sample.exemplar.end());
    batch.search.insert(batch.search.end(), sample.search.begin(), sample.search.end());
    batch.boxes.push_back(sample.box);
    batch.has_mask.push_back(sample.mask.empty() ? 0 : 1);
    batch.masks.insert(batch.masks.end(), sample.mask.begin(), sample.mask.end());
    batch.masks.resize(batch.boxes.size() * area);
    batch.negative.push_back(sample.negative ? 1 : 0);
  }
  batch.warp_ms = watch.lap_ms() - batch.decode_ms;
  return batch;
}

}  // namespace az::data
