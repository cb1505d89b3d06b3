#include "cli/tracking.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tensor/error.h"

namespace az::cli {

using Json = nlohmann::ordered_json;

eval::SequenceProgress print_progress() {
  return [](const std::string& name, size_t done, size_t total) {
    fmt::print(stderr, "{:>4} of {}  {}\n", done, total, name);
  };
}

eval::VotInterval parse_interval(const std::string& text, const std::string& set) {
  if (text.empty()) {
    for (const char* name : {"VOT2016", "VOT2017", "VOT2018", "VOT2019"})
      if (std::filesystem::absolute(set).string().find(name) != std::string::npos) return eval::vot_interval(name);
    return eval::vot_interval("VOT2018");
  }
  return eval::parse_vot_interval("--interval", text);
}

Json number(double value) { return std::isnan(value) ? Json() : Json(value); }

Json vot_json(const eval::VotScores& s) {
  Json json = {{"tracker", s.tracker},
               {"accuracy", number(s.accuracy)},
               {"robustness", number(s.robustness)},
               {"lost_number", s.lost_number},
               {"EAO", number(s.eao)},
               {"interval", {s.interval.low, s.interval.high}},
               {"bounds", "width,height for accuracy; width-1,height-1 for EAO"},
               {"repetitions", s.repetitions}};
  for (const auto& [name, eao] : s.attributes) json["EAO_of"][name] = number(eao);
  for (const auto& q : s.sequences)
    json["sequences"].push_back({{"name", q.name}, {"accuracy", number(q.accuracy)}, {"lost_number", q.lost_number}});
  for (const float e : s.expected_overlap) json["expected_overlap"].push_back(number(static_cast<double>(e)));
  return json;
}

Json otb_json(const eval::OtbScores& scores) {
  Json json = {{"success_auc", scores.success_auc},
               {"precision_20px", scores.precision},
               {"normalised_precision_0.2", scores.normalised}};
  for (const auto& s : scores.sequences)
    json["sequences"].push_back({{"name", s.name},
                                 {"success_auc", s.success_auc()},
                                 {"success", s.curves.success},
                                 {"precision", s.curves.precision},
                                 {"normalised_precision", s.curves.normalised}});
  return json;
}

std::string otb_table(const eval::OtbScores& scores) {
  std::string text = fmt::format("{:<20} {:>8} {:>10} {:>10}\n", "sequence", "success", "precision", "normalised");
  for (const auto& s : scores.sequences)
    text += fmt::format("{:<20} {:>8.3f} {:>10.3f} {:>10.3f}\n", s.name, s.success_auc(),
                        s.curves.precision[eval::kOtbDistance], s.curves.normalised[eval::kOtbNormDistance]);
  return text + fmt::format("{:<20} {:>8.3f} {:>10.3f} {:>10.3f}\n", "mean", scores.success_auc, scores.precision,
                            scores.normalised);
}

cpu::InitialBox parse_box(const std::string& text) {
  double x = 0, y = 0, w = 0, h = 0;
  char rest = 0;
  AZ_CHECK(std::sscanf(text.c_str(), "%lf,%lf,%lf,%lf%c", &x, &y, &w, &h, &rest) == 4,
           "--box is '{}', want x,y,w,h in pixels, as 120,80,64,48", text);
  return {x + w / 2, y + h / 2, w, h};
}

}  // namespace az::cli
