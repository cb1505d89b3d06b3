#include "eval/siam_run.h"

#include <doctest/doctest.h>

#include <cmath>

#include "data/label_map.h"
#include "eval/siam_vos.h"
#include "eval/track_output.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/devices.h"
#include "tests/support/temporary.h"

using namespace az;
namespace fs = std::filesystem;

namespace {

std::unique_ptr<models::SiamMask> network(int64_t mask_side = 63) {
  models::SiamMaskOptions o;
  o.backbone.blocks = {1, 1, 1};
  o.backbone.width = 4;
  o.channels = 8;
  o.mask_side = mask_side;
  o.refine = mask_side > 0;
  auto made = std::make_unique<models::SiamMask>(nn::Builder{test::cpu(), 3}, o);
  for (const nn::Entry& e : nn::entries(*made)) {
    if (e.name != "features.features.conv1.weight") continue;
    auto values = e.tensor->to_vector<float>();
    for (float& v : values) v *= 0.01F;
    e.tensor->copy_from(Tensor::from(values, e.tensor->shape(), test::cpu()));
  }
  made->set_training(false);
  return made;
}

/// A bright square that moves to the right; it is 20 x 16 pixels at (20 + 2 i, 24).
data::Image frame(int i) {
  data::Image image(96, 64);
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 96; ++x) {
      const bool inside = x >= 20 + 2 * i && x < 40 + 2 * i && y >= 24 && y < 40;
      for (int c = 0; c < 3; ++c) image.at(x, y)[c] = static_cast<uint8_t>(inside ? 200 : 30 + (x * 7 + y * 5) % 40);
    }
  return image;
}

/// A VOT set of one sequence, whose object jumps away in frame `jump`.
data::VotSet make_vot(const fs::path& root, int frames, int jump) {
  fs::create_directories(root / "one");
  std::string truth;
  for (int i = 0; i < frames; ++i) {
    char name[16];
    std::snprintf(name, sizeof name, "%08d.jpg", i + 1);
    data::write_jpeg(root / "one" / name, frame(i));
    const int x = i == jump ? 1000 : 20 + 2 * i;
    truth += std::to_string(x) + ",24,20,16\n";
  }
  write_file(root / "one" / "groundtruth.txt", truth);
  write_file(root / "list.txt", "one\n");
  return data::read_vot(root);
}

bool is_code(const cpu::Region& r, float code) { return r.values.size() == 1 && r.values[0] == code; }

}  // namespace

TEST_CASE("a supervised run starts, loses the object, waits, and starts again; its files can be read back") {
  const test::TemporaryFolder folder;
  const data::VotSet set = make_vot(folder.path() / "set", 14, 4);
  const auto net = network();
  models::SiamTracker tracker(*net, std::vector<models::SiamTrackOptions>(2), test::cpu());
  eval::TrackTime time;
  size_t done = 0;
  const auto results = eval::track_vot(tracker, set, {"a", "b"}, time, [&](const std::string& name, size_t n, size_t) {
    CHECK(name == "one");
    done = n;
  });
  CHECK(done == 1);
  REQUIRE(results.size() == 2);
  const auto& lines = results[0].runs.at(0).at(0);
  REQUIRE(lines.size() == 14);
  CHECK(is_code(lines[0], 1));
  CHECK(lines[1].values.size() == 8);
  CHECK(is_code(lines[4], 2));
  for (size_t i = 5; i < 9; ++i) CHECK(is_code(lines[i], 0));
  CHECK(is_code(lines[9], 1));
  CHECK(results[1].runs == results[0].runs);
  CHECK(time.frames == 8);
  CHECK(time.per_second() > 0);
  eval::write_vot_results(set, results[0], folder.path() / "results");
  const auto read = data::read_vot_results(folder.path() / "results" / "a", set);
  REQUIRE(read.runs.at(0).at(0).size() == 14);
  CHECK(eval::evaluate_vot(set, read, {.interval = {1, 5}}).lost_number == 1);
}

TEST_CASE("frames that are missing end a run at its start, by name") {
  const test::TemporaryFolder folder;
  data::VotSet set = make_vot(folder.path() / "set", 3, -1);
  const auto net = network();
  models::SiamTracker tracker(*net, {models::SiamTrackOptions{}}, test::cpu());
  eval::TrackTime time;
  set.sequences[0].images.pop_back();
  CHECK_THROWS_AS(eval::track_vot(tracker, set, {"a"}, time), Error);
  set.sequences[0].images.clear();
  set.sequences[0].truth.clear();
  CHECK_THROWS_AS(eval::track_vot(tracker, set, {"a"}, time), Error);
  write_file(folder.path() / "set" / "list.txt", "one\ntwo\n");
  try {
    data::read_vot(folder.path() / "set");
    FAIL("read");
  } catch (const Error& e) {
    CHECK(std::string(e.what()).find("two") != std::string::npos);
  }
}

