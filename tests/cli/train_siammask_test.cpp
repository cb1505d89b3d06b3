// azimuth train, SiamMask's two stages as a user runs them: generated videos, crops, the first stage, the second from
// it.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "cli/bench_peak.h"
#include "tensor/file.h"
#include "tests/cli/track_scene.h"
#include "train/checkpoint.h"

namespace az::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSharp = "configs/siammask/tiny_sharp.toml";

/// Crops of generated videos and two steps of the first stage on them.
struct Stages {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data", base = folder.path() / "base";

  Stages() {
    const fs::path videos = folder.path() / "videos";
    run(fmt::format("synth youtube-vos --train 2 --frames 3 --width 128 --height 96 --workers 1 --out {}",
                    quoted(videos)));
    run(fmt::format("convert crop511 youtube-vos {} --min-pixels 20 --out {}", quoted(videos),
                    quoted(data / "ytb_vos")));
    run(train("configs/siammask/tiny.toml", base) + " --max-steps 2");
  }
  std::string settings() const {
    return fmt::format(
        "--device cpu --set data.root={} --set data.workers=1 --set data.val_sets=ytb_vos --set data.val_pairs=4 --set "
        "data.pairs_per_epoch=8 --set train.batch=2 --set train.checkpoint_interval=1",
        quoted(data));
  }
  std::string train(const std::string& config, const fs::path& out) const {
    return fmt::format("train {} {} --out {}", config, settings(), quoted(out));
  }
  static void run(const std::string& arguments) {
    const ShellResult r = azimuth(arguments);
    AZ_CHECK(r.status == 0, "{}: {}", arguments, r.output);
  }
};

const Stages& stages() {
  static const Stages made;
  return made;
}

std::string bytes_of(const Tensor& t) { return {static_cast<const char*>(t.raw()), static_cast<size_t>(t.bytes())}; }

/// Names of tensors whose bits differ between two checkpoints, or that one of them lacks, up to the second dot.
std::set<std::string> changed_parts(const fs::path& before, const fs::path& after) {
  const StateDict old = train::load_model(before, cpu()), now = train::load_model(after, cpu());
  std::set<std::string> parts;
  for (const auto& [name, tensor] : now)
    if (const auto was = old.find(name); was == old.end() || bytes_of(was->second) != bytes_of(tensor))
      parts.insert(name.substr(0, name.find('.', name.starts_with("refine_model") ? 0 : name.find("mask.") + 5)));
  for (const auto& [name, tensor] : old) CHECK_MESSAGE(now.contains(name), name);
  return parts;
}

}  // namespace

TEST_CASE("the second stage starts from the first's run, trains Refine and the mask's branch, and nothing else") {
  const Stages& s = stages();
  const fs::path sharp = s.folder.path() / "sharp", steps = sharp / "checkpoints";
  const ShellResult r = azimuth(fmt::format("{} --init {} --max-steps 2", s.train(kSharp, sharp), quoted(s.base)));
  CAPTURE(r.output);
  REQUIRE(r.status == 0);
  CHECK(r.output.find("missing in the file: refine_model.") != std::string::npos);
  CHECK(r.output.find("random weights") == std::string::npos);
  const std::set<std::string> trained = {"mask_model.mask.conv_kernel", "mask_model.mask.conv_search", "refine_model"};
  CHECK(changed_parts(s.base / "checkpoints" / "step_00000002.safetensors", steps / "step_00000002.safetensors") ==
        trained);
  CHECK(changed_parts(steps / "step_00000001.safetensors", steps / "step_00000002.safetensors") == trained);
  const data::VotSet set = data::read_vot(scene().set);
  const ShellResult tracked = azimuth(fmt::format("track {} {} --device cpu --weights {}", kSharp,
                                                  quoted(scene().set / set.sequences.at(0).name), quoted(sharp)));
  CAPTURE(tracked.output);
  CHECK(tracked.status == 0);
}

TEST_CASE("profile takes a step of either stage apart, as the configuration has it") {
  const Stages& s = stages();
  const fs::path peak = s.folder.path() / "peak.json";
  write_file(peak, cli::peaks_json({.device = "cpu", .threads = 1, .f32_gflops = 100, .memory_gb_s = 10}).dump());
  for (const char* config : {"configs/siammask/tiny.toml", kSharp}) {
    const ShellResult r =
        azimuth(fmt::format("profile {} train {} --steps 1 --rows 500 --peak {}", config, s.settings(), quoted(peak)));
    CAPTURE(r.output);
    CHECK(r.status == 0);
    for (const char* op : {"train 2 pairs", "wait for the batch", "xcorr_depthwise", "optimizer"})
      CHECK_MESSAGE(r.output.find(op) != std::string::npos, op);
  }
}

TEST_CASE("a second stage without a first one says so, and one in parts keeps the best of a whole one") {
  const Stages& s = stages();
  const auto train = [&](const char* name, int steps, const std::string& more) {
    const fs::path out = s.folder.path() / name;
    const ShellResult r = azimuth(fmt::format("{} --set train.eval_interval=1 --keep-best 2 --max-steps {} {}",
                                              s.train(kSharp, out), steps, more));
    CAPTURE(r.output);
    CHECK(r.status == 0);
    return r.output;
  };
  CHECK(train("alone", 1, "").find("note: the second stage starts from random weights") != std::string::npos);
  const std::string init = fmt::format("--init {}", quoted(s.base));
  train("whole", 3, init);
  train("parts", 1, init);
  CHECK(train("parts", 3, "--resume auto").find("random weights") == std::string::npos);
  std::map<std::string, std::string> whole, parts;
  for (const char* name : {"whole", "parts"})
    for (const auto& entry : fs::directory_iterator(s.folder.path() / name / "best"))
      (name[0] == 'w' ? whole : parts)[entry.path().filename().string()] = read_file(entry.path());
  CHECK(whole.size() == 2);
  CHECK(parts == whole);
}

}  // namespace az::test
