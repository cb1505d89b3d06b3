#include "tests/support/shell.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "tensor/error.h"

namespace az::test {

std::string quoted(const std::string& text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

ShellResult shell(const std::string& line, int seconds) {
  const std::string command = fmt::format("timeout {} bash -c {} 2>&1", seconds, quoted(line));
  FILE* pipe = popen(command.c_str(), "r");
  AZ_CHECK(pipe != nullptr, "shell: cannot start bash");
  ShellResult result{0, {}};
  std::array<char, 4096> chunk;
  for (size_t n = 0; (n = fread(chunk.data(), 1, chunk.size(), pipe)) > 0;) result.output.append(chunk.data(), n);
  const int status = pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::filesystem::path source_root() {
  const char* root = std::getenv("AZIMUTH_SOURCE");
  AZ_CHECK(root != nullptr, "AZIMUTH_SOURCE must name the repository; ctest sets it");
  return root;
}

}  // namespace az::test
