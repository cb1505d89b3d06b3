// Running a command in tests.
#pragma once

#include <filesystem>
#include <string>

namespace az::test {

struct ShellResult {
  int status;          // as the shell would say it; 124: it ran past its time
  std::string output;  // stdout and stderr together
};

/// Runs a line of bash for at most `seconds`.
ShellResult shell(const std::string& line, int seconds = 60);

/// The text as one word of a shell line.
std::string quoted(const std::string& text);

/// The repository's root: AZIMUTH_SOURCE, which ctest sets.
std::filesystem::path source_root();

}  // namespace az::test
