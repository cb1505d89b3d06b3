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

/// An empty folder that goes away with the object.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace az::test
