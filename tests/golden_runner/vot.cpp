// Golden cases of VOT and OTB (specs/vot.md).
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "eval/otb.h"
#include "eval/vot.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/golden.h"

namespace {

namespace fs = std::filesystem;
using az::cpu::Region;
using az::golden::Case;
using az::golden::Kind;
using az::golden::Report;
using nlohmann::json;

Region region_of(const json& values) { return {values.get<std::vector<float>>()}; }

json number(double value) { return std::isnan(value) ? json() : json(value); }

void run_overlap(const fs::path& file, Report& report) {
  Case test(file, report);
  size_t i = 0;
  for (const json& pair : test.json().at("pairs")) {
    std::optional<az::cpu::RegionBounds> bounds;
    if (!pair.at("bounds").is_null()) bounds = {{pair["bounds"][0].get<float>(), pair["bounds"][1].get<float>()}};
    const float own = az::cpu::region_overlap(region_of(pair.at("a")), region_of(pair.at("b")), bounds);
    test.check_json("pairs." + std::to_string(i++) + ".overlap", number(static_cast<double>(own)));
  }
  test.finish();
}

void run_rasterize(const fs::path& file, Report& report) {
  Case test(file, report);
  const int width = test.json().at("width"), height = test.json().at("height");
  size_t i = 0;
  for (const json& item : test.json().at("cases")) {
    const auto corners = item.at("polygon").get<std::vector<float>>();
    const az::cpu::RegionRaster own = az::cpu::rasterise_region(corners, width, height);
    std::vector<std::string> rows;
    int64_t pixels = 0;
    for (size_t p = 0; p < own.pixels.size(); ++p) {
      if (p % static_cast<size_t>(width) == 0) rows.emplace_back();
      rows.back().push_back(own.pixels[p] ? '#' : '.');
      pixels += own.pixels[p];
    }
    const std::string path = "cases." + std::to_string(i++);
    test.check_json(path + ".rows", rows);
    test.check_json(path + ".pixels", pixels);
    test.check_json(path + ".sum", own.span_pixels);
  }
  test.finish();
}

void run_init_box(const fs::path& file, Report& report) {
  Case test(file, report);
  size_t i = 0;
  for (const json& item : test.json().at("cases")) {
    const az::cpu::InitialBox own = az::cpu::initial_box(region_of(item.at("region")));
    test.check_json("cases." + std::to_string(i++) + ".box", std::array{own.cx, own.cy, own.w, own.h});
  }
  test.finish();
}

void run_otb(const fs::path& file, Report& report) {
  Case test(file, report);
  std::vector<az::eval::OtbSequenceScores> sequences;
  for (const auto& [name, item] : test.json().at("sequences").items()) {
    const az::eval::OtbCurves own = az::eval::otb_curves(item.at("gt").get<std::vector<az::cpu::Box>>(),
                                                         item.at("pred").get<std::vector<az::cpu::Box>>());
    sequences.push_back({name, own});
    test.check_json("sequences." + name + ".success", own.success);
    test.check_json("sequences." + name + ".precision", own.precision);
    test.check_json("sequences." + name + ".norm_precision", own.normalised);
  }
  const az::eval::OtbScores own = az::eval::otb_scores(sequences);
  test.check_json("summary", {{"success_auc", own.success_auc},
                              {"precision_at_20", own.precision},
                              {"norm_precision_at_0.2", own.normalised}});
  test.finish();
}

/// The set with the picture sizes that stand beside it, for there are no frames.
az::data::VotSet read_set(const fs::path& folder) {
  az::data::VotSet set = az::data::read_vot(folder);
  const json sizes = az::golden::load_json(folder / "sizes.json");
  for (az::data::VotSequence& s : set.sequences) {
    s.width = sizes.at(s.name).at(0);
    s.height = sizes.at(s.name).at(1);
  }
  return set;
}

/// A supervised run fed with what the scripted tracker says must give the result file.
void check_run(Case& test, const std::string& path, const fs::path& folder, const std::string& tracker,
               const az::data::VotSet& set, const json& expected) {
  for (const az::data::VotSequence& s : set.sequences) {
    const auto said = az::data::read_regions(folder / "predictions" / tracker / (s.name + ".txt"));
    const auto lines = az::eval::run_supervised(
        s, [](size_t, const Region&) {}, [&](size_t frame) { return said.at(frame); });
    const fs::path result = folder / "results" / tracker / "baseline" / s.name / (s.name + "_001.txt");
    if (az::data::regions_text(lines) != az::read_file(result))
      test.report().fail(result.string() + ": the supervised run gives other lines");
    int64_t lost = 0;
    for (const Region& line : lines) lost += line == Region{{2}};
    if (expected.contains("lost_per_sequence_of_the_run"))
      test.check_json(path + ".lost_per_sequence_of_the_run." + s.name, lost);
  }
}

void check_tracker(Case& test, const fs::path& folder, const std::string& tracker, const json& expected) {
  const std::string path = folder.filename().string() + "." + tracker;
  const az::data::VotSet set = read_set(folder);
  const az::data::VotResults results = az::data::read_vot_results(folder / "results" / tracker, set);
  if (fs::is_directory(folder / "predictions" / tracker)) check_run(test, path, folder, tracker, set, expected);
  for (const auto& [name, figures] : expected.at("eao").items()) {
    const auto interval =
        name == "VOT2016_siammask_interval" ? az::eval::vot_interval("VOT2018") : az::eval::vot_interval(name);
    const az::eval::VotScores own = az::eval::evaluate_vot(set, results, {.interval = interval});
    for (const auto& [attribute, value] : figures.items())
      test.check_json(path + ".eao." + name + "." + attribute,
                      number(attribute == "all" ? own.eao : own.attributes.at(attribute)));
    test.check_json(path + ".accuracy", own.accuracy);
    test.check_json(path + ".robustness", own.robustness);
    test.check_json(path + ".lost_number", own.lost_number);
    for (const az::eval::VotSequenceScores& s : own.sequences)
      test.check_json(path + ".per_video." + s.name, {{"accuracy", s.accuracy}, {"lost_number", s.lost_number}});
  }
}

void run_evaluation(const fs::path& file, Report& report) {
  Case test(file, report);
  for (const auto& [name, trackers] : test.json().items())
    if (name.starts_with("VOT"))
      for (const auto& [tracker, expected] : trackers.items())
        check_tracker(test, file.parent_path() / name, tracker, expected);
  test.mark_checked("file:*/results/*");
  test.finish();
}

/// A folder is run by the case that expects figures of it.
void check_expected(const fs::path& folder, Report& report) {
  const json expected = az::golden::load_json(folder.parent_path() / "evaluation.json");
  for (const auto& entry : fs::directory_iterator(folder / "results")) {
    const std::string tracker = entry.path().filename().string();
    if (!expected.contains(folder.filename().string()) || !expected[folder.filename().string()].contains(tracker))
      report.fail(folder.string() + ": evaluation.json expects no figures of " + tracker);
  }
}

}  // namespace

int main() {
  const std::array kinds = {Kind{"overlap", run_overlap},       Kind{"rasterize", run_rasterize},
                            Kind{"init_box", run_init_box},     Kind{"otb", run_otb},
                            Kind{"evaluation", run_evaluation}, Kind{"VOT", check_expected}};
  return az::golden::run("vot", kinds);
}
