// The `tol` rules of golden cases: which holds for a name, and what it says about two lists of numbers.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace az::golden {

/// Collects how far a case's values are from the expected ones, as shares of their tolerances.
class Report {
 public:
  /// `ratio`: deviation over tolerance, 1 being the limit; infinite for what must be equal and is not.
  void add(double ratio, const std::string& what);
  void fail(const std::string& what);
  double worst() const { return worst_; }
  bool ok() const { return problems_.empty(); }
  /// The first few failures, worded.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  double worst_ = 0;
  std::vector<std::string> problems_;
};

enum class Scale { none, max, rms, std };

/// One entry of `tol` (its fields are explained in tests/golden/README.md).
struct Rule {
  bool exact = false;
  bool informative = false;
  double atol = 0, rtol = 0;
  Scale scale = Scale::none;
  std::map<int64_t, Rule> rows, cols;
  std::vector<int64_t> elements;
  std::optional<int64_t> first;
  std::optional<double> abs_max, frac_max, rel_l2, grey_max, grey_mean_max, agree_min, pixels_max, pixels_frac_max;
  std::optional<double> iou_min;
  std::optional<double> polygon_iou_min, polygon_iou_min_end_to_end, corner_max, tie_rtol;
  bool exact_if_vertices_agree = false;
};

/// Error: a field that is not known here; `name` stands in it.
Rule parse_rule(const std::string& name, const nlohmann::json& json);
/// Whether `pattern`, in which '*' is any run of characters, is the whole of `name`.
bool matches(std::string_view pattern, std::string_view name);
/// The pattern that holds for the name: the fitting one with the most characters other than '*'; empty if none fits.
std::string best_pattern(const nlohmann::json& tol, std::string_view name);

/// Largest magnitude, root mean square or population standard deviation of the values; 1 for none.
double magnitude(Scale scale, std::span<const double> values);

/// Compares lists of equal length, row-major of `shape`; `scale` is the s of atol * s. NaN wants NaN.
void compare(const std::string& name, const Rule& rule, std::span<const double> expected, std::span<const double> own,
             std::span<const int64_t> shape, double scale, std::span<const double> grey_levels, Report& report);

}  // namespace az::golden
