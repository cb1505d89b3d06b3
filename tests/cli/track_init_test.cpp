// azimuth track --init and --result: a PolarMask of fresh weights says where the objects of the first frame are, at
// once or beforehand.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/polarmask.h"
#include "cpu/rle.h"
#include "data/label_map.h"
#include "nn/module.h"
#include "tensor/file.h"
#include "tests/cli/track_scene.h"

namespace az::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kDetector = "configs/polarmask/tiny.toml";

/// Weights of a detector that sees objects of two classes everywhere, some more surely than others.
fs::path detector_weights(const fs::path& folder) {
  cli::LoadedConfig loaded = cli::load_config((source_root() / kDetector).string());
  const auto network = cli::make_network(loaded.polarmask, 2, cpu());
  for (const nn::Entry& e : nn::entries(*network)) {
    const bool bias = e.name == "bbox_head.polar_cls.bias";
    if (!bias && e.name != "bbox_head.polar_cls.weight") continue;
    auto values = e.tensor->to_vector<float>();
    for (float& v : values) v = bias ? 0 : 20 * v;
    e.tensor->copy_from(Tensor::from(values, e.tensor->shape(), cpu()));
  }
  const fs::path file = folder / "detector.safetensors";
  write_safetensors(file, nn::state_dict(*network), {});
  return file;
}

/// The first sequence, what `predict` finds in its first frame, best first, and how to track with the detector.
struct Detected {
  const TemporaryFolder folder;
  fs::path frames, weights = detector_weights(folder.path());
  std::vector<Json> objects;
  std::string track, init = fmt::format("--init {},{}", kDetector, quoted(weights));

  Detected() {
    const Scene& s = scene();
    const auto sequence = data::read_vot(s.set).sequences.at(0);
    frames = s.set / sequence.name;
    const ShellResult r =
        azimuth(fmt::format("predict {} --device cpu --weights {} {} --score 0 --out {} --json", kDetector,
                            quoted(weights), quoted(s.set / sequence.images.at(0)), quoted(folder.path() / "found")));
    AZ_CHECK(r.status == 0, "predict: {}", r.output);
    const Json found = Json::parse(r.output.substr(r.output.find("[{"))).at(0).at("instances");
    objects.assign(found.begin(), found.end());
    std::ranges::stable_sort(objects, [](const Json& a, const Json& b) { return a["score"] > b["score"]; });
    track = fmt::format("track {} {} --weights {}", s.config, quoted(frames), quoted(s.weights));
  }
  fs::path result() const { return folder.path() / "found" / "00000001.json"; }
  cpu::Mask mask(size_t object) const {
    const Json& m = objects.at(object).at("segmentation");
    return cpu::rle_decode(cpu::rle_from_string(m["counts"].get<std::string>(), m["size"][0], m["size"][1]));
  }
};

const Detected& detected() {
  static const Detected made;
  return made;
}

void check_fails(const std::string& arguments, const std::string& part) {
  const ShellResult r = azimuth(arguments);
  CAPTURE(arguments);
  CAPTURE(r.output);
  CHECK(r.status == 1);
  CHECK(r.output.find(part) != std::string::npos);
  CHECK(r.output.find("error: ") == r.output.rfind("error: "));
}

}  // namespace

TEST_CASE("track --init follows the image model's best object from its own mask") {
  const Detected& d = detected();
  REQUIRE(d.objects.size() > 3);
  const fs::path out = d.folder.path() / "best";
  const ShellResult r = azimuth(fmt::format("{} {} --out {}", d.track, d.init, quoted(out)));
  CAPTURE(r.output);
  REQUIRE(r.status == 0);
  const Json objects = Json::parse(read_file(out / "track.json")).at("objects");
  REQUIRE(objects.size() == 1);
  CHECK(objects[0].at("class") == d.objects[0].at("class"));
  CHECK(objects[0].at("detection_score").get<double>() == doctest::Approx(d.objects[0].at("score").get<double>()));
  CHECK(data::read_label_map(out / "masks" / "00000001.png").labels == d.mask(0).pixels);
  const cpu::Box box = cpu::rle_box(cpu::rle_encode(d.mask(0)));
  CHECK(data::read_boxes(out / "boxes.txt").at(0) == box);
}

