// README and docs name only what exists: links, scripts, configurations, commands and their options.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "tensor/file.h"
#include "tests/support/shell.h"
#include "tests/support/temporary.h"

namespace az::test {
namespace {

namespace fs = std::filesystem;

// The help text of `azimuth WORDS`; what `azimuth` itself prints for words that are no command.
using Help = std::function<std::string(const std::string& words)>;

// Lines of fenced blocks (a trailing backslash joins the next line) and the inline code spans of other lines.
std::vector<std::string> code_of(const std::string& text) {
  std::vector<std::string> code;
  bool fenced = false, joined = false;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.starts_with("```")) {
      fenced = !fenced;
    } else if (fenced) {
      const bool goes_on = line.ends_with('\\');
      if (goes_on) line.pop_back();
      if (joined) {
        code.back() += line;
      } else {
        code.push_back(line);
      }
      joined = goes_on;
    } else {
      const std::regex span("`([^`]+)`");
      for (std::sregex_iterator at(line.begin(), line.end(), span), none; at != none; ++at) code.push_back((*at)[1]);
    }
  }
  return code;
}

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  const std::regex word("[^ ]+");
  for (std::sregex_iterator at(line.begin(), line.end(), word), none; at != none; ++at) words.push_back(at->str());
  return words;
}

// What a command line names that the binary does not know.
std::vector<std::string> command_faults(const std::vector<std::string>& words, const Help& help) {
  std::vector<std::string> faults;
  const std::regex plain("[a-z0-9]+");
  std::string command = words.size() > 1 ? words[1] : "";
  if (!std::regex_match(command, plain)) return faults;  // `azimuth COMMAND --help`
  std::string text = help(command);
  if (text.find(fmt::format("azimuth {} ", command)) == std::string::npos) {
    return {fmt::format("azimuth has no command {}", command)};
  }
  // The second word may be a command of its own; one with a dot, slash or capital is an argument.
  if (words.size() > 2 && std::regex_match(words[2], std::regex("[a-z0-9-]+")) && !words[2].starts_with('-')) {
    const std::string longer = fmt::format("{} {}", command, words[2]);
    const std::string longer_text = help(longer);
    if (longer_text.find(fmt::format("azimuth {} ", longer)) == std::string::npos) {
      return {fmt::format("azimuth has no command {}", longer)};
    }
    command = longer;
    text = longer_text;
  }
  for (const std::string& word : words) {
    if (word.starts_with('#')) break;
    if (!word.starts_with("--")) continue;
    const std::string option = word.substr(0, word.find_first_of("=,;)"));
    if (!std::regex_search(text, std::regex(option + "\\b"))) {
      faults.push_back(fmt::format("azimuth {} has no option {}", command, option));
    }
  }
  return faults;
}

// What the page names that is not there; `folder` is the page's.
std::vector<std::string> page_faults(const fs::path& root, const fs::path& folder, const std::string& text,
                                     const Help& help) {
  std::vector<std::string> faults;
  const std::regex link("\\]\\(([^)# ]+)[^)]*\\)");
  for (std::sregex_iterator at(text.begin(), text.end(), link), none; at != none; ++at) {
    const std::string target = (*at)[1];
    if (!target.starts_with("http") && !fs::exists(folder / target)) faults.push_back("no file " + target);
  }
  const std::regex path("^(scripts|configs|docs|bench|\\.ci)/[A-Za-z0-9_./-]+$");
  for (const std::string& line : code_of(text)) {
    const std::vector<std::string> words = words_of(line);
    if (words.empty()) continue;
    for (const std::string& word : words) {
      if (std::regex_match(word, path) && !fs::exists(root / word)) faults.push_back("no file " + word);
    }
    if (words[0] == "azimuth" || words[0] == "build/release/azimuth") {
      for (const std::string& fault : command_faults(words, help)) faults.push_back(fault);
    }
  }
  return faults;
}

}  // namespace

TEST_CASE("README and docs name only what exists") {
  const char* binary = std::getenv("AZIMUTH_BINARY");
  REQUIRE_MESSAGE(binary != nullptr, "AZIMUTH_BINARY must name the built azimuth; ctest sets it");
  std::map<std::string, std::string> known;  // the binary starts once a command
  const Help help = [&](const std::string& words) {
    const auto [at, is_new] = known.try_emplace(words);
    if (is_new) at->second = shell(fmt::format("{} {} --help", quoted(binary), words)).output;
    return at->second;
  };
  std::vector<fs::path> pages = {source_root() / "README.md"};
  for (const auto& entry : fs::recursive_directory_iterator(source_root() / "docs")) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  }
  for (const fs::path& page : pages) {
    for (const std::string& fault : page_faults(source_root(), page.parent_path(), read_file(page), help)) {
      FAIL_CHECK(page.lexically_relative(source_root()).string() << ": " << fault);
    }
  }
}

TEST_CASE("a page that names what is not there is found out") {
  const TemporaryFolder folder;
  const Help help = [](const std::string& words) -> std::string {
    if (words == "train") return "Usage: azimuth train [OPTIONS] CONFIG\n  --set TEXT\n  --out TEXT\n";
    if (words == "synth coco") return "Usage: azimuth synth coco [OPTIONS]\n  --out TEXT\n";
    if (words.starts_with("synth")) return "Usage: azimuth synth [OPTIONS] SUBCOMMAND\n";
    return "Usage: azimuth [OPTIONS] SUBCOMMAND\n";
  };
  const auto faults = [&](const std::string& text) { return page_faults(folder.path(), folder.path(), text, help); };
  CHECK(faults("`azimuth train C --set a=b --out R`, `azimuth synth coco --out D` [a](https://b.c)").empty());
  CHECK(faults("`azimuth COMMAND --help`\n").empty());
  CHECK(faults("```\nazimuth train C \\\n  --nothing 3\n```\n").size() == 1);
  CHECK(faults("`azimuth nothing`\n").size() == 1);
  CHECK(faults("`azimuth synth nothing`\n").size() == 1);
  CHECK(faults("[page](docs/nothing.md#part) and `scripts/nothing --help`\n").size() == 2);
}

}  // namespace az::test
