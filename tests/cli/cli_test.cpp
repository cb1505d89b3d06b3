// The built binary as a shell sees it: exit codes, and one line that says what is wrong.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/devices.h"
#include "tests/support/shell.h"
#include "tests/support/temporary.h"

namespace az::test {
namespace {

namespace fs = std::filesystem;

/// Runs the binary with these arguments in the repository's root.
ShellResult azimuth(const std::string& arguments) {
  const char* binary = std::getenv("AZIMUTH_BINARY");
  AZ_CHECK(binary != nullptr, "AZIMUTH_BINARY must name the binary; ctest sets it");
  return shell(fmt::format("cd {} && {} {}", quoted(source_root()), quoted(binary), arguments), 120);
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// The command fails with status 1; its last line, and no other, is "error: ..." with `part` in it.
void check_fails(const std::string& arguments, const std::string& part) {
  CAPTURE(arguments);
  const ShellResult r = azimuth(arguments);
  CAPTURE(r.output);
  CHECK(r.status == 1);
  const size_t error = r.output.rfind("error: ");
  REQUIRE(error != std::string::npos);
  CHECK((error == 0 || r.output[error - 1] == '\n'));
  CHECK(r.output.find("error: ") == error);
  CHECK(r.output.find('\n', error) == r.output.size() - 1);
  CHECK(contains(r.output.substr(error), part));
}

constexpr const char* kTiny = "configs/polarmask/tiny.toml";

/// A generated set and a run of one step on it, made once for all cases.
struct Run {
  TemporaryFolder folder;
  std::string data = quoted(folder.path() / "data"), run = quoted(folder.path() / "run"), first_output;
  int first_status = -1;

  std::string train() const {
    return fmt::format("train {} --set data.root={} --set train.batch=1 --set data.workers=1 --max-steps 1 --out {}",
                       kTiny, data, run);
  }
  Run() {
    const ShellResult synth = azimuth(fmt::format("synth coco --out {} --train 2 --val 1 --workers 1", data));
    AZ_CHECK(synth.status == 0, "synth: {}", synth.output);
    const ShellResult trained = azimuth(train());
    first_status = trained.status;
    first_output = trained.output;
  }
};

const Run& small_run() {
  static const Run run;
  return run;
}

}  // namespace

TEST_CASE("every command explains itself and ends with 0") {
  const std::vector<std::string> commands = {"",
                                             "train",
                                             "eval",
                                             "predict",
                                             "track",
                                             "import",
                                             "export",
                                             "metrics",
                                             "convert",
                                             "bench",
                                             "profile",
                                             "report",
                                             "synth",
                                             "info",
                                             "synth coco",
                                             "synth vot",
                                             "synth youtube-vos",
                                             "metrics coco",
                                             "metrics vot",
                                             "metrics otb",
                                             "convert labelme2coco",
                                             "convert voc2coco",
                                             "convert crop511",
                                             "convert vot2json",
                                             "bench polarmask-r50",
                                             "bench siammask-r50",
                                             "bench labels",
                                             "bench peak",
                                             "bench kernels",
                                             "bench overhead",
                                             "bench scaling",
                                             "bench coco-eval",
                                             "bench loader"};
  const std::string overview = azimuth("--help").output;
  for (const std::string& command : commands) {
    CAPTURE(command);
    const ShellResult r = azimuth(command + " --help");
    CHECK(r.status == 0);
    CHECK(contains(r.output, "Usage: "));
    if (!contains(command, " ")) CHECK(contains(overview, command));
  }
  const ShellResult version = azimuth("--version");
  CHECK(version.status == 0);
  CHECK(version.output.starts_with("azimuth 0."));
  CHECK(azimuth("info --json").status == 0);
}

TEST_CASE("a wrong command line ends with 2") {
  for (const char* line : {"", "fly", "train", "train --no-such-option", "predict configs/polarmask/tiny.toml", "bench",
                           "metrics coco a.json b.json --type polygons", "synth coco --out /tmp/x --train -3",
                           "synth vot --out /tmp/x --sequences 0", "convert crop511 birds a --out b"}) {
    CAPTURE(line);
    const ShellResult r = azimuth(line);
    CAPTURE(r.output);
    CHECK(r.status == 2);
    CHECK(!r.output.empty());
  }
}

TEST_CASE("missing files end with 1 and their name") {
  TemporaryFolder folder;
  const std::string out = quoted(folder.path() / "out");
  check_fails("train no_such.toml --out " + out, "no_such.toml");
  check_fails(fmt::format("train {} --set data.root=no_such_folder --out {}", kTiny, out), "no_such_folder");
  check_fails(fmt::format("eval {} --set data.root=no_such_folder --weights no_such_run", kTiny), "no_such");
  check_fails(fmt::format("predict {} picture.jpg --weights no_such.safetensors --out {}", kTiny, out),
              "no_such.safetensors");
  check_fails("import no_such.pth --out " + out, "no_such.pth");
  check_fails(fmt::format("export no_such_run --pth {}", out), "no_such_run");
  check_fails("metrics coco no_such.json neither.json", "no_such.json");
  check_fails("convert voc2coco no_such_folder --out " + out, "no_such_folder");
  check_fails("convert crop511 coco no_such_folder --out " + out, "no_such_folder");
  check_fails("convert crop511 det no_such_folder --out " + out, "no_such_folder");
  check_fails("convert vot2json no_such_folder", "no_such_folder");
  check_fails("report no_such_run", "no_such_run");
  CHECK(!fs::exists(folder.path() / "out"));
}

TEST_CASE("generated videos become the JSON and the crops of trackers") {
  TemporaryFolder folder;
  const std::string small = "--frames 5 --width 96 --height 64 ";
  const fs::path vot = folder.path() / "vot", json = folder.path() / "again.json";
  ShellResult r = azimuth(fmt::format("synth vot --out {} --sequences 2 {}", quoted(vot), small));
  CAPTURE(r.output);
  REQUIRE(r.status == 0);
  CHECK(contains(r.output, vot.string() + ": 2 sequences, "));
  REQUIRE(azimuth(fmt::format("convert vot2json {} --out {}", quoted(vot), quoted(json))).status == 0);
  CHECK(read_file(json) == read_file(vot / "vot.json"));

  const fs::path videos = folder.path() / "videos", out = folder.path() / "out";
  r = azimuth(fmt::format("synth youtube-vos --out {} --train 2 --json {}", quoted(videos), small));
  REQUIRE(r.status == 0);
  CHECK(contains(r.output, "\"train\":2"));
  const std::string convert =
      fmt::format("convert crop511 youtube-vos {} --out {} --min-pixels 0 ", quoted(videos), quoted(out));
  r = azimuth(convert);
  CHECK(r.status == 0);
  CHECK(contains(r.output, "train.json: 2 videos"));
  r = azimuth(convert + "--json");
  CHECK(r.status == 0);
  CHECK(contains(r.output, "\"made\":0"));
}

TEST_CASE("broken TOML ends with 1, the file and the line") {
  TemporaryFolder folder;
  const fs::path config = folder.path() / "broken.toml";
  const std::string train = fmt::format("train {} --out {}", quoted(config), quoted(folder.path() / "run"));
  write_file(config, "system = \"polarmask\"\n[data\nroot = \"x\"\n");
  check_fails(train, "broken.toml:2");
  write_file(config, "system = \"polarmask\"\n\n[train]\nbatches = 3\n");
  check_fails(train, "broken.toml:4");
  write_file(config, "system = \"tetris\"\n");
  check_fails(train, "broken.toml:1");
  check_fails(train + " --set train.lr", "train.lr");
}

TEST_CASE("broken JSON ends with 1 and the file") {
  TemporaryFolder folder;
  const fs::path annotations = folder.path() / "annotations.json", results = folder.path() / "results.json";
  const std::string metrics = fmt::format("metrics coco {} {}", quoted(annotations), quoted(results));
  write_file(results, "[]");
  write_file(annotations, R"({"images": [{"id": 1, "width": 8, )");
  check_fails(metrics, "annotations.json");
  write_file(annotations, R"({"images": [{"id": 1, "width": 8, "height": 8, "file_name": "a.jpg"}], "annotations": [],
                             "categories": [{"id": 1, "name": "a"}]})");
  write_file(results, "{}");
  check_fails(metrics, "results.json");
  write_file(results, R"([{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}])");
  check_fails(metrics + " --type bbox", "7");
}

TEST_CASE("a device that is not there is one line") {
  TemporaryFolder folder;
  const std::string out = quoted(folder.path() / "out");
  if (!test::cuda()) {
    // No toolkit at build time, or no driver now: one line that says which, and the way out.
    for (const char* text : {"error: --device cuda: ", "use --device cpu\n"}) {
      check_fails(fmt::format("train {} --device cuda --out {}", kTiny, out), text);
      check_fails(fmt::format("eval {} --device cuda --weights x", kTiny), text);
      check_fails(fmt::format("predict {} a.jpg --device cuda --weights x --out {}", kTiny, out), text);
      check_fails("bench polarmask-r50 infer --device cuda", text);
    }
  }
  check_fails(fmt::format("train {} --device tpu --out {}", kTiny, out), "--device tpu: want auto, cpu or cuda");
}

TEST_CASE("a dtype that is none, or that does not train, is one line") {
  TemporaryFolder folder;
  const std::string out = quoted(folder.path() / "out");
  const char* want = "--dtype f8: want auto, f32, bf16 or f16";
  check_fails(fmt::format("train {} --dtype f8 --out {}", kTiny, out), want);
  check_fails("bench polarmask-r50 infer --dtype f8", want);
  check_fails("profile polarmask-r50 infer --dtype f8", want);
  const char* advice = "train with --dtype bf16";
  check_fails(fmt::format("train {} --dtype f16 --out {}", kTiny, out), advice);
  check_fails("bench polarmask-r50 train --dtype f16", advice);
}

TEST_CASE("--tf32 is the CUDA device's, and not for exact sums") {
  check_fails(fmt::format("train {} --device cpu --tf32 --out /nowhere", kTiny),
              "--tf32: cpu computes f32 products in f32; leave it out, or use --device cuda without --exact");
  if (!cuda()) return;
  check_fails("bench polarmask-r50 infer --size 32x32 --device cuda --exact --tf32", "without --exact");
}

TEST_CASE("a run trains, is evaluated, predicts and is reported; its folder is not overwritten") {
  const Run& run = small_run();
  CAPTURE(run.first_output);
  REQUIRE(run.first_status == 0);
  check_fails(run.train(), "holds a run already");
  CHECK(azimuth(run.train() + " --resume auto").status == 0);

  const std::string with_weights = fmt::format("{} --weights {} --set data.root={}", kTiny, run.run, run.data);
  const ShellResult scored = azimuth("eval --json --no-ceiling " + with_weights + " 2>/dev/null");
  CHECK(scored.status == 0);
  CHECK(contains(scored.output, "\"segm\":{\"AP\":"));
  CHECK(azimuth("eval --dtype f16 --no-ceiling " + with_weights).status == 0);
  const ShellResult reported = azimuth("report " + run.run);
  CAPTURE(reported.output);
  CHECK(reported.status == 0);
  CHECK(fs::exists(run.folder.path() / "run" / "report.html"));
}

TEST_CASE("predict draws pictures, and a broken one ends with 1 and its name") {
  const Run& run = small_run();
  REQUIRE(run.first_status == 0);
  const fs::path out = run.folder.path() / "found", broken = run.folder.path() / "broken.jpg";
  const auto predict = [&](const fs::path& picture) {
    return fmt::format("predict {} --weights {} --out {} {}", kTiny, run.run, quoted(out), quoted(picture));
  };
  fs::path picture;
  for (const auto& file : fs::directory_iterator(run.folder.path() / "data" / "val2017")) picture = file.path();
  const ShellResult r = azimuth(predict(picture));
  CAPTURE(r.output);
  CHECK(r.status == 0);
  CHECK(fs::exists(out / (picture.stem().string() + ".json")));
  CHECK(fs::exists(out / picture.filename()));

  const std::string whole = read_file(picture);
  write_file(broken, "no picture at all");
  check_fails(predict(broken), "broken.jpg");
  write_file(broken, whole.substr(0, 200));
  check_fails(predict(broken), "broken.jpg");
}

TEST_CASE("weights that are none end with 1 and the file") {
  const Run& run = small_run();
  const fs::path file = run.folder.path() / "weights.safetensors";
  const std::string eval = fmt::format("eval {} --set data.root={} --weights {}", kTiny, run.data, quoted(file));
  for (const std::string& content : {std::string(), std::string("not safetensors"), std::string(64, '\xff')}) {
    write_file(file, content);
    check_fails(eval, "weights.safetensors");
  }
}

}  // namespace az::test
