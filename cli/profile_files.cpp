#include "cli/profile_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "tensor/error.h"
#include "tensor/file.h"

namespace az::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::pair<const char*, std::string ProfileRow::*>, 6> kTexts = {{
    {"phase", &ProfileRow::phase},
    {"op", &ProfileRow::name},
    {"algorithm", &ProfileRow::algorithm},
    {"dtype", &ProfileRow::dtype},
    {"layer", &ProfileRow::layer},
    {"shape", &ProfileRow::shape},
}};
constexpr std::array<std::pair<const char*, double ProfileRow::*>, 6> kNumbers = {{
    {"calls", &ProfileRow::calls},
    {"ms", &ProfileRow::ms},
    {"flops", &ProfileRow::flops},
    {"executed_flops", &ProfileRow::executed_flops},
    {"bytes", &ProfileRow::bytes},
    {"allocated_bytes", &ProfileRow::allocated_bytes},
}};

/// Data work goes on while a device runs what was queued before it: it has a track of its own.
int track_of(const Span& span) { return 2 * span.track + int{span.phase == Phase::data}; }

std::string track_name(int track) {
  const std::string thread = track < 2 ? "step" : fmt::format("thread {}", track / 2);
  return track % 2 ? thread + ", data" : thread;
}

Json metadata(const char* what, int track, const std::string& name) {
  return {{"name", what}, {"ph", "M"}, {"pid", 1}, {"tid", track}, {"args", {{"name", name}}}};
}

Json complete(const std::string& name, const char* category, int track, int64_t begin_ns, int64_t end_ns) {
  return {{"name", name},
          {"cat", category},
          {"ph", "X"},
          {"pid", 1},
          {"tid", track},
          {"ts", static_cast<double>(begin_ns) / 1000},
          {"dur", static_cast<double>(end_ns - begin_ns) / 1000}};
}

Json event(const Span& s, const LayerNames& layers) {
  Json e = complete(s.name, phase_name(s.phase), track_of(s), s.begin_ns, s.end_ns);
  Json args = Json::object();
  const auto text = [&](const char* key, const std::string& value) {
    if (!value.empty()) args[key] = value;
  };
  text("shape", s.detail.shape);
  text("dtype", s.detail.dtype);
  text("algorithm", s.detail.algorithm);
  if (const auto layer = layers.find(s.detail.weight); layer != layers.end()) text("layer", layer->second);
  const double seconds = static_cast<double>(s.end_ns - s.begin_ns) / 1e9;
  if (s.detail.cost.flops > 0 && seconds > 0) args["GFLOP/s"] = s.detail.cost.flops / seconds / 1e9;
  if (s.detail.cost.bytes() > 0 && seconds > 0) args["GB/s"] = s.detail.cost.bytes() / seconds / 1e9;
  e["args"] = std::move(args);
  return e;
}

}  // namespace

std::string ProfileSubject::title() const {
  return fmt::format("{} {} {} {}, {}", model, mode, size, dtype,
                     device == "cpu" ? fmt::format("{} thread{}", threads, threads == 1 ? "" : "s") : device);
}

Json ops_json(const ProfileSubject& s, const Peaks& peaks, const std::vector<ProfileRow>& rows) {
  Json list = Json::array();
  for (const ProfileRow& row : rows) {
    Json entry;
    for (const auto& [name, member] : kTexts) entry[name] = row.*member;
    for (const auto& [name, member] : kNumbers) entry[name] = row.*member;
    entry["track"] = row.track;
    entry["roofline_ms"] = roofline_ms(row, peaks);
    list.push_back(std::move(entry));
  }
  return {{"model", s.model},
          {"mode", s.mode},
          {"size", s.size},
          {"dtype", s.dtype},
          {"device", s.device},
          {"threads", s.threads},
          {"steps", s.steps},
          {"step_ms", s.step_ms},
          {"plain_ms", s.plain_ms},
          {"peak_tensor_mb", s.peak_tensor_mb},
          {"peaks", peaks_json(peaks)},
          {"ops", std::move(list)}};
}

std::vector<ProfileRow> read_ops(const std::string& file) {
  const auto json = nlohmann::json::parse(read_file(file), nullptr, false);
  AZ_CHECK(json.is_object() && json.contains("ops") && json["ops"].is_array(),
           "{}: not a profile; want the ops.json that `azimuth profile --out` writes", file);
  std::vector<ProfileRow> rows;
  for (const auto& entry : json["ops"]) {
    ProfileRow& row = rows.emplace_back();
    const auto has = [&](const char* name) { return entry.is_object() && entry.contains(name); };
    for (const auto& [name, member] : kTexts) {
      AZ_CHECK(has(name) && entry[name].is_string(), "{}: op {} has no text '{}'", file, rows.size(), name);
      row.*member = entry[name].get<std::string>();
    }
    for (const auto& [name, member] : kNumbers) {
      AZ_CHECK(has(name) && entry[name].is_number(), "{}: op {} has no number '{}'", file, rows.size(), name);
      row.*member = entry[name].get<double>();
    }
    AZ_CHECK(has("track") && entry["track"].is_number_integer(), "{}: op {} has no number 'track'", file, rows.size());
    row.track = entry["track"].get<int>();
  }
  return rows;
}

Json trace_json(const std::string& title, const std::vector<ProfiledStep>& steps, const LayerNames& layers) {
  std::vector<Json> events;
  std::set<int> tracks{0};
  for (size_t i = 0; i < steps.size(); ++i) {
    events.push_back(complete(fmt::format("step {}", i + 1), "step", 0, steps[i].begin_ns, steps[i].end_ns));
    for (const Span& span : steps[i].spans) {
      events.push_back(event(span, layers));
      tracks.insert(track_of(span));
    }
  }
  // Outer spans before those inside them, as viewers want them.
  std::ranges::stable_sort(events, [](const Json& a, const Json& b) {
    const auto order = [](const Json& e) { return std::pair(e["ts"].get<double>(), -e["dur"].get<double>()); };
    return order(a) < order(b);
  });
  Json list = Json::array({metadata("process_name", 0, title)});
  for (const int track : tracks) list.push_back(metadata("thread_name", track, track_name(track)));
  for (Json& e : events) list.push_back(std::move(e));
  return {{"displayTimeUnit", "ms"}, {"traceEvents", std::move(list)}};
}

}  // namespace az::cli
