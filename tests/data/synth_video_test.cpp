// Generated videos: what is in them, the VOT and YouTube-VOS sets, their determinism.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "data/image.h"
#include "data/label_map.h"
#include "data/synth/video.h"
#include "data/synth_vot.h"
#include "data/synth_youtube_vos.h"
#include "data/vot.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/temporary.h"

namespace {

namespace fs = std::filesystem;
using namespace az;
using namespace az::data;

/// Every file below a folder with its bytes.
std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files[fs::relative(entry.path(), folder).string()] = read_file(entry.path());
  return files;
}

SynthVotOptions small_vot(const fs::path& out) {
  SynthVotOptions options;
  options.out = out;
  options.sequences = 3;
  options.frames = 8;
  options.width = 160;
  options.height = 120;
  return options;
}

SynthYoutubeVosOptions small_youtube(const fs::path& out) {
  SynthYoutubeVosOptions options;
  options.out = out;
  options.train = 4;
  options.valid = 3;
  options.frames = 9;
  options.width = 160;
  options.height = 120;
  return options;
}

/// How far a point lies outside a convex polygon, pixels; 0 inside.
double outside(const cpu::Region& region, double x, double y) {
  const std::vector<float>& v = region.values;
  double worst = 0, sign = 0;
  for (size_t i = 0; i < 4; ++i) {
    const double ax = static_cast<double>(v[2 * i]), ay = static_cast<double>(v[2 * i + 1]);
    const double bx = static_cast<double>(v[(2 * i + 2) % 8]), by = static_cast<double>(v[(2 * i + 3) % 8]);
    const double cx = static_cast<double>(v[(2 * i + 4) % 8]), cy = static_cast<double>(v[(2 * i + 5) % 8]);
    const double length = std::hypot(bx - ax, by - ay);
    if (length == 0) continue;
    sign = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) < 0 ? -1 : 1;
    worst = std::max(worst, -sign * ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / length);
  }
  return worst;
}

}  // namespace

TEST_CASE("label maps are written with the palette of VOC and read back") {
  const test::TemporaryFolder folder;
  LabelMap map{7, 3, {}};
  for (int i = 0; i < 21; ++i) map.labels.push_back(static_cast<uint8_t>(i == 20 ? 255 : i));
  write_label_map(folder.path() / "a.png", map);
  CHECK(read_label_map(folder.path() / "a.png") == map);
  const Image colours = read_image(folder.path() / "a.png");
  const auto colour = [&](int label) {
    const uint8_t* p = colours.at(label % 7, label / 7);
    return std::array<int, 3>{p[0], p[1], p[2]};
  };
  CHECK(colour(0) == std::array<int, 3>{0, 0, 0});
  CHECK(colour(1) == std::array<int, 3>{128, 0, 0});
  CHECK(colour(2) == std::array<int, 3>{0, 128, 0});
  CHECK(colour(3) == std::array<int, 3>{128, 128, 0});
  CHECK(colour(8) == std::array<int, 3>{64, 0, 0});
  map.labels.pop_back();
  CHECK_THROWS_AS(write_label_map(folder.path() / "b.png", map), Error);
}

TEST_CASE("a video's frames are the same in any order, its subject is seen at the start") {
  for (uint64_t number = 0; number < 6; ++number) {
    const synth::Video video(3, number, {.width = 160, .height = 120, .frames = 12, .subjects = 2});
    const synth::Video again(3, number, {.width = 160, .height = 120, .frames = 12, .subjects = 2});
    std::vector<synth::VideoFrame> frames;
    for (int f = 0; f < 12; ++f) frames.push_back(video.frame(f));
    for (const int f : {11, 0, 5}) {
      const synth::VideoFrame frame = again.frame(f);
      CHECK(frame.image.pixels == frames[static_cast<size_t>(f)].image.pixels);
      CHECK(frame.labels == frames[static_cast<size_t>(f)].labels);
    }
    const synth::SubjectTruth& first = frames[0].subjects[0];
    CHECK(static_cast<double>(first.area) >= 0.75 * static_cast<double>(first.whole_area));
    for (const synth::VideoFrame& frame : frames)
      for (size_t s = 0; s < 2; ++s) {
        CHECK(std::ranges::count(frame.labels, static_cast<uint8_t>(s + 1)) == frame.subjects[s].area);
        CHECK(frame.subjects[s].area <= frame.subjects[s].whole_area);
      }
    CHECK(frames[0].image.pixels != frames[1].image.pixels);
  }
  CHECK_THROWS_AS(synth::Video(1, 1, {.width = 10}), Error);
  CHECK_THROWS_AS(synth::Video(1, 1, {.frames = 3}).frame(3), Error);
}

TEST_CASE("objects move and grow as far as the page says") {
  double fastest = 0, sum = 0, smallest = 1e9, largest = 0;
  int steps = 0, jerks = 0;
  for (uint64_t k = 0; k < 40; ++k) {
    Rng rng(9, Purpose::synth, k);
    synth::PathOptions options{.width = 320, .height = 240, .frames = 200, .size_px = 40, .jerks = 0.02};
    const auto path = synth::draw_path(options, rng);
    REQUIRE(path.size() == 200);
    for (size_t i = 1; i < path.size(); ++i) {
      const double speed =
          std::hypot(path[i].centre.x - path[i - 1].centre.x, path[i].centre.y - path[i - 1].centre.y) /
          path[i].size_px;
      fastest = std::max(fastest, speed);
      sum += speed;
      smallest = std::min(smallest, path[i].size_px);
      largest = std::max(largest, path[i].size_px);
      jerks += path[i].jerk;
      ++steps;
      CHECK(path[i].centre.x > -40);
      CHECK(path[i].centre.x < 360);
    }
  }
  CHECK(fastest < 0.31);
  CHECK(fastest > 0.2);
  CHECK(sum / steps > 0.03);
  CHECK(sum / steps < 0.09);
  CHECK(smallest >= 0.6 * 40);
  CHECK(largest <= 1.7 * 40);
  CHECK(largest > 1.4 * 40);
  CHECK(jerks / double{1.0 * steps} == doctest::Approx(0.02).epsilon(0.25));
}

