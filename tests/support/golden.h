// Golden cases: figures that the public reference implementations gave (tests/golden/README.md). This library finds the
// folder, reads a case, compares under its `tol` and prints the one line a case that the golden tests print.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/rle.h"
#include "tests/support/golden_rule.h"

namespace az::golden {

/// $AZIMUTH_GOLDEN, or else $AZIMUTH_SOURCE/tests/golden. Error: neither is set, or the folder is missing.
std::filesystem::path folder();
/// The JSON of a file. Error: `FILE: what is wrong`.
nlohmann::json load_json(const std::filesystem::path& file);

/// The values that fill.py gives for a tensor of this name and shape (PyTorch's layout, row-major): no case stores
/// weights or network inputs. Offset and scale default to the rule for a parameter of that name.
std::vector<float> fill(std::string_view name, std::span<const int64_t> shape, uint64_t seed = 0,
                        std::optional<double> offset = {}, std::optional<double> scale = {});
/// Compares `fill` with check_inputs.json to the bit. Error: the first value that differs.
void check_fill(const std::filesystem::path& check_inputs);

/// A tensor of a case. Integers up to 2^53 and every f32 are exact in the doubles.
struct Array {
  std::vector<int64_t> shape;
  std::vector<double> values;
};

/// A `.json` with the `.safetensors` of the same stem, if there is one. Each check adds to the report; `finish` adds
/// what was left unchecked, so that a runner cannot pass by looking away.
class Case {
 public:
  Case(const std::filesystem::path& json_file, Report& report);
  ~Case();

  const nlohmann::json& json() const { return *json_; }
  bool has(const std::string& name) const { return tensors_.contains(name); }
  /// Error: the case has no such tensor.
  const Array& tensor(const std::string& name) const;
  /// A tensor's values as integers or floats.
  template <class T>
  std::vector<T> values(const std::string& name) const {
    const std::vector<double>& from = tensor(name).values;
    std::vector<T> to;
    to.reserve(from.size());
    for (const double v : from) to.push_back(static_cast<T>(v));
    return to;
  }

  /// Compares own values with the whole tensor `name`. `grey_levels`: what one grey level is in each channel (first
  /// dimension) of a normalised image, for rules that count in grey levels; empty means 1.
  void check(const std::string& name, std::span<const double> own, std::span<const int64_t> shape,
             std::span<const double> grey_levels = {});
  template <class T>
  void check(const std::string& name, const std::vector<T>& own, const std::vector<int64_t>& shape,
             std::span<const double> grey_levels = {}) {
    check(name, std::span<const double>(std::vector<double>(own.begin(), own.end())), shape, grey_levels);
  }
  /// Compares an own whole tensor (PyTorch's layout) with whatever the case stores of it: `name` itself, or
  /// `name.value` (or `.values`, `.val`) at `name.index` (`.indices`, `.idx`), and `name.stats` (mean, std, min, max and,
  /// where it has five, the L2 norm).
  void check_samples(const std::string& name, std::span<const double> own);
  template <class T>
  void check_samples(const std::string& name, const std::vector<T>& own) {
    check_samples(name, std::span<const double>(std::vector<double>(own.begin(), own.end())));
  }
  /// The elements of an own tensor at the stored sample positions of `name`.
  std::vector<double> at_samples(const std::string& name, std::span<const double> own) const;

  /// Compares a value with the one inside the json at `path` (keys and list positions joined by dots, no '@'). Lists
  /// and objects are compared to their leaves; counts must agree.
  void check_json(const std::string& path, const nlohmann::json& own);

  /// Compares masks with PREFIX_rle_counts, PREFIX_rle_offsets and PREFIX_area. Where a polygon's truncated vertices
  /// agree with the reference's, the runs must be identical; otherwise the rule's `iou_min` holds.
  void check_masks(const std::string& prefix, std::span<const cpu::Rle> own, const std::vector<bool>& vertices_agree);

  /// Marks an output as compared by the runner itself, in a way the rules here do not know (the runner reports it).
  void mark_checked(const std::string& name) { checked_.insert(name); }
  /// The rule that holds for a name. Error: none does, or it has a field that this library does not know.
  Rule rule(const std::string& name) const;
  Report& report() { return report_; }
  /// Reports every output and every '@' pattern that nothing was compared with.
  void finish();

 private:
  void check_value(const std::string& path, const nlohmann::json& expected, const nlohmann::json& own);
  double scale_of(const std::string& name, Scale scale, std::span<const double> expected) const;

  std::string name_;
  Report& report_;
  std::unique_ptr<nlohmann::json> json_;
  std::map<std::string, Array> tensors_;
  std::set<std::string> checked_;
};

/// A case that cannot run yet, for a reason.
struct Pending : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What runs the cases whose file or folder name starts so. Throws Pending where a part of the system is to come.
struct Kind {
  std::string prefix;
  std::function<void(const std::filesystem::path&, Report&)> run;
};

/// Checks the fill, then runs every case in folder()/system by the kind with the longest fitting prefix, and prints
/// `SYSTEM/CASE ok 0.31`, `FAIL 7.2` (with what failed, on stderr) or `pending`. Returns the exit status: 1 if a case
/// failed or fits no kind, or if there is none.
int run(std::string_view system, std::span<const Kind> kinds);

}  // namespace az::golden
