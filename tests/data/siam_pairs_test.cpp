#include "data/siam_pairs.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "data/loader.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/temporary.h"

using namespace az;
using namespace az::data;
namespace fs = std::filesystem;

namespace {

/// A set of crops in a folder: `videos` of one track of `frames`, whose crop has a bright square where its box is.
SiamSetOptions write_set(const fs::path& folder, const std::string& name, int videos, int frames, bool masks) {
  SiamList list;
  const CornerBox box{10, 20, 50, 44};
  const CornerBox placed = box_in_crop511(40, 24);
  for (int v = 0; v < videos; ++v) {
    const std::string video = "video" + std::to_string(v);
    list.add_video(video);
    fs::create_directories(folder / name / video);
    std::vector<SiamFrame> track;
    for (int f = 0; f < frames; ++f) {
      Image crop(kCropSide, kCropSide), mask(kCropSide, kCropSide, 1);
      for (int y = 0; y < kCropSide; ++y)
        for (int x = 0; x < kCropSide; ++x) {
          const bool on = x >= placed.x1 && x <= placed.x2 && y >= placed.y1 && y <= placed.y2;
          const uint8_t colour[3] = {static_cast<uint8_t>(on ? 220 : 40), static_cast<uint8_t>(20 * f),
                                     static_cast<uint8_t>(60 * v)};
          std::copy_n(colour, 3, crop.at(x, y));
          *mask.at(x, y) = on ? 255 : 0;
        }
      write_jpeg(crop511_picture(folder / name, video, 3 * f, "00"), crop, 95);
      if (masks) write_png(crop511_mask_file(folder / name, video, 3 * f, "00"), mask);
      track.push_back({3 * f, box});
    }
    list.add_track("00", std::move(track));
  }
  write_siam_list(folder / (name + ".json"), list);
  return {name, folder / name, folder / (name + ".json"), 2, 0, masks};
}

bool equal(const SiamBatch& a, const SiamBatch& b) {
  return a.exemplar == b.exemplar && a.search == b.search && a.boxes == b.boxes && a.masks == b.masks &&
         a.has_mask == b.has_mask && a.negative == b.negative;
}

}  // namespace

TEST_CASE("a list is read, written and read again; empty boxes, tracks and videos go") {
  const std::string text = R"({"a": {"00": {"000003": [1, 2, 3, 4.5], "000001": [0, 0, 9, 9], "note": [1]},
    "01": {"000000": [5, 5, 5, 9]}}, "b/c": {"00": {"000000": [5, 5, 4, 9]}}, "d": {}})";
  SiamList list = decode_siam_list(text, "list");
  CHECK(list.videos().size() == 3);
  CHECK(list.frame_count() == 4);
  CHECK(list.frames_of(0)[0].number == 1);
  CHECK(list.frames_of(0)[1].box == CornerBox{1, 2, 3, 4.5});
  const test::TemporaryFolder folder;
  write_siam_list(folder.path() / "list.json", list);
  const SiamList again = read_siam_list(folder.path() / "list.json");
  CHECK(again.frame_count() == 4);
  CHECK(again.videos()[1].name == "b/c");
  CHECK(again.frames_of(0)[1].box == CornerBox{1, 2, 3, 4.5});
  CHECK(list.drop_empty() == 2);
  CHECK(list.videos().size() == 1);
  CHECK(list.tracks().size() == 1);
  CHECK(list.frame_count() == 2);
}

TEST_CASE("a broken list is refused with the place") {
  const auto decode = [](const char* text) { decode_siam_list(text, "l.json"); };
  CHECK_THROWS_WITH_AS(decode(R"({"v": {"00": {"000001": [1, 2, 3]}}})"),
                       R"-(l.json: "v"."00"."000001": should be a list of four numbers, x1, y1, x2, y2)-", Error);
  CHECK_THROWS_WITH_AS(decode(R"({"v": {"00": {"1": [1, 2, 3, 4], "01": [1, 2, 3, 4]}}})"),
                       R"-(l.json: "v"."00": has the frame 1 twice)-", Error);
  CHECK_THROWS_WITH_AS(decode(R"({"v": {"00": [1]}})"), R"-(l.json: "v"."00": should be an object of frames)-", Error);
  CHECK_THROWS_WITH_AS(decode(R"({"v": 3})"), R"-(l.json: "v": should be an object of tracks)-", Error);
  CHECK_THROWS_AS(decode(R"({"v": {"00": {"1": [1, 2, 3, 4)"), Error);
  CHECK_THROWS_AS(decode("[]"), Error);
  CHECK_THROWS_AS(decode(R"({"v": {}} x)"), Error);
}

