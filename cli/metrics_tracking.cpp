#include "cli/metrics_tracking.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/tracking.h"
#include "data/otb.h"
#include "eval/chart.h"
#include "eval/otb.h"
#include "eval/vot.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::cli {
namespace {

namespace fs = std::filesystem;

struct VotArguments {
  std::string set;
  std::vector<std::string> results;
  std::string interval, picture;
  bool sequences = false, attributes = false, json = false;
  int threads = 0;
};

std::string attribute_table(const std::vector<eval::VotScores>& scores) {
  std::string text = fmt::format("\nEAO of the frames marked\n{:<16}", "tracker");
  for (const char* name : data::kVotAttributes) text += fmt::format(" {:>14}", name);
  for (const eval::VotScores& s : scores) {
    text += fmt::format("\n{:<16}", s.tracker);
    for (const char* name : data::kVotAttributes) text += fmt::format(" {:>14.3f}", s.attributes.at(name));
  }
  return text + "\n";
}

/// The expected overlap over the sequence's length, one line a tracker.
std::string curve_picture(const std::vector<eval::VotScores>& scores) {
  std::vector<eval::Series> lines;
  for (const eval::VotScores& s : scores) {
    eval::Series line{fmt::format("{} (EAO {:.3f})", s.tracker, s.eao), {}, {}};
    for (size_t i = 1; i < s.expected_overlap.size(); ++i) {
      line.x.push_back(static_cast<double>(i));
      line.y.push_back(static_cast<double>(s.expected_overlap[i]));
    }
    lines.push_back(std::move(line));
  }
  const eval::VotInterval& interval = scores[0].interval;
  return eval::line_chart(
      lines, {.title = fmt::format("Expected overlap; EAO over {} to {} frames", interval.low, interval.high),
              .x_label = "frames",
              .from_zero = true,
              .width_px = 640,
              .height_px = 360});
}

void run_vot(const VotArguments& a) {
  const data::VotSet set = data::read_vot(a.set);
  const eval::VotInterval interval = parse_interval(a.interval, a.set);
  size_t frames = 0;
  for (const data::VotSequence& s : set.sequences) frames += s.truth.size();
  fmt::print(stderr, "{}: {} sequences, {} frames; EAO over {} to {} frames\n", a.set, set.sequences.size(), frames,
             interval.low, interval.high);
  std::vector<eval::VotScores> scores;
  for (const std::string& folder : a.results)
    scores.push_back(
        eval::evaluate_vot(set, data::read_vot_results(folder, set), {.interval = interval, .threads = a.threads}));
  if (!a.picture.empty()) write_file(a.picture, curve_picture(scores));
  if (a.json) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const eval::VotScores& s : scores) all.push_back(vot_json(s));
    fmt::print("{}\n", all.dump());
    return;
  }
  fmt::print("{}{}", eval::vot_table(scores, a.sequences), a.attributes ? attribute_table(scores) : "");
}

struct OtbArguments {
  std::string set;
  std::string results;
  bool json = false;
};

/// Every folder of SET with a groundtruth_rect.txt, or SET itself, against RESULTS/NAME.txt.
eval::OtbScores score_otb(const OtbArguments& a) {
  std::vector<eval::OtbSequenceScores> sequences;
  for (const data::OtbSequence& s : data::read_otb(a.set)) {
    const fs::path result = fs::is_directory(a.results) ? fs::path(a.results) / (s.name + ".txt") : fs::path(a.results);
    AZ_CHECK(fs::is_regular_file(result), "{}: is missing, the result of the sequence {}", result.string(), s.name);
    sequences.push_back({s.name, eval::otb_curves(s.truth, data::read_boxes(result))});
  }
  return eval::otb_scores(std::move(sequences));
}

void run_otb(const OtbArguments& a) {
  const eval::OtbScores scores = score_otb(a);
  if (a.json)
    fmt::print("{}\n", otb_json(scores).dump());
  else
    fmt::print("{}", otb_table(scores));
}

}  // namespace

void add_tracking_metrics(CLI::App& metrics) {
  const auto a = std::make_shared<VotArguments>();
  CLI::App* vot =
      metrics.add_subcommand("vot", "accuracy, robustness and EAO of the reset-based VOT protocol, as pysot");
  vot->add_option("GT", a->set, "VOT2018.json, or the folder with list.txt")->required();
  vot->add_option("RESULTS", a->results, "one folder a tracker: [baseline/]SEQUENCE/SEQUENCE_001.txt")->required();
  vot->add_option("--interval", a->interval,
                  "of EAO: LOW,HIGH in frames, or VOT2016, VOT2018, VOT2019 (what GT's path names, else VOT2018); "
                  "SiamMask's evaluator has 100,356 for VOT2016 too");
  vot->add_flag("--attributes", a->attributes, "also EAO of the frames that carry each attribute");
  vot->add_flag("--sequences", a->sequences, "also accuracy and losses of every sequence");
  vot->add_option("--picture", a->picture, "write the expected-overlap curves as SVG");
  vot->add_option("--threads", a->threads, "OpenMP threads; 0: all")->check(CLI::Range(0, 1024));
  vot->add_flag("--json", a->json, "a list of JSON objects on stdout, with all figures and curves");
  vot->callback([a] { run_vot(*a); });

  const auto o = std::make_shared<OtbArguments>();
  CLI::App* otb = metrics.add_subcommand("otb", "success and precision of one-pass evaluation, as pysot");
  otb->add_option("GT", o->set, "a sequence's folder with groundtruth_rect.txt, or a folder of such")->required();
  otb->add_option("RESULTS", o->results, "a folder of SEQUENCE.txt, or the file for one sequence")->required();
  otb->add_flag("--json", o->json, "one JSON object on stdout, with the curves");
  otb->callback([o] { run_otb(*o); });
}

}  // namespace az::cli
