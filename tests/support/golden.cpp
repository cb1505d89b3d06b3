#include "tests/support/golden.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "nn/reference_fill.h"
#include "tensor/error.h"

namespace az::golden {
namespace {

struct Entry {
  std::string name;
  std::filesystem::path path;
};

// The cases of a system's folder by name: every JSON file and every folder. READMEs and the tensors beside a JSON are
// no cases of their own; anything else is listed too, and no kind will know it.
std::vector<Entry> list_cases(const std::filesystem::path& folder) {
  std::vector<Entry> entries;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() == ".md" || path.filename().string().starts_with('.')) continue;
    if (path.extension() == ".safetensors" &&
        std::filesystem::exists(std::filesystem::path(path).replace_extension(".json")))
      continue;
    entries.push_back({path.extension() == ".json" ? path.stem().string() : path.filename().string(), path});
  }
  std::ranges::sort(entries, {}, &Entry::name);
  return entries;
}

const Kind* find_kind(std::span<const Kind> kinds, const std::string& name) {
  const Kind* best = nullptr;
  for (const Kind& kind : kinds)
    if (name.starts_with(kind.prefix) && (!best || kind.prefix.size() > best->prefix.size())) best = &kind;
  return best;
}

// Runs one case and prints its line; false if it failed.
bool run_case(std::string_view system, const Entry& entry, const Kind* kind) {
  Report report;
  try {
    if (kind)
      kind->run(entry.path, report);
    else
      report.fail("no kind of case that this test knows has a name like this");
  } catch (const Pending& pending) {
    fmt::print("{}/{} pending ({})\n", system, entry.name, pending.what());
    return true;
  } catch (const std::exception& error) {
    report.fail(error.what());
  }
  fmt::print("{}/{} {} {:.2f}\n", system, entry.name, report.ok() ? "ok" : "FAIL", report.worst());
  for (const std::string& problem : report.problems()) fmt::print(stderr, "  {}/{}: {}\n", system, entry.name, problem);
  std::fflush(stdout);
  return report.ok();
}

}  // namespace

std::filesystem::path folder() {
  // Read once at the start of a test program that has no other thread.
  if (const char* chosen = std::getenv("AZIMUTH_GOLDEN"); chosen && *chosen) {
    AZ_CHECK(std::filesystem::is_directory(chosen), "AZIMUTH_GOLDEN: {} is no folder", chosen);
    return chosen;
  }
  const char* source = std::getenv("AZIMUTH_SOURCE");
  AZ_CHECK(source && *source,
           "golden: set AZIMUTH_SOURCE to the source folder, or AZIMUTH_GOLDEN to a folder of cases");
  return std::filesystem::path(source) / "tests" / "golden";
}

std::vector<float> fill(std::string_view name, std::span<const int64_t> shape, uint64_t seed,
                        std::optional<double> offset, std::optional<double> scale) {
  return nn::reference_fill(name, shape, seed, offset, scale);
}

void check_fill(const std::filesystem::path& check_inputs) {
  const nlohmann::json json = load_json(check_inputs);
  for (const auto& item : json.at("cases")) {
    const auto shape = item.at("shape").get<std::vector<int64_t>>();
    const bool from_rule = item.at("from_rule").get<bool>();
    const auto given = [&](const char* key) {
      return from_rule ? std::optional<double>() : std::optional<double>(item.at(key).get<double>());
    };
    const auto name = item.at("name").get<std::string>();
    const std::vector<float> own = fill(name, shape, item.at("seed").get<uint64_t>(), given("offset"), given("scale"));
    for (size_t i = 0; i < item.at("bits").size(); ++i) {
      const auto bits = static_cast<uint32_t>(std::stoul(item["bits"][i].get<std::string>(), nullptr, 16));
      AZ_CHECK(i < own.size() && std::bit_cast<uint32_t>(own[i]) == bits, "{}: the fill gives another value {} of {}",
               check_inputs.string(), i, name);
    }
  }
}

int run(std::string_view system, std::span<const Kind> kinds) {
  try {
    check_fill(folder() / "check_inputs.json");
    const std::filesystem::path cases = folder() / system;
    AZ_CHECK(std::filesystem::is_directory(cases), "{}: no folder of golden cases", cases.string());
    const std::vector<Entry> entries = list_cases(cases);
    AZ_CHECK(!entries.empty(), "{}: no golden cases", cases.string());
    bool ok = true;
    for (const Entry& entry : entries) ok = run_case(system, entry, find_kind(kinds, entry.name)) && ok;
    return ok ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}

}  // namespace az::golden