TEST_CASE("track --init --all follows every object above the score, the better one in front") {
  const Detected& d = detected();
  REQUIRE(d.objects.size() > 3);
  const double third = d.objects[2].at("score"), fourth = d.objects[3].at("score");
  REQUIRE(third > fourth);
  const fs::path out = d.folder.path() / "all", names = d.folder.path() / "names.json";
  write_file(names, R"({"images":[],"annotations":[],"categories":[{"id":1,"name":"cat"},{"id":2,"name":"dog"}]})");
  const ShellResult r = azimuth(fmt::format("{} {} --all --score {} --names {} --out {} --json", d.track, d.init,
                                            (third + fourth) / 2, quoted(names), quoted(out)));
  CAPTURE(r.output);
  REQUIRE(r.status == 0);
  CHECK(r.output.find("\"objects\":3") != std::string::npos);
  const Json objects = Json::parse(read_file(out / "track.json")).at("objects");
  const auto labels = data::read_label_map(out / "masks" / "00000001.png").labels;
  std::vector<uint8_t> want(labels.size());
  for (size_t object = 3; object-- > 0;) {
    CHECK(objects.at(object).at("class") == (d.objects[object].at("label") == 0 ? "cat" : "dog"));
    const cpu::Mask mask = d.mask(object);
    for (size_t i = 0; i < want.size(); ++i)
      if (mask.pixels[i]) want[i] = static_cast<uint8_t>(object + 1);
  }
  CHECK(labels == want);
}

TEST_CASE("track --result goes on from what predict wrote, as --init does, and from a text of regions") {
  const Detected& d = detected();
  const std::string some = fmt::format(
      "--all --score {}", (d.objects[2].at("score").get<double>() + d.objects[3].at("score").get<double>()) / 2);
  const auto track = [&](const std::string& start) {
    const fs::path out = d.folder.path() / "result";
    const ShellResult r = azimuth(fmt::format("{} {} --out {}", d.track, start, quoted(out)));
    CAPTURE(r.output);
    REQUIRE(r.status == 0);
    return read_file(out / "track.json") + read_file(out / "masks" / "00000001.png");
  };
  for (const std::string& which : {std::string(), some})
    CHECK(track(fmt::format("--result {} {}", quoted(d.result()), which)) == track(d.init + " " + which));
  const fs::path boxes = d.folder.path() / "boxes.txt";
  write_file(boxes, "20,21,24,18\n22,21,24,18\n");
  CHECK(track(fmt::format("--result {}", quoted(boxes))) == track("--box 20,21,24,18"));
  const std::string truth = (d.frames / "groundtruth.txt").string();
  CHECK(track(fmt::format("--result {}", quoted(truth))) == track(""));
}

TEST_CASE("track --result says in one line what is wrong") {
  const Detected& d = detected();
  const auto fails = [&](const char* name, const char* text, const std::string& part, const char* more = "") {
    const fs::path file = d.folder.path() / name;
    write_file(file, text);
    check_fails(fmt::format("{} --result {} {}", d.track, quoted(file), more), part);
  };
  check_fails(d.track + " --result nowhere.json", "nowhere.json");
  check_fails(fmt::format("{} --result {} {}", d.track, quoted(d.result()), d.init), "give one of --box");
  fails("list.json", "[]", "list.json: is no JSON object; want NAME.json of azimuth predict");
  fails("short.json", R"({"width":96,"height":72})", "short.json: lacks instances, width or height");
  fails("none.json", R"({"width":96,"height":72,"instances":[]})",
        "none.json: has nothing with a score of 0.3 or more");
  fails("other.json",
        R"({"width":2,"height":1,"instances":[{"score":1,"segmentation":{"size":[1,2],"counts":[0,2]}}]})",
        "first frame's mask is 2 x 1, the frame 96 x 72");
  fails("none.txt", "", "none.txt: has no region in line 1");
  fails("line.txt", "1,2,x,4\n", "line.txt: line 1");
  fails("line.txt", "20,21,24,18\n", "one region a frame", "--all");
}

TEST_CASE("track --init says in one line what is wrong") {
  const Detected& d = detected();
  const std::string config = kDetector, weights = d.weights.string();
  check_fails(d.track + " --box 20,20,24,18 " + d.init, "give one of --box, --mask, --result and --init");
  check_fails(d.track + " --mask first.png " + d.init, "give one of --box, --mask, --result and --init");
  check_fails(d.track + " --box 20,20,24,18 --all", "--all takes every object that --init's model finds");
  check_fails(fmt::format("{} {} --score 1.6", d.track, d.init), "finds nothing with a score of 1.6 or more");
  for (const std::string& init : {config, config + ",", "," + weights})
    check_fails(fmt::format("{} --init {}", d.track, quoted(init)), "want CONFIG,WEIGHTS of an image model");
  check_fails(fmt::format("{} --init {},{}", d.track, config, quoted(scene().weights)), "not a PolarMask checkpoint");
  check_fails(fmt::format("{} --init configs/siammask/tiny.toml,{}", d.track, quoted(weights)), "system");
  check_fails(fmt::format("{} --init {},no_such_run", d.track, config), "no_such_run");
  check_fails(fmt::format("{} {} --names {}", d.track, d.init, quoted(d.weights)), "detector.safetensors");
}

}  // namespace az::test
