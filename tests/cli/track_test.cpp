// azimuth track, and eval of a tracker: the built binary on generated videos, with a small network of fresh weights.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/track_tune.h"
#include "data/label_map.h"
#include "data/video.h"
#include "data/vot.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/cli/track_scene.h"
#include "tests/support/temporary.h"

namespace az::test {
namespace {

namespace fs = std::filesystem;

}  // namespace

TEST_CASE("track follows boxes through a folder and leaves masks, boxes, JSON and a video") {
  Scene& s = scene();
  const data::VotSet set = data::read_vot(s.set);
  const std::string& name = set.sequences.at(0).name;
  const fs::path out = s.folder.path() / "out";
  const ShellResult r = azimuth(
      fmt::format("track {} {} --weights {} --box 20,20,24,18 --box 40,30,20,20 --out {} --video {} --json", s.config,
                  quoted(s.set / name), quoted(s.weights), quoted(out), quoted(s.folder.path() / "overlay.mp4")));
  CAPTURE(r.output);
  REQUIRE(r.status == 0);
  const auto json = nlohmann::json::parse(r.output.substr(r.output.rfind("{\"frames\"")));
  const auto frames = set.sequences[0].images.size();
  CHECK(json.at("frames") == frames);
  CHECK(json.at("objects") == 2);
  CHECK(json.at("frames_per_s") > 0);
  CHECK(data::read_boxes(out / "boxes_2.txt").size() == frames);
  CHECK(data::read_boxes(out / "boxes_2.txt")[0] == cpu::Box{40, 30, 20, 20});
  CHECK(data::read_regions(out / "rotated_1.txt").size() == frames);
  CHECK(nlohmann::json::parse(read_file(out / "track.json")).at("objects").size() == 2);
  CHECK(data::read_label_map(out / "masks" / "00000001.png").width == 96);
  data::VideoReader overlay(s.folder.path() / "overlay.mp4");
  CHECK(overlay.size() == data::ImageSize{96, 72});
}

TEST_CASE("track starts from a mask, from groundtruth.txt, and in a video") {
  Scene& s = scene();
  const data::VotSet set = data::read_vot(s.set);
  const std::string& name = set.sequences.at(0).name;
  const std::string with = fmt::format("--weights {}", quoted(s.weights));
  const fs::path mask = s.set / "masks" / name / "00000001.png";
  REQUIRE(fs::exists(mask));
  const fs::path out = s.folder.path() / "from_mask";
  CHECK(azimuth(fmt::format("track {} {} {} --mask {} --out {}", s.config, quoted(s.video), with, quoted(mask),
                            quoted(out)))
            .status == 0);
  CHECK(data::read_label_map(out / "masks" / "00000.png").labels == data::read_label_map(mask).labels);
  CHECK(azimuth(fmt::format("track {} {} {}", s.config, quoted(s.set / name), with)).status == 0);
  const ShellResult none = azimuth(fmt::format("track {} {} {}", s.config, quoted(s.video), with));
  CHECK(none.status == 1);
  CHECK(none.output.find("what is to be tracked") != std::string::npos);
}

TEST_CASE("a video that is cut short is tracked as far as it goes, written, and then an error") {
  Scene& s = scene();
  const std::string bytes = read_file(s.video);
  const fs::path cut = s.folder.path() / "cut.mkv", out = s.folder.path() / "cut";
  write_file(cut, bytes.substr(0, bytes.size() * 3 / 4));
  const ShellResult r = azimuth(fmt::format("track {} {} --weights {} --box 20,20,24,18 --out {}", s.config,
                                            quoted(cut), quoted(s.weights), quoted(out)));
  CAPTURE(r.output);
  CHECK(r.status == 1);
  CHECK(r.output.find("the file is cut short") != std::string::npos);
  CHECK_FALSE(data::read_boxes(out / "boxes.txt").empty());
}

TEST_CASE("boxes that are none are refused in one line") {
  Scene& s = scene();
  const std::string name = data::read_vot(s.set).sequences.at(0).name;
  for (const auto& [box, part] : {std::pair{"1,2,3", "want x,y,w,h"},
                                  {"900,20,24,18", "lies outside the frame of 96 x 72"},
                                  {"20,20,0,18", "has no area"}}) {
    const ShellResult r = azimuth(
        fmt::format("track {} {} --weights {} --box {}", s.config, quoted(s.set / name), quoted(s.weights), box));
    CAPTURE(r.output);
    CHECK(r.status == 1);
    CHECK(r.output.find(part) != std::string::npos);
  }
}

TEST_CASE("eval scores checkpoints on a VOT set, writes results that metrics reads, and names the best") {
  Scene& s = scene();
  const fs::path results = s.folder.path() / "results", second = s.folder.path() / "again.safetensors";
  fs::copy_file(s.weights, second, fs::copy_options::overwrite_existing);
  const ShellResult r =
      azimuth(fmt::format("eval {} --weights {} {} --data {} --interval 2,10 --results {} --json", s.config,
                          quoted(s.weights), quoted(second), quoted(s.set), quoted(results)));
  CAPTURE(r.output);
  REQUIRE(r.status == 0);
  const auto json = nlohmann::json::parse(r.output.substr(r.output.find("{\"weights\"")));
  CHECK(json.at("all").size() == 2);
  CHECK(json.at("interval") == nlohmann::json{2, 10});
  const ShellResult scored =
      azimuth(fmt::format("metrics vot {} {} --interval 2,10 --json", quoted(s.set), quoted(results / "w")));
  REQUIRE(scored.status == 0);
  const auto again = nlohmann::json::parse(scored.output.substr(scored.output.find("[{")));
  CHECK(again.at(0).at("lost_number") == json.at("lost_number"));
  write_file(s.set / "list.txt", read_file(s.set / "list.txt") + "missing\n");
  const ShellResult missing =
      azimuth(fmt::format("eval {} --weights {} --data {}", s.config, quoted(s.weights), quoted(s.set)));
  CHECK(missing.status == 1);
  CHECK(missing.output.find("missing") != std::string::npos);
  const ShellResult unknown = azimuth(
      fmt::format("eval {} --weights {} --data {}", s.config, quoted(s.weights), quoted(s.folder.path() / "results")));
  CHECK(unknown.status == 1);
  CHECK(unknown.output.find("no set that is known") != std::string::npos);
}

TEST_CASE("the grid of settings runs side by side and names its best") {
  const TemporaryFolder folder;
  const fs::path set = folder.path() / "set";
  REQUIRE(azimuth(fmt::format("synth vot --out {} --sequences 1 --frames 8 --width 96 --height 72 --workers 1",
                              quoted(set)))
              .status == 0);
  Scene& s = scene();
  const ShellResult r = azimuth(fmt::format(
      "track {} {} --weights {} --tune --penalty-k 0:0.3:0.2 --window-influence 0.4 --lr 0.2:0.5:0.1 --lanes 4 "
      "--interval 2,6 --out {} --json",
      s.config, quoted(set), quoted(s.weights), quoted(folder.path() / "tuned")));
  CAPTURE(r.output);
  REQUIRE(r.status == 0);
  const auto json = nlohmann::json::parse(read_file(folder.path() / "tuned" / "tune.json"));
  CHECK(json.at("tried").size() == 6);
  CHECK(json.at("best").contains("window_influence"));
}

TEST_CASE("ranges of settings") {
  CHECK(cli::parse_range("--lr", "0.3") == std::vector<double>{0.3});
  CHECK(cli::parse_range("--lr", "0.25:0.56:0.05").size() == 7);
  CHECK(cli::parse_range("--penalty-k", "0:0.25:0.02").size() == 13);
  CHECK(cli::parse_range("--penalty-k", "0.08:0.13:0.01").size() == 5);
  for (const char* text : {"", "a", "1:2", "2:1:0.1", "0:1:0", "0:1:0.1:2", "0:nan:1", "0:1:1e-9"})
    CHECK_THROWS_AS(cli::parse_range("--lr", text), Error);
}

}  // namespace az::test
