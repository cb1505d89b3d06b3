// Runs a fuzz target without libFuzzer: FOLDER [MUTATIONS] feeds it every file of the folder and that many seeded
// mutations of each (200 by default). What the target does not survive ends the program.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "tensor/file.h"
#include "tensor/rng.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void run(const std::string& input) {
  // A copy of exactly this size, so that a sanitizer sees a read past the end.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

size_t below(az::Rng& rng, size_t count) {
  return static_cast<size_t>(rng.integer(0, static_cast<int64_t>(std::max<size_t>(count, 1)) - 1));
}

/// One change of the kinds that break parsers: a byte, a count at its limits, a cut, a repetition.
void mutate(std::string& bytes, az::Rng& rng) {
  if (bytes.empty()) return;
  const size_t at = below(rng, bytes.size());
  const size_t length = std::min(below(rng, 64) + 1, bytes.size() - at);
  switch (rng.integer(0, 5)) {
    case 0: bytes[at] = static_cast<char>(rng.integer(0, 255)); break;
    case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << rng.integer(0, 7))); break;
    case 2: {
      constexpr std::array<unsigned char, 4> kLimits = {0x00, 0xff, 0x7f, 0x80};
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), std::min<size_t>(length, 8),
                  static_cast<char>(kLimits[below(rng, kLimits.size())]));
      break;
    }
    case 3: bytes.resize(at); break;
    case 4: bytes.insert(below(rng, bytes.size()), bytes.substr(at, length)); break;
    default: bytes.erase(at, length); break;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char*> arguments(argv, static_cast<size_t>(argc));
  if (arguments.size() < 2) {
    fmt::print(stderr, "usage: {} FOLDER [MUTATIONS]\n", arguments[0]);
    return 2;
  }
  const int mutations = arguments.size() > 2 ? std::atoi(arguments[2]) : 200;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(arguments[1])) files.push_back(entry.path());
  std::ranges::sort(files);
  if (files.empty()) {
    fmt::print(stderr, "{}: no inputs\n", arguments[1]);
    return 1;
  }
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string original = az::read_file(files[i]);
    run(original);
    for (int m = 0; m < mutations; ++m) {
      az::Rng rng(0, az::Purpose::test, i, static_cast<uint64_t>(m));
      std::string input = original;
      for (int64_t changes = rng.integer(1, 4); changes > 0; --changes) mutate(input, rng);
      run(input);
    }
  }
  fmt::print("{} files and {} mutations of each: survived\n", files.size(), mutations);
  return 0;
}
