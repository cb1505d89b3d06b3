#include "cli/bench_kernels.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <set>

#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/shell.h"

using namespace az;

TEST_CASE("the kernels' benchmark times every family") {
  CHECK_THROWS_WITH_AS(cli::bench_kernels({.small = true}, test::cpu()), doctest::Contains("use --device cuda"), Error);
  Device* device = test::cuda();
  if (!device) return;
  const cli::KernelBench bench = cli::bench_kernels({.small = true}, *device);
  CHECK(bench.copy_gb_s > 0);
  std::set<std::string> families;
  std::map<std::string, std::set<std::string>> cases;  // by dtype
  for (const cli::KernelTime& t : bench.kernels) {
    CAPTURE(t.family);
    CAPTURE(t.what);
    CAPTURE(t.dtype);
    families.insert(t.family);
    cases[t.dtype].insert(t.family + ": " + t.what);
    CHECK((t.us > 0 && t.gb_s > 0 && t.share > 0 && t.gflop_s >= 0));
    CHECK(!t.kernels.empty());
  }
  CHECK(cases["f16"].contains("elementwise: add"));
  CHECK(cases["f16"] == cases["bf16"]);
  for (const auto& file : std::filesystem::directory_iterator(test::source_root() / "cuda")) {
    if (file.path().extension() != ".cu" || file.path().stem() == "launch") continue;
    CAPTURE(file.path());
    CHECK(families.contains(file.path().stem().string()));
  }
}
