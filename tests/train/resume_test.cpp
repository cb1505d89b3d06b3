// scripts/check_resume in short: the whole program, killed for real.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>

#include "tests/support/shell.h"
#include "tests/support/temporary.h"

using namespace az;

TEST_CASE("resume: three kills -9 of a training run do not change a bit of its end") {
  const char* binary = std::getenv("AZIMUTH_BINARY");
  if (binary == nullptr) {
    MESSAGE("skipped: AZIMUTH_BINARY, which ctest sets, names no azimuth");
    return;
  }
  const test::TemporaryFolder folder;
  const auto result = test::shell(fmt::format("{} --binary {} --out {} --kills 3 --steps 12 --pictures 8",
                                              test::quoted(test::source_root() / "scripts" / "check_resume"),
                                              test::quoted(binary), test::quoted(folder.path() / "runs")),
                                  600);
  CAPTURE(result.output);
  CHECK(result.status == 0);
  CHECK(result.output.find("\n3 kills, ") != std::string::npos);
  CHECK(result.output.ends_with(" resumes: final weights equal to the bit\n"));
}
