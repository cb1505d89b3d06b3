// Mask IoU over a VOT set, and the first box that stays, on a set of a few pixels.
#include "eval/vot_masks.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "data/label_map.h"
#include "eval/report.h"
#include "eval/siam_run.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/temporary.h"

using namespace az;
namespace fs = std::filesystem;

namespace {

/// Frames of 20 x 10 pixels with an object of 4 x 4 at (2 i, 3), hidden in frame 2.
data::VotSet moving_square(const fs::path& root, int frames) {
  data::VotSet set{root, {{.name = "one", .images = {}, .truth = {}, .width = 20, .height = 10, .attributes = {}}}};
  fs::create_directories(root / "masks" / "one");
  for (int i = 0; i < frames; ++i) {
    data::LabelMap map{20, 10, std::vector<uint8_t>(200)};
    for (int y = 3; y < 7; ++y)
      for (int x = 2 * i; x < 2 * i + 4; ++x) map.labels[static_cast<size_t>(y * 20 + x)] = i == 2 ? 0 : 1;
    data::write_label_map(root / "masks" / "one" / fmt::format("{:08}.png", i + 1), map);
    set.sequences[0].truth.push_back({{static_cast<float>(2 * i), 3, 4, 4}});
  }
  return set;
}

/// The probability 0.6 on w x 4 pixels from (x, 3) on.
cpu::PastedMask pasted(int x, int w) { return {{x, 3, w, 4}, std::vector<float>(static_cast<size_t>(4 * w), 0.6F)}; }

}  // namespace

TEST_CASE("mask IoU: counts pixels above the threshold, leaves out frames that show nothing") {
  const test::TemporaryFolder folder;
  const data::VotSet set = moving_square(folder.path(), 4);
  REQUIRE(eval::VotMaskMeter::fits(set));
  eval::VotMaskMeter meter(set);
  meter.add(set.sequences[0], 1, pasted(2, 4), 0.5);  // whole
  meter.add(set.sequences[0], 2, pasted(2, 4), 0.5);  // nothing to find
  meter.add(set.sequences[0], 3, pasted(8, 4), 0.5);  // 8 of 24 pixels
  meter.add(set.sequences[0], 1, pasted(2, 4), 0.7);  // nothing found
  CHECK(meter.frames() == 3);
  CHECK(meter.mean() == doctest::Approx((1 + 8.0 / 24 + 0) / 3));
  CHECK_THROWS_AS(meter.add(set.sequences[0], 9, pasted(0, 1), 0.5), Error);
  data::VotSequence wide = set.sequences[0];
  wide.width = 21;
  CHECK_THROWS_WITH_AS(meter.add(wide, 0, pasted(0, 1), 0.5),
                       doctest::Contains("00000001.png: 20 x 10 pixels, the sequence's frames have 21 x 10"), Error);
}

TEST_CASE("first box: stays until the object has left it, and begins anew five frames later") {
  const test::TemporaryFolder folder;
  const data::VotSet set = moving_square(folder.path(), 8);
  std::vector<size_t> frames;
  const data::VotResults kept =
      eval::keep_first_box(set, "first_box", [&](const data::VotSequence&, size_t frame, const cpu::Region& region) {
        frames.push_back(frame);
        CHECK(region.values[0] == (frame < 7 ? 0 : 14));
      });
  const auto& lines = kept.runs.at(0).at(0);
  REQUIRE(lines.size() == 8);
  CHECK(lines[0] == cpu::Region{{1}});
  CHECK(lines[1].values.size() == 8);
  CHECK(lines[2] == cpu::Region{{2}});
  for (size_t i = 3; i < 7; ++i) CHECK(lines[i] == cpu::Region{{0}});
  CHECK(lines[7] == cpu::Region{{1}});
  CHECK(frames == std::vector<size_t>{1, 2});
}

TEST_CASE("report: a tracker's run has the figures of all three") {
  const test::TemporaryFolder folder;
  write_file(folder.path() / "results.json",
             R"({"EAO":0.4,"accuracy":0.6,"robustness":0.3,"lost_number":5,"mask_iou":0.55,"frames_per_s":99,)"
             R"("first_box":{"EAO":0.1,"accuracy":null,"robustness":2.5,"lost_number":38}})");
  write_file(folder.path() / "untrained.json", R"({"EAO":0.02,"accuracy":0.2})");
  const eval::RunRecord record = eval::read_run(folder.path());
  REQUIRE(record.trackers.size() == 3);
  const std::string summary = eval::summary_json(record, "a machine");
  CHECK(summary.find("\"trained\": {\n    \"EAO\": 0.4,") != std::string::npos);
  CHECK(summary.find("\"first_box\": {\n    \"EAO\": 0.1,\n    \"accuracy\": null") != std::string::npos);
  CHECK(summary.find("\"untrained\": {\n    \"EAO\": 0.02,") != std::string::npos);
  CHECK(summary.find("segm_AP") == std::string::npos);
  CHECK(eval::report_html(record, "a machine").find("the first box, unmoved") != std::string::npos);
}
