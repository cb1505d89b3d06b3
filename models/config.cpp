#include "models/config.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "models/config_values.h"
#include "tensor/error.h"

namespace az::models {

struct Config::State {
  ConfigValues values;
  std::map<std::string, std::string, std::less<>> asked;  // full key -> effective value as TOML
  std::set<std::string, std::less<>> tables;              // full names that table() was called with
};

namespace {

using Kind = ConfigValue::Kind;

std::string range_text(const std::string& low, const std::string& high, bool open) {
  return open ? fmt::format(" of at least {}", low) : fmt::format(" from {} to {}", low, high);
}

std::string wanted_integer(int64_t low, int64_t high) {
  return "a whole number" +
         range_text(std::to_string(low), std::to_string(high), high == std::numeric_limits<int64_t>::max());
}

std::string wanted_number(double low, double high) {
  if (std::isinf(low) && std::isinf(high)) return "a number";
  return "a number" + range_text(fmt::format("{}", low), fmt::format("{}", high), std::isinf(high));
}

bool is_integer(const ConfigValue& v, int64_t low, int64_t high) {
  return v.kind == Kind::integer && v.integer >= low && v.integer <= high;
}

bool is_number(const ConfigValue& v, double low, double high) {
  return (v.kind == Kind::integer || v.kind == Kind::number) && v.number >= low && v.number <= high;
}

[[noreturn]] void wrong(const std::string& key, const ConfigValue& value, const std::string& wanted) {
  fail("{}: {} is {}, want {}", value.origin.str(), key, value.describe(), wanted);
}

/// The values of a list, each checked.
template <class T, class Good, class Get>
std::vector<T> list_of(const std::string& key, const ConfigValue& value, size_t fewest, size_t most,
                       const std::string& element, const Good& good, const Get& get) {
  const std::string count = fewest == most ? std::to_string(fewest) : fmt::format("{} to {}", fewest, most);
  const std::string wanted = fmt::format("a list of {}, each {}", count, element);
  if (value.kind != Kind::list || value.elements.size() < fewest || value.elements.size() > most)
    wrong(key, value, wanted);
  std::vector<T> result;
  for (const ConfigValue& e : value.elements) {
    AZ_CHECK(good(e), "{}: {} has {} in its list, want {}", value.origin.str(), key, e.describe(), wanted);
    result.push_back(get(e));
  }
  return result;
}

/// Values as a TOML list.
template <class T, class F>
std::string toml_list(const std::vector<T>& values, const F& text) {
  std::string joined = "[";
  for (const T& v : values) joined += (joined.size() > 1 ? ", " : "") + text(v);
  return joined + "]";
}

/// Levenshtein's distance.
size_t edits(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

Config Config::load(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  auto state = std::make_shared<State>();
  add_toml_file(file, state->values);
  for (const std::string& o : overrides) add_override(o, state->values);
  return Config(std::move(state), "");
}

Config Config::parse(std::string_view text, const std::string& name, const std::vector<std::string>& overrides) {
  auto state = std::make_shared<State>();
  add_toml(text, name, state->values);
  if (const auto base = state->values.find("base"); base != state->values.end())
    fail("{}: a base needs a file to start from", base->second.origin.str());
  for (const std::string& o : overrides) add_override(o, state->values);
  return Config(std::move(state), "");
}

std::string Config::full(std::string_view key) const { return prefix_ + std::string(key); }

const ConfigValue* Config::find(std::string_view key) const {
  const auto at = state_->values.find(full(key));
  return at == state_->values.end() ? nullptr : &at->second;
}

bool Config::has(std::string_view key) const { return find(key) != nullptr; }

bool Config::boolean(std::string_view key, bool otherwise) {
  const ConfigValue* value = find(key);
  if (value && value->kind != Kind::boolean) wrong(full(key), *value, "true or false");
  const bool result = value ? value->boolean : otherwise;
  state_->asked[full(key)] = result ? "true" : "false";
  return result;
}

int64_t Config::integer(std::string_view key, int64_t otherwise, int64_t low, int64_t high) {
  const ConfigValue* value = find(key);
  if (value && !is_integer(*value, low, high)) wrong(full(key), *value, wanted_integer(low, high));
  const int64_t result = value ? value->integer : otherwise;
  state_->asked[full(key)] = std::to_string(result);
  return result;
}

double Config::number(std::string_view key, double otherwise, double low, double high) {
  const ConfigValue* value = find(key);
  if (value && !is_number(*value, low, high)) wrong(full(key), *value, wanted_number(low, high));
  const double result = value ? value->number : otherwise;
  state_->asked[full(key)] = toml_number(result);
  return result;
}

std::string Config::text(std::string_view key, std::string otherwise) {
  const ConfigValue* value = find(key);
  // An override is taken as it was written: data.root=2017 needs no quotes.
  if (value && value->kind != Kind::text && value->origin.line > 0) wrong(full(key), *value, "text in quotes");
  const std::string result = value ? value->text : std::move(otherwise);
  state_->asked[full(key)] = toml_text(result);
  return result;
}

std::string Config::choice(std::string_view key, std::string otherwise, const std::vector<std::string>& options) {
  std::string result = text(key, std::move(otherwise));
  if (std::ranges::find(options, result) == options.end()) {
    std::string wanted;
    for (const std::string& o : options) wanted += (wanted.empty() ? "one of " : ", ") + toml_text(o);
    const ConfigValue* value = find(key);
    AZ_CHECK(value, "config: default {} of {} is not {}", result, full(key), wanted);
    wrong(full(key), *value, wanted);
  }
  return result;
}

std::vector<int64_t> Config::integers(std::string_view key, std::vector<int64_t> otherwise, size_t fewest, size_t most,
                                      int64_t low, int64_t high) {
  if (const ConfigValue* value = find(key))
    otherwise = list_of<int64_t>(
        full(key), *value, fewest, most, wanted_integer(low, high),
        [&](const ConfigValue& v) { return is_integer(v, low, high); }, [](const ConfigValue& v) { return v.integer; });
  state_->asked[full(key)] = toml_list(otherwise, [](int64_t v) { return std::to_string(v); });
  return otherwise;
}

std::vector<double> Config::numbers(std::string_view key, std::vector<double> otherwise, size_t fewest, size_t most,
                                    double low, double high) {
  if (const ConfigValue* value = find(key))
    otherwise = list_of<double>(
        full(key), *value, fewest, most, wanted_number(low, high),
        [&](const ConfigValue& v) { return is_number(v, low, high); }, [](const ConfigValue& v) { return v.number; });
  state_->asked[full(key)] = toml_list(otherwise, toml_number);
  return otherwise;
}

Config Config::table(std::string_view key) {
  const ConfigValue* value = find(key);
  if (value && value->kind != Kind::table) wrong(full(key), *value, "a table");
  state_->tables.insert(full(key));
  return Config(state_, full(key) + ".");
}

void Config::reject(std::string_view key, const std::string& what) const {
  const ConfigValue* value = find(key);
  fail("{}: {} {}", value ? value->origin.str() : "config", full(key), what);
}

void Config::finish() const {
  for (const auto& [key, value] : state_->values) {
    const bool table = value.kind == Kind::table;
    if (table ? state_->tables.contains(key) : state_->asked.contains(key)) continue;
    constexpr size_t kCompared = 80;
    const std::string_view start = std::string_view(key).substr(0, kCompared);
    std::string nearest;
    size_t fewest = std::numeric_limits<size_t>::max();
    const auto consider = [&](const std::string& known) {
      if (const size_t count = edits(start, known); count < fewest) {
        fewest = count;
        nearest = known;
      }
    };
    for (const auto& [known, text] : state_->asked) consider(known);
    for (const std::string& known : state_->tables) consider(known);
    fail("{}: unknown {} {}{}", value.origin.str(), table ? "table" : "key", start,
         nearest.empty() ? "" : "; the nearest known one is " + nearest);
  }
}

std::string Config::dump() const {
  std::map<std::string, std::string> sections;  // table -> its lines
  for (const auto& [key, text] : state_->asked) {
    const size_t dot = key.rfind('.');
    const std::string table = dot == std::string::npos ? "" : key.substr(0, dot);
    sections[table] += key.substr(dot == std::string::npos ? 0 : dot + 1) + " = " + text + "\n";
  }
  std::string all;
  for (const auto& [table, lines] : sections)
    all += (table.empty() ? "" : fmt::format("{}[{}]\n", all.empty() ? "" : "\n", table)) + lines;
  return all;
}

}  // namespace az::models
