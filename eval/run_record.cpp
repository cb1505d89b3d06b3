#include "eval/run_record.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "tensor/error.h"
#include "tensor/file.h"

namespace az::eval {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;

constexpr size_t kMaxCurves = 64;  // a log has about ten; more would be a file of another kind

// The file's text; nothing where there is no such file.
std::optional<std::string> text_of(const fs::path& file) {
  if (!fs::exists(file)) return std::nullopt;
  return read_file(file);
}

// Calls f(line, number from 1, is the last) for each line that is not empty.
template <class F>
void for_each_line(const std::string& text, const F& f) {
  int number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line(text.data() + begin, end - begin);
    ++number;
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) f(line, number, begin >= text.size());
  }
}

Curve* curve_named(RunRecord& run, std::string_view name) {
  const auto at = std::find_if(run.curves.begin(), run.curves.end(), [&](const Curve& c) { return c.name == name; });
  if (at != run.curves.end()) return &*at;
  if (run.curves.size() == kMaxCurves) return nullptr;
  return &run.curves.emplace_back(Curve{std::string(name), {}, {}});
}

void add_point(Curve& curve, double step, double value) {
  while (!curve.steps.empty() && curve.steps.back() >= step) {
    curve.steps.pop_back();
    curve.values.pop_back();
  }
  curve.steps.push_back(step);
  curve.values.push_back(value);
}

void read_metrics(const fs::path& file, RunRecord& run) {
  const auto text = text_of(file);
  if (!text) return;
  dom::parser parser;
  for_each_line(*text, [&](std::string_view line, int number, bool last) {
    dom::element row;
    if (const auto error = parser.parse(line.data(), line.size()).get(row)) {
      if (last) return;
      fail("{}: line {}: {}", file.string(), number, simdjson::error_message(error));
    }
    dom::object object;
    double step = 0;
    AZ_CHECK(
        row.get(object) == simdjson::SUCCESS && object["step"].get(step) == simdjson::SUCCESS && std::isfinite(step),
        "{}: line {}: want an object with a number \"step\"", file.string(), number);
    for (const auto& [key, value] : object) {
      double number_value = 0;
      if (key == "step" || value.get(number_value) != simdjson::SUCCESS) continue;
      if (Curve* curve = curve_named(run, key)) add_point(*curve, step, number_value);
    }
  });
}

// The object's numbers in its order; nested values are left out.
Figures numbers_of(const dom::object& object) {
  Figures figures;
  for (const auto& [key, value] : object) {
    double number = 0;
    if (value.get(number) == simdjson::SUCCESS) figures.emplace_back(key, number);
  }
  return figures;
}

std::optional<double> number_at(const dom::object& object, std::string_view key) {
  double number = 0;
  if (object[key].get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

// Calls f(object) with what the file holds; not where there is no such file.
template <class F>
void with_object(const fs::path& file, const F& f) {
  const auto text = text_of(file);
  if (!text) return;
  dom::parser parser;
  dom::element root;
  if (const auto error = parser.parse(*text).get(root)) fail("{}: {}", file.string(), simdjson::error_message(error));
  dom::object object;
  AZ_CHECK(root.get(object) == simdjson::SUCCESS, "{}: want an object, as azimuth eval --out writes it", file.string());
  f(object);
}

void add_tracker(const std::string& name, const dom::object& object, RunRecord& run) {
  if (number_at(object, "EAO")) run.trackers.emplace_back(name, numbers_of(object));
}

void read_results(const dom::object& object, RunRecord& run) {
  add_tracker("trained", object, run);
  dom::object part;
  if (object["first_box"].get(part) == simdjson::SUCCESS) add_tracker("first_box", part, run);
  if (object["segm"].get(part) == simdjson::SUCCESS) run.segm = numbers_of(part);
  if (object["bbox"].get(part) == simdjson::SUCCESS) run.bbox = numbers_of(part);
  if (object["per_category"].get(part) == simdjson::SUCCESS) {
    for (const auto& [key, value] : part) {
      dom::object types;
      if (value.get(types) == simdjson::SUCCESS) run.by_category.emplace_back(key, numbers_of(types));
    }
  }
  run.ray_ceiling_AP = number_at(object, "ray_ceiling_AP");
  run.images = number_at(object, "images");
  run.eval_seconds = number_at(object, "seconds");
}

void read_stages(const fs::path& file, RunRecord& run) {
  const auto text = text_of(file);
  if (!text) return;
  for_each_line(*text, [&](std::string_view line, int number, bool) {
    const size_t tab = line.find('\t');
    double seconds = 0;
    const char* const end = line.data() + line.size();
    AZ_CHECK(tab != std::string_view::npos && std::from_chars(line.data() + tab + 1, end, seconds).ec == std::errc(),
             "{}: line {}: want a stage, a tab and seconds", file.string(), number);
    const std::string name(line.substr(0, tab));
    const auto at = std::find_if(run.stage_seconds.begin(), run.stage_seconds.end(),
                                 [&](const auto& s) { return s.first == name; });
    if (at == run.stage_seconds.end()) {
      run.stage_seconds.emplace_back(name, seconds);
    } else {
      at->second += seconds;
    }
  });
}

std::vector<fs::path> pictures_in(const fs::path& folder) {
  std::vector<fs::path> found;
  if (!fs::is_directory(folder)) return found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string kind = entry.path().extension().string();
    if (entry.is_regular_file() && (kind == ".jpg" || kind == ".jpeg" || kind == ".png")) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

RunRecord read_run(const fs::path& run) {
  AZ_CHECK(fs::is_directory(run), "{}: no such run folder; name the --out folder of a training run", run.string());
  RunRecord record;
  record.name = fs::weakly_canonical(run).filename().string();
  read_metrics(run / "metrics.jsonl", record);
  with_object(run / "results.json", [&](const dom::object& object) { read_results(object, record); });
  with_object(run / "untrained.json", [&](const dom::object& object) { add_tracker("untrained", object, record); });
  read_stages(run / "stages.tsv", record);
  record.config = text_of(run / "config.toml").value_or("");
  record.pictures = pictures_in(run / "pictures");
  return record;
}

std::optional<double> figure(const Figures& figures, const std::string& name) {
  for (const auto& [key, value] : figures) {
    if (key == name) return value;
  }
  return std::nullopt;
}

}  // namespace az::eval
