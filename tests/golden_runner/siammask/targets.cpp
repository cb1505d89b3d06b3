#include "models/siammask/targets.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/golden_runner/siammask/kinds.h"
#include "train/schedule.h"

namespace az::golden::siammask {
namespace {

using nlohmann::json;

constexpr int64_t kSide = 255, kCells = 25, kAnchors = 5;

void fail_unless(bool right, Report& report, const std::string& what) {
  if (!right) report.fail(what);
}

/// A draw keeps so many of the candidates and no others.
void check_draw(const std::vector<int8_t>& candidates, const std::vector<int8_t>& labels, int8_t value, int64_t most,
                Report& report, const std::string& what) {
  const auto kept = std::ranges::count(labels, value), all = std::ranges::count(candidates, value);
  fail_unless(kept == std::min<int64_t>(most, all), report, what + ": another number of labels");
  for (size_t i = 0; i < labels.size(); ++i)
    fail_unless(labels[i] != value || candidates[i] == value, report, what + ": a label that is no candidate");
}

void check_labels(Case& c, const models::SiamMatch& match, const std::vector<int8_t>& labels, const std::string& what) {
  const auto positives = std::ranges::count(labels, int8_t{1});
  check_draw(match.candidate, labels, 1, 16, c.report(), what + " positive");
  check_draw(match.candidate, labels, 0, 64 - positives, c.report(), what + " negative");
}

/// The reference's own draw obeys the rules that ours is held to, and its weights are ours for the same labels.
void check_box(Case& c, const std::string& number, const json& box) {
  const auto corners = box.at("x1y1x2y2").get<std::vector<double>>();
  const models::SiamBox truth{corners[0], corners[1], corners[2], corners[3]};
  const auto anchors = models::siam_anchors({}, kCells, kSide / 2);
  const models::SiamTargetOptions options;
  const auto match = match_anchors(anchors, truth, options);
  c.check("iou." + number, match.iou, {kAnchors, kCells, kCells});
  std::vector<double> deltas;
  for (const auto* d : {&match.dx, &match.dy, &match.dw, &match.dh}) deltas.insert(deltas.end(), d->begin(), d->end());
  c.check("delta." + number, deltas, {4, kAnchors, kCells, kCells});
  c.check("cand." + number, match.candidate, {kAnchors, kCells, kCells});
  const std::string path = "boxes." + number + ".";
  c.check_json(path + "n_pos_candidates", std::ranges::count(match.candidate, int8_t{1}));
  c.check_json(path + "n_neg_candidates", std::ranges::count(match.candidate, int8_t{0}));

  check_labels(c, match, c.values<int8_t>("cls." + number), "the reference's labels");
  for (uint64_t seed = 0; seed < 3; ++seed) {
    Rng rng(seed, Purpose::test);
    const auto labels = choose_labels(match, options, rng);
    check_labels(c, match, labels, "own labels");
    c.check_json(path + "n_pos", std::ranges::count(labels, int8_t{1}));
    c.check_json(path + "n_neg", std::ranges::count(labels, int8_t{0}));
  }
  const auto theirs = c.values<int8_t>("cls." + number);
  const auto weights = c.values<double>("weight." + number);
  const models::SiamTargetMaker maker({}, options, kSide);
  models::SiamTargetMaps maps;
  Rng rng(1, Purpose::test);
  maker.add(truth, false, true, rng, maps);
  const auto largest = static_cast<double>(*std::ranges::max_element(maps.box_weights));
  for (size_t i = 0; i < weights.size(); ++i)
    fail_unless(std::abs(weights[i] - (theirs[i] == 1 ? largest : 0)) <= 1e-6, c.report(), "weight." + number);
  c.mark_checked("cls." + number);
  c.mark_checked("weight." + number);
}

void check_negative(Case& c) {
  std::vector<int8_t> middle(static_cast<size_t>(kAnchors * kCells * kCells), -1);
  for (size_t i = 0; i < middle.size(); ++i) {
    const size_t row = i / kCells % kCells, col = i % kCells;
    if (row >= 9 && row <= 15 && col >= 9 && col <= 15) middle[i] = 0;
  }
  Rng rng(5, Purpose::test);
  check_draw(middle, models::choose_negatives(kAnchors, kCells, {}, rng), 0, 16, c.report(), "own negatives");
  check_draw(middle, c.values<int8_t>("neg.cls"), 0, 16, c.report(), "the reference's negatives");
  c.mark_checked("neg.cls");
}

}  // namespace

void run_targets(const std::filesystem::path& file, Report& report) {
  Case c(file, report);
  const json& boxes = c.json().at("boxes");
  for (size_t i = 0; i < boxes.size(); ++i) check_box(c, std::to_string(i), boxes[i]);
  check_negative(c);
  c.finish();
}

/// The rates that one of the case's configurations asks for, by what train/ offers.
std::vector<double> rates_of(const json& entry) {
  const json& config = entry.at("config");
  const auto kind = config.at("type").get<std::string>();
  const auto epochs = entry.at("epochs").get<int64_t>();
  const auto first = config.at("start_lr").get<double>();
  if (kind == "step" || kind == "multi-step") {
    train::Schedule s{.kind = train::ScheduleKind::step, .base_lr = first, .gamma = config.at("mult").get<double>()};
    if (kind == "multi-step") {
      s.steps = config.at("steps").get<std::vector<int64_t>>();
    } else {
      const auto every = config.at("step").get<int64_t>();
      for (int64_t e = every; e < epochs; e += every) s.steps.push_back(e);
    }
    std::vector<double> rates;
    for (int64_t e = 0; e < epochs; ++e) rates.push_back(lr_at(s, e));
    return rates;
  }
  train::EpochRates rates{.epochs = epochs,
                          .curve = train::curve_kind(kind == "cos" ? "cosine" : kind),
                          .first = first,
                          .last = config.at("end_lr").get<double>()};
  if (config.contains("warmup")) {
    const json& warmup = config.at("warmup");
    rates.warmup_epochs = warmup.at("epoch").get<int64_t>();
    rates.warmup_first = warmup.at("start_lr").get<double>();
    rates.warmup_last = warmup.at("end_lr").get<double>();
  }
  return train::epoch_rates(rates);
}

void run_lr(const std::filesystem::path& file, Report& report) {
  Case c(file, report);
  for (const auto& [name, entry] : c.json().items()) {
    if (!entry.is_object() || !entry.contains("lr")) continue;
    json rows = json::array();
    for (const double rate : rates_of(entry)) {
      json row = json::array();
      for (const json& multiplier : entry.at("group_multipliers")) row.push_back(rate * multiplier.get<double>());
      rows.push_back(row);
    }
    c.check_json(name + ".lr", rows);
  }
  c.finish();
}

}  // namespace az::golden::siammask