TEST_CASE("pairs come in the shares, ranges and probabilities that were asked for") {
  const test::TemporaryFolder folder;
  SiamSetOptions a = write_set(folder.path(), "a", 3, 6, true), b = write_set(folder.path(), "b", 2, 1, false);
  a.per_round = 70;
  const SiamPairs pairs({a, b}, {});
  REQUIRE(pairs.round_size() == 72);
  constexpr int64_t kRounds = 300;
  std::map<std::pair<size_t, size_t>, int> videos;  // set and track
  std::map<int64_t, int> gaps;
  int grey = 0, negative = 0, positives_of_a = 0, other_set = 0;
  for (int64_t i = 0; i < kRounds * 72; ++i) {
    const SiamPair pair = pairs.pair(i);
    CHECK(pair == pairs.pair(i));
    ++videos[{pair.exemplar.set, pair.exemplar.track}];
    grey += pair.grey;
    negative += pair.negative;
    other_set += pair.negative && pair.search.set == 1;
    if (pair.negative || pair.exemplar.set != 0) continue;
    CHECK(pair.search.track == pair.exemplar.track);
    ++gaps[static_cast<int64_t>(pair.search.frame) - static_cast<int64_t>(pair.exemplar.frame)];
    ++positives_of_a;
  }
  // Exact: every round draws set b's videos once each and set a's 23 or 24 times.
  CHECK(videos[{1, 0}] == kRounds);
  CHECK(videos[{1, 1}] == kRounds);
  for (size_t v = 0; v < 3; ++v) CHECK(std::abs(videos[{0, v}] - 70 * kRounds / 3) <= 2 * kRounds);
  const double all = static_cast<double>(kRounds * 72);
  CHECK(grey / all == doctest::Approx(0.25).epsilon(0.05));
  CHECK(negative / all == doctest::Approx(0.2).epsilon(0.05));
  CHECK(other_set / double{1.0 * negative} == doctest::Approx(0.5).epsilon(0.06));
  // Six frames and a range of two: windows of 3, 4, 5, 5, 4, 3 frames, so the same frame comes with 47/180.
  CHECK(gaps.begin()->first == -2);
  CHECK(gaps.rbegin()->first == 2);
  CHECK(gaps[0] / double{1.0 * positives_of_a} == doctest::Approx(47.0 / 180).epsilon(0.06));
}

TEST_CASE("rounds differ, and another seed gives other pairs") {
  const test::TemporaryFolder folder;
  const SiamSetOptions set = write_set(folder.path(), "a", 3, 4, false);
  const auto drawn = [&](uint64_t seed, int64_t from) {
    SiamPairOptions options;
    options.seed = seed;
    const SiamPairs pairs({set}, options);
    std::vector<SiamPair> list;
    for (int64_t i = from; i < from + 30; ++i) list.push_back(pairs.pair(i));
    return list;
  };
  CHECK(drawn(1, 0) == drawn(1, 0));
  CHECK(drawn(1, 0) != drawn(1, 30));
  CHECK(drawn(1, 0) != drawn(2, 0));
}

TEST_CASE("samples show the object where the box and the mask say") {
  const test::TemporaryFolder folder;
  const SiamSetOptions set = write_set(folder.path(), "a", 2, 2, true);
  for (const int side : {255, 143}) {
    SiamPairOptions options;
    options.search_side = side;
    options.grey = options.negative = 0;
    options.search = {.shift = side == 143 ? 8.0 : 64.0, .scale = 0.18, .blur = 0.18, .flip = 0.3};
    options.colour = false;
    const SiamPairs pairs({set}, options);
    for (int64_t i = 0; i < 12; ++i) {
      const SiamSample s = pairs.sample(i);
      REQUIRE(s.exemplar.size() == 127 * 127 * 3);
      REQUIRE(s.search.size() == static_cast<size_t>(side * side * 3));
      REQUIRE(s.mask.size() == static_cast<size_t>(side * side));
      const auto red = [&](double x, double y) {
        return s.search[static_cast<size_t>((std::lrint(y) * side + std::lrint(x)) * 3 + 2)];
      };
      const double cx = (s.box.x1 + s.box.x2) / 2, cy = (s.box.y1 + s.box.y2) / 2;
      CHECK(red(cx, cy) > 200);
      CHECK(red(s.box.x1 + 6, cy) > 150);
      if (s.box.x1 > 8) CHECK(red(s.box.x1 - 6, cy) < 110);
      const auto area = static_cast<double>(std::ranges::count(s.mask, int8_t{1}));
      const double box_area = (s.box.x2 - s.box.x1) * (s.box.y2 - s.box.y1);
      if (s.box.x1 > 0 && s.box.y1 > 0 && s.box.x2 < side && s.box.y2 < side)
        CHECK(area == doctest::Approx(box_area).epsilon(0.06));
      CHECK(s.exemplar[(63 * 127 + 63) * 3 + 2] > 200);
    }
  }
}

