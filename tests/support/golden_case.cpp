#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/safetensors.h"
#include "tests/support/devices.h"
#include "tests/support/golden.h"

namespace az::golden {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::array kIndexSuffixes = {".index", ".indices", ".idx"};
constexpr std::array kValueSuffixes = {".value", ".values", ".val"};

bool is_sample_position(const std::string& name) {
  return std::ranges::any_of(kIndexSuffixes, [&](const char* suffix) { return name.ends_with(suffix); });
}

// The value of the json at a dotted path; null when there is none.
const nlohmann::json* find_path(const nlohmann::json& root, const std::string& path) {
  const nlohmann::json* at = &root;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t dot = std::min(path.find('.', begin), path.size());
    const std::string key = path.substr(begin, dot - begin);
    if (at->is_array()) {
      const size_t index = std::stoul(key);
      if (index >= at->size()) return nullptr;
      at = &(*at)[index];
    } else {
      if (!at->is_object() || !at->contains(key)) return nullptr;
      at = &(*at)[key];
    }
    begin = dot + 1;
  }
  return at;
}

bool is_nan_text(const nlohmann::json& value) {
  return value.is_null() || (value.is_string() && value.get_ref<const std::string&>() == "nan");
}

}  // namespace

nlohmann::json load_json(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& e) {
    fail("{}: {}", file.string(), e.what());
  }
}

Case::Case(const std::filesystem::path& json_file, Report& report)
    : name_(json_file.string()), report_(report), json_(std::make_unique<nlohmann::json>(load_json(json_file))) {
  const std::filesystem::path stored = std::filesystem::path(json_file).replace_extension(".safetensors");
  if (!std::filesystem::exists(stored)) {
    AZ_CHECK(!json_->contains("tensors"), "{}: names tensors, but {} is missing", name_, stored.string());
    return;
  }
  for (auto& [name, tensor] : read_safetensors(stored, test::cpu())) {
    const std::span<const int64_t> dims = tensor.shape().dims();
    tensors_[name] = {{dims.begin(), dims.end()}, tensor.to(DType::f64).to_vector<double>()};
  }
}

Case::~Case() = default;

const Array& Case::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  AZ_CHECK(found != tensors_.end(), "{}: has no tensor {}", name_, name);
  return found->second;
}

Rule Case::rule(const std::string& name) const {
  const auto tol = json_->find("tol");
  AZ_CHECK(tol != json_->end(), "{}: has no tol", name_);
  const std::string pattern = best_pattern(*tol, name);
  AZ_CHECK(!pattern.empty(), "{}: no tolerance holds for {}", name_, name);
  return parse_rule(name, (*tol)[pattern]);
}

double Case::scale_of(const std::string& name, Scale scale, std::span<const double> expected) const {
  if (scale == Scale::none) return 1;
  const char* const key = scale == Scale::max ? "max" : scale == Scale::rms ? "rms" : "std";
  if (const auto scales = json_->find("scale_of"); scales != json_->end())
    for (const std::string& base : {name, name.substr(0, name.rfind('.'))})
      if (scales->contains(base) && (*scales)[base].contains(key)) return (*scales)[base][key].get<double>();
  return magnitude(scale, expected);
}

void Case::check(const std::string& name, std::span<const double> own, std::span<const int64_t> shape,
                 std::span<const double> grey_levels) {
  checked_.insert(name);
  const Array& expected = tensor(name);
  if (!std::ranges::equal(expected.shape, shape)) {
    report_.fail(fmt::format("{}: shape {}, expected {}", name, Shape(shape).str(), Shape(expected.shape).str()));
    return;
  }
  const Rule rule = this->rule(name);
  compare(name, rule, expected.values, own, expected.shape, scale_of(name, rule.scale, expected.values), grey_levels,
          report_);
}

std::vector<double> Case::at_samples(const std::string& name, std::span<const double> own) const {
  for (const char* suffix : kIndexSuffixes) {
    if (!has(name + suffix)) continue;
    std::vector<double> samples;
    for (const int64_t index : values<int64_t>(name + suffix)) {
      AZ_CHECK(index >= 0 && index < static_cast<int64_t>(own.size()),
               "{}: sample {} of {} lies outside its {} own values", name_, index, name, own.size());
      samples.push_back(own[static_cast<size_t>(index)]);
    }
    return samples;
  }
  fail("{}: has no sample positions for {}", name_, name);
}

