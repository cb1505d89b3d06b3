// The values of configuration files, flat: "model.head.rays" -> value and where it stands. Private to
// models/config.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace az::models {

/// Where a value was written: a line of a file, or an override (line 0).
struct ConfigOrigin {
  std::shared_ptr<const std::string> source;  ///< file name, or "--set key=value"
  int64_t line = 0;
  std::string str() const;
};

struct ConfigValue {
  enum class Kind : uint8_t { boolean, integer, number, text, list, table, other };
  Kind kind = Kind::other;
  bool boolean = false;
  int64_t integer = 0;
  double number = 0;  ///< also of an integer
  std::string text;   ///< of an override: as it was written, whatever the kind
  std::vector<ConfigValue> elements;
  ConfigOrigin origin;

  /// What it is, for a message: `text "fast"`, `a list of 3`.
  std::string describe() const;
};

using ConfigValues = std::map<std::string, ConfigValue, std::less<>>;

/// Adds the values of TOML text to `values`, in place of those of the same keys. Tables are entries too.
/// Error: `NAME:line: what is wrong`, for nesting deeper than 16 and unusual keys too.
void add_toml(std::string_view text, const std::string& name, ConfigValues& values);
/// Adds a file with its bases' values below its own. Error: as above, a file that cannot be read, or a circle.
void add_toml_file(const std::filesystem::path& file, ConfigValues& values);
/// Adds "dotted.key=value". Error: no such form.
void add_override(const std::string& override_text, ConfigValues& values);

/// A double and a text as TOML.
std::string toml_number(double value);
std::string toml_text(std::string_view value);

}  // namespace az::models
