#include "cli/track_tune.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/tracking.h"
#include "data/vot.h"
#include "eval/vot.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Tried {
  models::SiamTrackOptions options;
  eval::VotScores scores;
};

std::vector<models::SiamTrackOptions> make_grid(const models::SiamTrackOptions& base, const TuneOptions& o,
                                                bool refine) {
  const auto range = [&](const char* name, const std::string& given, const char* sharp, const char* plain) {
    return parse_range(name, !given.empty() ? given : refine ? sharp : plain);
  };
  std::vector<models::SiamTrackOptions> grid;
  for (const double k : range("--penalty-k", o.penalty_k, "0.08:0.13:0.01", "0:0.25:0.02"))
    for (const double wi : range("--window-influence", o.window_influence, "0.38:0.44:0.01", "0.36:0.51:0.02"))
      for (const double lr : range("--lr", o.lr, "0.30:0.35:0.01", "0.25:0.56:0.05")) {
        grid.push_back(base);
        grid.back().penalty_k = k;
        grid.back().window_influence = wi;
        grid.back().lr = lr;
      }
  return grid;
}

std::string name_of(const models::SiamTrackOptions& o) {
  return fmt::format("penalty_k {:.4g}  window_influence {:.4g}  lr {:.4g}", o.penalty_k, o.window_influence, o.lr);
}

Json json_of(const Tried& t) {
  return {{"penalty_k", t.options.penalty_k},
          {"window_influence", t.options.window_influence},
          {"lr", t.options.lr},
          {"EAO", number(t.scores.eao)},
          {"accuracy", number(t.scores.accuracy)},
          {"robustness", number(t.scores.robustness)},
          {"lost_number", t.scores.lost_number}};
}

}  // namespace

void add_tune_options(CLI::App& command, TuneOptions& o) {
  command.add_option("--penalty-k", o.penalty_k, "with --tune: FROM:BELOW:STEP, or one value");
  command.add_option("--window-influence", o.window_influence, "with --tune: the same of the window's share");
  command.add_option("--lr", o.lr, "with --tune: the same of the size's rate");
  command.add_option("--interval", o.interval, "with --tune: of EAO, LOW,HIGH in frames or a data set's name");
  command.add_option("--lanes", o.lanes, "with --tune: settings side by side")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
}

std::vector<double> parse_range(const std::string& name, const std::string& text) {
  double from = 0, below = 0, step = 0;
  char rest = 0;
  const int read = std::sscanf(text.c_str(), "%lf:%lf:%lf%c", &from, &below, &step, &rest);
  const std::string want = fmt::format("{} is '{}', want FROM:BELOW:STEP or one number", name, text);
  if (read == 1 && text.find(':') == std::string::npos && std::isfinite(from)) return {from};
  AZ_CHECK(read == 3 && std::isfinite(from) && std::isfinite(below) && step > 0 && from < below, "{}", want);
  AZ_CHECK((below - from) / step <= 1000, "{}: {} has more than 1000 numbers", name, text);
  std::vector<double> values;
  for (int i = 0; from + i * step < below - 1e-9 * step; ++i) values.push_back(from + i * step);
  return values;
}

void tune_tracker(models::SiamMask& network, const models::SiamTrackOptions& base, const models::SiamStepOptions& how,
                  Device& device, const std::filesystem::path& path, const TuneOptions& o) {
  const data::VotSet set = data::read_vot(path);
  const eval::VotInterval interval = parse_interval(o.interval, path.string());
  const auto grid = make_grid(base, o, network.options().refine);
  fmt::print(stderr, "{} settings, {} side by side, {} sequences; EAO over {} to {} frames\n", grid.size(), o.lanes,
             set.sequences.size(), interval.low, interval.high);
  std::vector<Tried> tried;
  size_t best = 0;
  eval::TrackTime time;
  for (size_t begin = 0; begin < grid.size(); begin += static_cast<size_t>(o.lanes)) {
    const size_t count = std::min(grid.size() - begin, static_cast<size_t>(o.lanes));
    const std::vector<models::SiamTrackOptions> lanes(grid.begin() + static_cast<std::ptrdiff_t>(begin),
                                                      grid.begin() + static_cast<std::ptrdiff_t>(begin + count));
    std::vector<std::string> names;
    for (const auto& lane : lanes) names.push_back(name_of(lane));
    models::SiamTracker tracker(network, lanes, device, how);
    const auto results = eval::track_vot(tracker, set, names, time);
    for (size_t i = 0; i < count; ++i) {
      tried.push_back({lanes[i], eval::evaluate_vot(set, results[i], {.interval = interval})});
      const eval::VotScores& own = tried.back().scores;
      if (eval::vot_better(own, tried[best].scores)) best = tried.size() - 1;
      if (!o.json) fmt::print("{}  A {:.3f}  R {:.3f}  EAO {:.4f}\n", names[i], own.accuracy, own.robustness, own.eao);
    }
  }
  Json all{{"best", json_of(tried[best])}, {"interval", {interval.low, interval.high}}};
  for (const Tried& t : tried) all["tried"].push_back(json_of(t));
  all["settings_frames_per_s"] = time.per_second() * std::min<double>(o.lanes, static_cast<double>(grid.size()));
  if (!o.out.empty()) {
    std::filesystem::create_directories(o.out);
    write_file(std::filesystem::path(o.out) / "tune.json", all.dump(1) + "\n");
  }
  if (o.json)
    fmt::print("{}\n", all.dump());
  else
    fmt::print("best: {}  EAO {:.4f}\n", name_of(tried[best].options), tried[best].scores.eao);
}

}  // namespace az::cli
