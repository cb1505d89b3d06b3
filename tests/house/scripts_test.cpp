// The set-up scripts: they stop at the first error, name what is missing, and go on where they were stopped.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tensor/file.h"
#include "tests/support/shell.h"
#include "tests/support/temporary.h"

namespace az::test {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> scripts() {
  std::vector<fs::path> found = {source_root() / ".ci" / "run"};
  for (const auto& entry : fs::directory_iterator(source_root() / "scripts")) {
    if (read_file(entry.path()).starts_with("#!")) found.push_back(entry.path());
  }
  return found;
}

void write_program(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << "#!/bin/bash\n" << text;
  fs::permissions(file, fs::perms::owner_all);
}

// A copy of the scripts with its own `bin` in front of PATH, where stand-ins for the system's programs go.
struct Stage {
  TemporaryFolder folder;
  fs::path bin = folder.path() / "bin";

  Stage() {
    fs::copy(source_root() / "scripts", folder.path() / "scripts");
    fs::create_directories(bin);
  }
  ShellResult run(const std::string& line) const {
    return shell(fmt::format("cd {} && PATH={}:$PATH {}", quoted(folder.path()), quoted(bin), line));
  }
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace

TEST_CASE("every script parses, stops at the first error and explains itself") {
  CHECK(scripts().size() >= 4);
  for (const fs::path& script : scripts()) {
    CAPTURE(script);
    CHECK(contains(read_file(script), "\nset -eu"));
    CHECK(access(script.c_str(), X_OK) == 0);
    CHECK(shell(fmt::format("bash -n {}", quoted(script))).output.empty());
    if (script.parent_path().filename() != "scripts") continue;
    CHECK(contains(shell(quoted(script) + " --help").output, fmt::format("scripts/{}", script.filename().string())));
  }
}

TEST_CASE("the build names only packages that install-packages installs") {
  const std::string packages = fmt::format("\n{}", read_file(source_root() / "scripts" / "packages.txt"));
  const std::string cmake = read_file(source_root() / "cmake" / "dependencies.cmake");
  int named = 0;
  for (size_t at = 0; (at = cmake.find("-dev", at)) != std::string::npos; ++at) {
    const size_t begin = cmake.find_last_not_of("abcdefghijklmnopqrstuvwxyz0123456789-", at) + 1;
    const std::string package = cmake.substr(begin, at + 4 - begin);
    if (package == "libomp-dev") continue;  // for clang only, which users need not have
    CAPTURE(package);
    CHECK(contains(packages, fmt::format("\n{}\n", package)));
    ++named;
  }
  CHECK(named >= 10);
}

TEST_CASE("install-packages says in one line why it failed") {
  const Stage stage;
  write_program(stage.bin / "dpkg-query", "exit 1\n");
  const ShellResult check = stage.run("scripts/install-packages --check");
  CHECK(check.status == 1);
  CHECK(contains(check.output, "error: missing packages: build-essential"));
  if (geteuid() != 0) return;  // the rest would ask sudo

  write_program(stage.bin / "apt-get", "echo 'E: Unable to locate package libdnnl-dev'; exit 100\n");
  const ShellResult unknown = stage.run("scripts/install-packages");
  CHECK(unknown.status == 1);
  CHECK(contains(last_line(unknown.output), "error: no package source knows: libdnnl-dev"));

  write_program(stage.bin / "apt-get", "[[ $* == *install* ]] && echo 'E: No space left' && exit 100; exit 0\n");
  const ShellResult full = stage.run("scripts/install-packages");
  CHECK(full.status == 1);
  CHECK(contains(last_line(full.output), "error: apt-get install failed: E: No space left"));

  write_program(stage.bin / "apt-get", "exit 0\n");
  CHECK(stage.run("scripts/install-packages").status == 0);
}

TEST_CASE("quickstart goes on from the stage in which it stopped") {
  const Stage stage;
  fs::create_directories(stage.folder.path() / "configs" / "polarmask");
  std::ofstream(stage.folder.path() / "configs" / "polarmask" / "tiny.toml") << "\n";
  write_program(stage.bin / "cmake", "exit 0\n");
  const fs::path azimuth = stage.folder.path() / "build" / "release" / "azimuth";

  write_program(azimuth, "echo \"$*\" >>calls; [[ $1 != train ]]\n");
  const ShellResult stopped = stage.run("scripts/quickstart --skip-install");
  CHECK(stopped.status == 1);
  CHECK(last_line(stopped.output) == "quickstart: stopped during: train; the same command goes on from there");

  write_program(azimuth, "echo \"$*\" >>calls\n");
  const ShellResult finished = stage.run("scripts/quickstart --skip-install --set train.steps=5");
  CHECK(finished.status == 0);
  CHECK(last_line(finished.output) == "quickstart: runs/quickstart/report.html");

  const std::string seconds = read_file(stage.folder.path() / "runs" / "quickstart" / "stages.tsv");
  for (const char* name : {"build\t", "synth\t", "train\t", "eval\t"}) CHECK(contains(seconds, name));

  const ShellResult unknown = stage.run("scripts/quickstart --system nothing");
  CHECK(unknown.status == 1);
  CHECK(contains(unknown.output, "error: no system nothing here; there are: polarmask"));
}

TEST_CASE("scripts/test tests every preset, and ends with how many tests passed and failed") {
  const Stage stage;
  write_program(stage.bin / "cmake", "exit 0\n");
  for (const char* preset : {"release", "simt"}) fs::create_directories(stage.folder.path() / "build" / preset);
  write_program(stage.bin / "ctest",
                "[[ $* == *build/simt* ]] || { echo '100% tests passed, 0 tests failed out of 3'; exit 0; }\n"
                "echo '50% tests passed, 1 tests failed out of 2'; echo 'Total Test time (real) = 1 sec'; exit 8\n");
  const ShellResult failed = stage.run("scripts/test --skip-install");
  CHECK(failed.status == 1);
  CHECK(last_line(failed.output) == "4 passed, 1 failed");
  const ShellResult passed = stage.run("scripts/test --skip-install --preset release");
  CHECK(passed.status == 0);
  CHECK(last_line(passed.output) == "3 passed, 0 failed");

  write_program(stage.bin / "ctest", "echo 'No tests were found!!!'; exit 8\n");
  CHECK(stage.run("scripts/test --skip-install").status == 1);

  write_program(stage.bin / "cmake", "echo 'package fmt is missing'; exit 1\n");
  const ShellResult unbuilt = stage.run("scripts/test --skip-install");
  CHECK(unbuilt.status == 1);
  CHECK(contains(unbuilt.output, "package fmt is missing"));
}

TEST_CASE("gpu_check says what it would run, and that there is no GPU") {
  const Stage stage;
  write_program(stage.bin / "nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9\n");
  const ShellResult none = stage.run("scripts/gpu_check");
  CHECK(none.status == 1);
  CHECK(none.output == "error: gpu_check: no NVIDIA driver or no GPU on this machine (nvidia-smi names none)\n");

  const ShellResult plan = stage.run("scripts/gpu_check --dry-run --peers peers --rounds 2");
  CHECK(plan.status == 0);
  for (const char* part :
       {"tests/test_ops\n", "tests/test_cuda\n", "tests/test_nn\n", "tests/test_models\n", "tests/test_train\n",
        "tests/golden_polarmask\n", "--tool memcheck", "--tool racecheck", "--tool initcheck", "--tool synccheck",
        "tool_device_outputs compare", "bench kernels --device cuda", "python3 bench/run --device cuda --azimuth",
        "--rounds 2", "--peers peers"}) {
    CAPTURE(part);
    CHECK(contains(plan.output, part));
  }
  CHECK(!fs::exists(stage.folder.path() / "bench"));
  CHECK(stage.run("scripts/gpu_check --only flying").status == 1);
  CHECK(stage.run("scripts/gpu_check --fly").status == 2);
}

TEST_CASE("gpu_check goes on after a stage that failed, and counts") {
  const Stage stage;
  write_program(stage.bin / "nvidia-smi", "echo 'NVIDIA H100'\n");
  write_program(stage.bin / "python3", "echo \"$*\" >>calls\n");
  write_program(stage.folder.path() / "built" / "azimuth", "[[ $2 != kernels ]]\n");
  const ShellResult checked = stage.run("scripts/gpu_check --build built --only kernels --only model --rounds 1");
  CHECK(checked.status == 1);
  CHECK(last_line(checked.output) == "2 stages passed, 1 failed: kernels");
  const std::string calls = read_file(stage.folder.path() / "calls");
  CHECK(contains(calls, "bench/run --device cuda"));  // after the failure
  const fs::path report = fs::directory_iterator(stage.folder.path() / "bench" / "results")->path();
  CHECK(contains(report.filename().string(), "NVIDIA-H100"));
  CHECK(contains(read_file(report), "| kernels | FAILED (1) |"));
}

}  // namespace az::test