TEST_CASE("synth vot: the set reads as VOT, regions are the masks' rectangles") {
  const test::TemporaryFolder folder;
  const SynthVotSummary summary = write_synth_vot(small_vot(folder.path() / "set"));
  const VotSet set = read_vot(folder.path() / "set");
  const VotSet from_json = read_vot(folder.path() / "set" / "set.json");
  REQUIRE(set.sequences.size() == 3);
  REQUIRE(from_json.sequences.size() == 3);
  int64_t frames = 0;
  for (size_t s = 0; s < 3; ++s) {
    const VotSequence& sequence = set.sequences[s];
    CHECK(sequence.truth == from_json.sequences[s].truth);
    CHECK(sequence.attributes == from_json.sequences[s].attributes);
    CHECK(sequence.images == from_json.sequences[s].images);
    CHECK(sequence.width == 160);
    CHECK(sequence.truth.size() >= 6);
    CHECK(sequence.truth.size() <= 10);
    for (const char* attribute : kVotAttributes)
      CHECK(sequence.attributes.at(attribute).size() == sequence.truth.size());
    for (size_t f = 0; f < sequence.truth.size(); ++f) {
      const LabelMap mask =
          read_label_map(folder.path() / "set" / "masks" / sequence.name / fmt::format("{:08}.png", f + 1));
      const cpu::Region& region = sequence.truth[f];
      REQUIRE(region.values.size() == 8);
      for (int i = 0; i < 160 * 120; ++i)
        if (mask.labels[static_cast<size_t>(i)] == 1) REQUIRE(outside(region, i % 160, i / 160) < 0.01);
    }
    frames += static_cast<int64_t>(sequence.truth.size());
  }
  CHECK(summary.frames == frames);
}

TEST_CASE("synth vot: the same files with any number of workers; other seeds give others; more begins with less") {
  const test::TemporaryFolder folder;
  SynthVotOptions options = small_vot(folder.path() / "a" / "set");
  options.workers = 1;
  write_synth_vot(options);
  options.out = folder.path() / "b" / "set";
  options.workers = 3;
  write_synth_vot(options);
  const auto a = contents(folder.path() / "a"), b = contents(folder.path() / "b");
  CHECK(a == b);
  options.out = folder.path() / "c" / "set";
  options.sequences = 4;
  write_synth_vot(options);
  const auto c = contents(folder.path() / "c");
  for (const auto& [name, bytes] : a)
    if (name != "set/list.txt" && name != "set/set.json") CHECK(c.at(name) == bytes);
  CHECK_THROWS_AS(write_synth_vot(options), Error);  // not empty
  options.force = true;
  options.seed = 2;
  options.sequences = 3;
  write_synth_vot(options);
  CHECK(contents(folder.path() / "c").at("set/list.txt") != a.at("set/list.txt"));
}

TEST_CASE("synth youtube-vos: meta.json, pictures and annotations agree") {
  const test::TemporaryFolder folder;
  const SynthYoutubeVosOptions options = small_youtube(folder.path() / "a");
  const SynthYoutubeVosSummary summary = write_synth_youtube_vos(options);
  CHECK(summary.frames == 7 * 9);
  int64_t objects = 0;
  for (const auto& [part, truth] : {std::pair{"train", "train"}, std::pair{"valid", "valid_truth"}}) {
    const auto meta = nlohmann::json::parse(read_file(options.out / part / "meta.json"));
    CHECK(meta.at("videos").size() == (std::string(part) == "train" ? 4 : 3));
    for (const auto& [name, video] : meta.at("videos").items()) {
      std::map<std::string, std::set<std::string>> seen;
      for (int f = 0; f < 9; ++f) {
        const std::string stem = fmt::format("{:05}", 5 * f);
        CHECK(image_size(options.out / part / "JPEGImages" / name / (stem + ".jpg")) == ImageSize{160, 120});
        const LabelMap map = read_label_map(options.out / truth / "Annotations" / name / (stem + ".png"));
        std::map<int, int> area;
        for (const uint8_t label : map.labels) ++area[label];
        for (const auto& [label, pixels] : area)
          if (label != 0) {
            CHECK(pixels >= 50);
            seen[std::to_string(label)].insert(stem);
          }
      }
      CHECK(seen.size() == video.at("objects").size());
      for (const auto& [id, object] : video.at("objects").items()) {
        const auto stems = object.at("frames").get<std::vector<std::string>>();
        CHECK(std::set<std::string>(stems.begin(), stems.end()) == seen[id]);
        ++objects;
        if (std::string(part) != "valid") continue;
        const LabelMap first = read_label_map(options.out / part / "Annotations" / name / (stems[0] + ".png"));
        CHECK(std::ranges::count(first.labels, static_cast<uint8_t>(std::stoi(id))) >= 50);
      }
    }
  }
  CHECK(objects == summary.objects);

  SynthYoutubeVosOptions again = small_youtube(folder.path() / "b");
  again.workers = 3;
  write_synth_youtube_vos(again);
  CHECK(contents(folder.path() / "a") == contents(folder.path() / "b"));
}
