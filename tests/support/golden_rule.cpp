#include "tests/support/golden_rule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tensor/error.h"

namespace az::golden {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Scale parse_scale(const std::string& name, const std::string& text) {
  if (text == "none") return Scale::none;
  if (text == "max") return Scale::max;
  if (text == "rms") return Scale::rms;
  if (text == "std") return Scale::std;
  fail("golden: the tolerance of {} has the unknown scale '{}'", name, text);
}

// Deviation over tolerance of one value; 0 / 0 is 0.
double ratio_of(const Rule& rule, double expected, double own, double scale) {
  if (std::isnan(expected)) return std::isnan(own) ? 0 : kInfinity;
  if (rule.exact) return expected == own ? 0 : kInfinity;
  if (rule.abs_max) return std::isnan(own) ? kInfinity : std::abs(own) / *rule.abs_max;
  if (expected == own) return 0;
  const double allowed = rule.atol * scale + rule.rtol * std::abs(expected);
  const double ratio = std::abs(own - expected) / allowed;
  return std::isnan(ratio) ? kInfinity : ratio;
}

const Rule& rule_at(const Rule& rule, std::span<const int64_t> shape, size_t index, size_t count) {
  if (shape.empty()) return rule;
  const size_t row_size = shape[0] > 0 ? count / static_cast<size_t>(shape[0]) : 1;
  if (const auto row = rule.rows.find(static_cast<int64_t>(index / std::max<size_t>(row_size, 1)));
      row != rule.rows.end())
    return row->second;
  const auto col = rule.cols.find(static_cast<int64_t>(index) % std::max<int64_t>(shape.back(), 1));
  return col != rule.cols.end() ? col->second : rule;
}

bool is_compared(const Rule& rule, size_t index) {
  if (rule.first && static_cast<int64_t>(index) >= *rule.first) return false;
  return rule.elements.empty() || std::ranges::find(rule.elements, static_cast<int64_t>(index)) != rule.elements.end();
}

// Differences in grey levels: the largest and the mean. A level more than the rule's is allowed 1e-3 for float.
void compare_grey(const std::string& name, const Rule& rule, std::span<const double> expected,
                  std::span<const double> own, std::span<const double> levels, Report& report) {
  constexpr double kFloatSlack = 1e-3;
  const size_t per_channel = levels.empty() ? expected.size() : expected.size() / levels.size();
  double largest = 0, sum = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double level = levels.empty() ? 1 : levels[std::min(i / per_channel, levels.size() - 1)];
    const double difference = std::abs(expected[i] - own[i]) / level;
    largest = std::isnan(difference) ? kInfinity : std::max(largest, difference);
    sum += difference;
  }
  const double mean = expected.empty() ? 0 : sum / static_cast<double>(expected.size());
  if (rule.grey_max) report.add(largest / (*rule.grey_max + kFloatSlack), name + " (largest grey difference)");
  if (rule.grey_mean_max) report.add(mean / (*rule.grey_mean_max + kFloatSlack), name + " (mean grey difference)");
}

// Label maps and masks: pixels that differ.
void compare_pixels(const std::string& name, const Rule& rule, std::span<const double> expected,
                    std::span<const double> own, Report& report) {
  double differing = 0;
  for (size_t i = 0; i < expected.size(); ++i) differing += expected[i] == own[i] ? 0 : 1;
  const double share = expected.empty() ? 0 : differing / static_cast<double>(expected.size());
  const auto over = [](double value, double limit) { return value == 0 ? 0 : value / limit; };
  if (rule.pixels_max) report.add(over(differing, *rule.pixels_max), name + " (differing pixels)");
  if (rule.pixels_frac_max) report.add(over(share, *rule.pixels_frac_max), name + " (share of differing pixels)");
  if (rule.agree_min) report.add(over(share, 1 - *rule.agree_min), name + " (share of equal pixels)");
}

void compare_norm(const std::string& name, double limit, std::span<const double> expected, std::span<const double> own,
                  Report& report) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += (own[i] - expected[i]) * (own[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  const double relative = difference == 0 ? 0 : std::sqrt(difference / norm);
  report.add(std::isnan(relative) ? kInfinity : relative / limit, name + " (norm of the difference)");
}

void compare_elements(const std::string& name, const Rule& rule, std::span<const double> expected,
                      std::span<const double> own, std::span<const int64_t> shape, double scale, Report& report) {
  double worst = 0;
  size_t worst_at = 0, misses = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!is_compared(rule, i)) continue;
    const double ratio = ratio_of(rule_at(rule, shape, i, expected.size()), expected[i], own[i], scale);
    misses += ratio > 1 ? 1 : 0;
    if (ratio > worst) worst = ratio, worst_at = i;
  }
  if (rule.frac_max && misses > 0) {
    const double share = static_cast<double>(misses) / static_cast<double>(expected.size());
    report.add(share / *rule.frac_max, fmt::format("{}: {} of {} elements miss", name, misses, expected.size()));
    return;
  }
  const std::string what = expected.empty() ? name
                                            : fmt::format("{}[{}]: {:.9g}, expected {:.9g}", name, worst_at,
                                                          own[worst_at], expected[worst_at]);
  report.add(worst, what);
}