void Case::check_samples(const std::string& name, std::span<const double> own) {
  if (has(name)) {
    int64_t count = 1;
    for (const int64_t extent : tensor(name).shape) count *= extent;
    if (count != static_cast<int64_t>(own.size()))
      report_.fail(fmt::format("{}: {} values, expected {}", name, own.size(), count));
    else
      check(name, own, tensor(name).shape);
    return;
  }
  for (const char* suffix : kValueSuffixes)
    if (has(name + suffix)) check(name + suffix, at_samples(name, own), tensor(name + suffix).shape);
  if (!has(name + ".stats") || own.empty()) return;
  double sum = 0, squares = 0;
  for (const double v : own) sum += v, squares += v * v;
  const auto [low, high] = std::ranges::minmax(own);
  const std::vector<double> stats = {sum / static_cast<double>(own.size()), magnitude(Scale::std, own), low, high,
                                     std::sqrt(squares)};
  check(name + ".stats",
        std::span<const double>(stats).first(std::min(stats.size(), tensor(name + ".stats").values.size())),
        tensor(name + ".stats").shape);
}

void Case::check_json(const std::string& path, const nlohmann::json& own) {
  const nlohmann::json* expected = find_path(*json_, path);
  if (!expected) return report_.fail(fmt::format("@{}: not in the case", path));
  check_value(path, *expected, own);
}

void Case::check_value(const std::string& path, const nlohmann::json& expected, const nlohmann::json& own) {
  if (expected.is_structured()) {
    if (expected.type() != own.type() || expected.size() != own.size())
      return report_.fail(fmt::format("@{}: {} entries, expected {}", path, own.size(), expected.size()));
    for (const auto& [key, value] : expected.items()) {
      const nlohmann::json* item = own.is_array() ? &own[std::stoul(key)] : own.contains(key) ? &own[key] : nullptr;
      if (item)
        check_value(path + "." + key, value, *item);
      else
        report_.fail(fmt::format("@{}.{}: missing", path, key));
    }
    return;
  }
  const std::string name = "@" + path;
  checked_.insert(name);
  if (is_nan_text(expected) && own.is_number()) {
    report_.add(std::isnan(own.get<double>()) ? 0 : kInfinity, name);
  } else if (expected.is_number() && own.is_number()) {
    const std::array want = {expected.get<double>()};
    const std::array got = {own.get<double>()};
    const Rule rule = this->rule(name);
    compare(name, rule, want, got, {}, magnitude(rule.scale, want), {}, report_);
  } else {
    report_.add(expected == own ? 0 : kInfinity, fmt::format("{}: {}, expected {}", name, own.dump(), expected.dump()));
  }
}

void Case::check_masks(const std::string& prefix, std::span<const cpu::Rle> own,
                       const std::vector<bool>& vertices_agree) {
  const std::string counts_name = prefix + "_rle_counts", offsets_name = prefix + "_rle_offsets",
                    area_name = prefix + "_area";
  for (const std::string& name : {counts_name, offsets_name, area_name}) checked_.insert(name);
  const Rule rule = this->rule(counts_name);
  const std::vector<uint32_t> counts = values<uint32_t>(counts_name);
  const std::vector<size_t> offsets = values<size_t>(offsets_name);
  if (offsets.size() != own.size() + 1 || vertices_agree.size() != own.size())
    return report_.fail(fmt::format("{}: {} masks, expected {}", prefix, own.size(), offsets.size() - 1));
  for (size_t i = 0; i < own.size(); ++i) {
    cpu::Rle expected{own[i].height, own[i].width, {}};
    expected.counts.assign(counts.begin() + static_cast<int64_t>(offsets[i]),
                           counts.begin() + static_cast<int64_t>(offsets[i + 1]));
    const double area = tensor(area_name).values.at(i);
    const std::string what = fmt::format("{} {}", prefix, i);
    if (rule.exact || (rule.exact_if_vertices_agree && vertices_agree[i])) {
      report_.add(expected == own[i] && area == static_cast<double>(cpu::rle_area(own[i])) ? 0 : kInfinity, what);
    } else {
      AZ_CHECK(rule.iou_min, "{}: the tolerance of {} has no iou_min", name_, counts_name);
      const double iou = expected == own[i] ? 1 : cpu::rle_iou(own[i], expected, /*crowd=*/false);
      report_.add((1 - iou) / (1 - *rule.iou_min), what + " (IoU)");
    }
  }
}

void Case::finish() {
  const auto inputs = json_->value("stored_inputs", std::vector<std::string>());
  for (const auto& [name, array] : tensors_) {
    const bool given = is_sample_position(name) || std::ranges::find(inputs, name) != inputs.end();
    if (!given && !checked_.contains(name)) report_.fail(name + ": an output that nothing was compared with");
  }
  const auto tol = json_->find("tol");
  if (tol == json_->end()) return;
  for (const auto& [pattern, rule] : tol->items()) {
    if (!pattern.starts_with('@')) continue;
    if (std::ranges::none_of(checked_, [&](const std::string& name) { return matches(pattern, name); }))
      report_.fail(pattern + ": nothing was compared under this tolerance");
  }
}

}  // namespace az::golden