TEST_CASE("negatives have no mask, grey crops three equal channels") {
  const test::TemporaryFolder folder;
  const SiamSetOptions set = write_set(folder.path(), "a", 2, 2, true);
  SiamPairOptions options;
  options.grey = options.negative = 1;
  options.colour = false;
  const SiamPairs pairs({set}, options);
  const SiamSample s = pairs.sample(0);
  CHECK(s.negative);
  CHECK(s.mask.empty());
  for (size_t i = 0; i < s.search.size(); i += 3) {
    REQUIRE(s.search[i] == doctest::Approx(s.search[i + 1]));
    REQUIRE(s.search[i] == doctest::Approx(s.search[i + 2]));
  }
}

TEST_CASE("batches replay exactly with any number of workers and from any step") {
  const test::TemporaryFolder folder;
  const SiamSetOptions a = write_set(folder.path(), "a", 2, 3, true), b = write_set(folder.path(), "b", 1, 1, false);
  const SiamPairs pairs({a, b}, {});
  constexpr int64_t kSize = 2, kSteps = 6;  // more than a round of three samples
  std::vector<SiamBatch> want;
  for (int64_t step = 0; step < kSteps; ++step) want.push_back(pairs.batch(step * kSize, kSize));
  const SiamPairs fresh({a, b}, {});
  for (const int workers : {0, 1, 3})
    for (const int64_t begin : {0, 4}) {
      Loader<SiamBatch> loader([&](int64_t step) { return fresh.batch(step * kSize, kSize); },
                               {workers, 3, begin, kSteps});
      for (int64_t step = begin; step < kSteps; ++step) {
        const auto batch = loader.next();
        REQUIRE(batch.has_value());
        CHECK(equal(*batch, want[static_cast<size_t>(step)]));
      }
    }
  for (const SiamBatch& batch : want)
    for (size_t i = 0; i < 2; ++i) {
      const auto begin = batch.masks.begin() + static_cast<ptrdiff_t>(i * 255 * 255);
      CHECK(std::all_of(begin, begin + 255 * 255,
                        [&](float v) { return batch.has_mask[i] ? std::abs(v) == 1 : v == 0; }));
    }
}

TEST_CASE("missing crops are found at the start and named") {
  const test::TemporaryFolder folder;
  const SiamSetOptions set = write_set(folder.path(), "a", 2, 2, true);
  const fs::path lost = set.crops / "video1" / "000003.00.m.png";
  fs::remove(lost);
  try {
    const SiamPairs pairs({set}, {});
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(std::string(e.what()).starts_with(lost.string() + ": the crop is missing;"));
  }
  fs::remove_all(set.crops / "video0");
  try {
    const SiamPairs pairs({set}, {});
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(std::string(e.what()).find("000000.00.x.jpg: the crop is missing, and 4 more are") != std::string::npos);
  }
}

TEST_CASE("crops of another size and impossible options are refused") {
  const test::TemporaryFolder folder;
  const SiamSetOptions set = write_set(folder.path(), "a", 1, 1, false);
  write_jpeg(set.crops / "video0" / "000000.00.x.jpg", Image(100, 511));
  const SiamPairs pairs({set}, {});
  CHECK_THROWS_AS(pairs.sample(0), Error);
  CHECK_THROWS_AS(SiamPairs({}, {}), Error);
  SiamPairOptions options;
  options.search_side = 1000;
  CHECK_THROWS_AS(SiamPairs({set}, options), Error);
  options = {};
  options.negative = 2;
  CHECK_THROWS_AS(SiamPairs({set}, options), Error);
  write_file(set.list, R"({"v": {"00": {"000000": [3, 3, 3, 3]}}})");
  CHECK_THROWS_WITH_AS(SiamPairs({set}, {}), (set.list.string() + ": has no box with an extent").c_str(), Error);
}