// A field that is a single number; null for another.
std::optional<double>* number_field(Rule& rule, const std::string& field) {
  if (field == "abs_max") return &rule.abs_max;
  if (field == "frac_max") return &rule.frac_max;
  if (field == "rel_l2") return &rule.rel_l2;
  if (field == "grey_max") return &rule.grey_max;
  if (field == "grey_mean_max") return &rule.grey_mean_max;
  if (field == "agree_min") return &rule.agree_min;
  if (field == "pixels_max") return &rule.pixels_max;
  if (field == "pixels_frac_max") return &rule.pixels_frac_max;
  if (field == "iou_min") return &rule.iou_min;
  if (field == "polygon_iou_min") return &rule.polygon_iou_min;
  if (field == "polygon_iou_min_end_to_end") return &rule.polygon_iou_min_end_to_end;
  if (field == "corner_max") return &rule.corner_max;
  if (field == "tie_rtol") return &rule.tie_rtol;
  return nullptr;
}

}  // namespace

void Report::add(double ratio, const std::string& what) {
  worst_ = std::isnan(ratio) ? kInfinity : std::max(worst_, ratio);
  if (!(ratio <= 1) && problems_.size() < 12)
    problems_.push_back(fmt::format("{} ({:.3g} of the tolerance)", what, ratio));
}

void Report::fail(const std::string& what) {
  worst_ = kInfinity;
  if (problems_.size() < 12) problems_.push_back(what);
}

Rule parse_rule(const std::string& name, const nlohmann::json& json) {
  Rule rule;
  const auto positions = [&](const nlohmann::json& entries) {
    std::map<int64_t, Rule> rules;
    for (const auto& [key, value] : entries.items()) rules[std::stoll(key)] = parse_rule(name, value);
    return rules;
  };
  for (const auto& [field, value] : json.items()) {
    if (field == "exact")
      rule.exact = value.get<bool>();
    else if (field == "informative")
      rule.informative = value.get<bool>();
    else if (field == "atol")
      rule.atol = value.get<double>();
    else if (field == "rtol")
      rule.rtol = value.get<double>();
    else if (field == "scale")
      rule.scale = parse_scale(name, value.get<std::string>());
    else if (field == "rows")
      rule.rows = positions(value);
    else if (field == "cols")
      rule.cols = positions(value);
    else if (field == "elements")
      rule.elements = value.get<std::vector<int64_t>>();
    else if (field == "first")
      rule.first = value.get<int64_t>();
    else if (std::optional<double>* const number = number_field(rule, field))
      *number = value.get<double>();
    else if (field == "any_order" && value.get<bool>())
      continue;  // corners are always compared in any order
    else if (field == "exact_if_vertices_agree")
      rule.exact_if_vertices_agree = value.get<bool>();
    else
      fail("golden: the tolerance of {} has the field '{}', which tests/support/golden_rule.cpp does not know", name,
           field);
  }
  return rule;
}

bool matches(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string best_pattern(const nlohmann::json& tol, std::string_view name) {
  std::string best;
  int64_t best_length = -1;
  for (const auto& [pattern, rule] : tol.items()) {
    if (!matches(pattern, name)) continue;
    const int64_t length = std::ranges::count_if(pattern, [](char c) { return c != '*'; });
    if (length > best_length) best = pattern, best_length = length;
  }
  return best;
}

double magnitude(Scale scale, std::span<const double> values) {
  if (scale == Scale::none || values.empty()) return 1;
  double largest = 0, sum = 0, squares = 0;
  for (const double v : values) {
    largest = std::max(largest, std::abs(v));
    sum += v;
    squares += v * v;
  }
  const double count = static_cast<double>(values.size());
  if (scale == Scale::max) return largest;
  if (scale == Scale::rms) return std::sqrt(squares / count);
  double variance = 0;
  for (const double v : values) variance += (v - sum / count) * (v - sum / count);
  return std::sqrt(variance / count);
}

void compare(const std::string& name, const Rule& rule, std::span<const double> expected, std::span<const double> own,
             std::span<const int64_t> shape, double scale, std::span<const double> grey_levels, Report& report) {
  if (expected.size() != own.size()) {
    report.fail(fmt::format("{}: {} values, expected {}", name, own.size(), expected.size()));
    return;
  }
  if (rule.informative) return;
  if (rule.grey_max || rule.grey_mean_max)
    compare_grey(name, rule, expected, own, grey_levels, report);
  else if (rule.pixels_max || rule.pixels_frac_max || rule.agree_min)
    compare_pixels(name, rule, expected, own, report);
  else if (rule.rel_l2)
    compare_norm(name, *rule.rel_l2, expected, own, report);
  else if (rule.iou_min)
    report.fail(name + ": a rule for masks, which check_masks compares");
  else
    compare_elements(name, rule, expected, own, shape, scale, report);
}

}  // namespace az::golden