TEST_CASE("one-pass results begin with the annotation, in coordinates that count from 1") {
  const test::TemporaryFolder folder;
  fs::create_directories(folder.path() / "Ball" / "img");
  std::string truth;
  for (int i = 0; i < 4; ++i) {
    data::write_png(folder.path() / "Ball" / "img" / ("000" + std::to_string(i + 1) + ".png"), frame(i));
    truth += std::to_string(21 + 2 * i) + "\t25\t20\t16\n";
  }
  write_file(folder.path() / "Ball" / "groundtruth_rect.txt", truth);
  const auto sequences = data::read_otb(folder.path());
  const auto net = network(0);
  models::SiamTracker tracker(*net, {models::SiamTrackOptions{}}, test::cpu());
  eval::TrackTime time;
  const auto boxes = eval::track_otb(tracker, sequences, time);
  REQUIRE(boxes.at(0).size() == 4);
  CHECK(boxes[0][0] == cpu::Box{21, 25, 20, 16});
  const models::SiamState last = tracker.result(0).state;
  CHECK(boxes[0][3] == cpu::Box{last.x - last.w / 2 + 1, last.y - last.h / 2 + 1, last.w, last.h});
  eval::write_otb_results(sequences, boxes, folder.path() / "results");
  CHECK(data::read_boxes(folder.path() / "results" / "Ball.txt") == boxes[0]);
  CHECK(eval::region_of(tracker.result(0), false).values.size() == 4);
}

TEST_CASE("objects of a video are tracked from where they appear, and written under their labels") {
  const test::TemporaryFolder folder;
  const fs::path images = folder.path() / "JPEGImages" / "v", maps = folder.path() / "Annotations" / "v";
  fs::create_directories(images);
  fs::create_directories(maps);
  for (int i = 0; i < 6; ++i) {
    const std::string name = "0000" + std::to_string(i);
    data::write_jpeg(images / (name + ".jpg"), frame(i));
    data::LabelMap map{96, 64, std::vector<uint8_t>(96 * 64)};
    for (int y = 24; y < 40; ++y)
      for (int x = 20 + 2 * i; x < 40 + 2 * i; ++x) map.labels[static_cast<size_t>(y * 96 + x)] = 3;
    if (i >= 2)
      for (size_t p = 0; p < 20; ++p) map.labels[p] = map.labels[p + 96] = 7;
    data::write_label_map(maps / (name + ".png"), map);
  }
  const auto videos = data::read_vos(folder.path());
  const auto net = network();
  eval::TrackTime time;
  const auto run = [&](eval::VosProtocol protocol, const char* out) {
    eval::VosOptions o;
    o.protocol = protocol;
    o.out = folder.path() / out;
    return eval::track_vos(*net, videos, test::cpu(), o, time);
  };
  const auto davis = run(eval::VosProtocol::davis2017, "davis");
  CHECK(davis.videos.at(0).objects == std::vector<uint8_t>{3});
  CHECK(davis.thresholds.size() == 4);
  for (const double iou : davis.videos[0].overlaps[0]) CHECK((iou >= 0 && iou <= 1));
  CHECK(run(eval::VosProtocol::davis2016, "davis16").videos.at(0).objects == std::vector<uint8_t>{1});
  const auto youtube = run(eval::VosProtocol::youtube_vos, "youtube");
  CHECK(youtube.videos.at(0).objects == std::vector<uint8_t>{3, 7});
  const data::LabelMap first = data::read_label_map(folder.path() / "youtube" / "v" / "00000.png");
  CHECK(first == data::read_label_map(maps / "00000.png"));
  const data::LabelMap third = data::read_label_map(folder.path() / "youtube" / "v" / "00002.png");
  CHECK(third.labels[5] == 7);  // given there
  CHECK_THROWS_AS(eval::track_vos(*network(0), videos, test::cpu(), {}, time), Error);
  CHECK_THROWS_AS(eval::parse_vos_protocol("davis"), Error);
}

TEST_CASE("a tracked sequence is left as label maps, text, JSON and a video") {
  const test::TemporaryFolder folder;
  const fs::path out = folder.path() / "out";
  CHECK_THROWS_AS(eval::TrackOutput({.out = {}, .video = {}, .detected = {std::nullopt}}, 2), Error);
  eval::TrackOutput output(
      {.out = out, .video = folder.path() / "v.mp4", .detected = {std::nullopt, eval::TrackDetection{"dog", 1.25}}}, 2);
  eval::MaskFusion masks;
  for (int i = 0; i < 3; ++i) {
    masks.begin(96, 64);
    masks.add(2, {{1, 0, 2, 1}, {0.9F, 0.1F}});
    output.add("f" + std::to_string(i), frame(i), {{{1, 2, 3, 4}, {}, 0.5}, {{5, 6, 7, 8}, {}, 1}}, masks);
  }
  output.finish();
  CHECK(data::read_boxes(out / "boxes_2.txt").at(2) == cpu::Box{5, 6, 7, 8});
  CHECK(data::read_regions(out / "rotated_1.txt").at(0).values.size() == 8);
  const auto map = data::read_label_map(out / "masks" / "f1.png");
  CHECK(map.labels[1] == 2);
  CHECK(map.labels[2] == 0);
  const std::string json = read_file(out / "track.json");
  CHECK(json.find("\"rotated\"") != std::string::npos);
  CHECK(json.find("{\"label\":1,\"boxes\"") != std::string::npos);
  CHECK(json.find("{\"label\":2,\"class\":\"dog\",\"detection_score\":1.25,\"boxes\"") != std::string::npos);
  data::VideoReader video(folder.path() / "v.mp4");
  data::Image image;
  int frames = 0;
  while (video.next(image)) ++frames;
  CHECK(frames == 3);
}
