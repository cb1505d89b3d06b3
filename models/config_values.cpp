#include "models/config_values.h"

#include <algorithm>

#include "tensor/error.h"
#include "tensor/file.h"

namespace az::models {
namespace {

/// Some broken files trip toml++ 3.3's own assertions ("[" at the end of a line is one): an error, not an abort.
struct ParserTripped {};
[[noreturn]] void parser_tripped() { throw ParserTripped{}; }

}  // namespace
}  // namespace az::models

// With NDEBUG it would build on these assumptions instead of checking them. No other file includes toml++.
#undef NDEBUG
#define TOML_ASSERT(condition) ((condition) ? static_cast<void>(0) : az::models::parser_tripped())
#include <toml++/toml.h>

namespace az::models {
namespace {

constexpr size_t kLargestFile = 1 << 20;
constexpr int kDeepest = 16;          // tables in tables
constexpr size_t kLongestKey = 64;    // characters of one part
constexpr int kMostDots = 64;         // between two commas of a line, outside strings
constexpr size_t kLongestChain = 16;  // files that are each other's base
constexpr std::string_view kBase = "base";

std::string shortened(std::string_view text) {
  constexpr size_t kShown = 40;
  return text.size() <= kShown ? std::string(text) : std::string(text.substr(0, kShown)) + "...";
}

bool good_key(std::string_view key) {
  return !key.empty() && key.size() <= kLongestKey && std::ranges::all_of(key, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

/// One past the end of the string or comment that begins at `at`, or `at` where neither does.
size_t skip_string_or_comment(std::string_view text, size_t at) {
  const char first = text[at];
  if (first == '#') return std::min(text.find('\n', at), text.size());
  if (first != '"' && first != '\'') return at;
  const std::string triple(3, first);
  const bool lines = text.substr(at, 3) == triple;
  for (size_t i = at + (lines ? 3 : 1); i < text.size(); ++i) {
    if (text[i] == '\\' && first == '"') {
      ++i;
    } else if (lines && text.substr(i, 3) == triple) {
      i += 3;
      for (int extra = 0; extra < 2 && i < text.size() && text[i] == first; ++extra) ++i;  // quotes before the end
      return i;
    } else if (!lines && (text[i] == first || text[i] == '\n')) {
      return i + 1;
    }
  }
  return text.size();
}

/// What must not reach toml++ 3.3: characters beyond ASCII outside strings and comments, some of which lead to code
/// that it takes for unreachable; and long dotted keys, as it takes their tables down recursively.
void check_plain(std::string_view text, const std::string& name) {
  int64_t line = 1;
  int dots = 0;
  char before = '\n';  // of the last string or comment, its first character
  for (size_t at = 0; at < text.size();) {
    // Elsewhere toml++ may take it for a part of a number, and what follows for plain text.
    AZ_CHECK(
        (text[at] != '"' && text[at] != '\'') || std::string_view(" \t\r\n=[,{").find(before) != std::string_view::npos,
        "{}:{}: a quote inside a word", name, line);
    before = text[at];
    if (const size_t end = skip_string_or_comment(text, at); end != at) {
      line += std::ranges::count(text.substr(at, end - at), '\n');
      at = end;
      continue;
    }
    const char c = text[at++];
    AZ_CHECK(static_cast<unsigned char>(c) < 0x80, "{}:{}: a character that is not ASCII, outside quotes", name, line);
    if (c == '\n') ++line;
    dots = c == '\n' || c == ',' ? 0 : dots + (c == '.');
    AZ_CHECK(dots <= kMostDots, "{}:{}: more than {} dots in one key or value", name, line, kMostDots);
  }
}

toml::table parse_toml(std::string_view text, const std::string& name) {
  AZ_CHECK(text.size() <= kLargestFile, "{}: {} bytes, a configuration has at most {}", name, text.size(),
           kLargestFile);
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  check_plain(text, name);
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    fail("{}:{}: {}", name, error.source().begin.line, error.description());
  } catch (const ParserTripped&) {
    fail("{}: is not TOML", name);
  }
}

/// A value without the contents of a table.
ConfigValue converted(const toml::node& node) {
  using Kind = ConfigValue::Kind;
  ConfigValue value;
  if (const auto* boolean = node.as_boolean()) {
    value.kind = Kind::boolean;
    value.boolean = boolean->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = Kind::integer;
    value.integer = integer->get();
    value.number = static_cast<double>(value.integer);
  } else if (const auto* number = node.as_floating_point()) {
    value.kind = Kind::number;
    value.number = number->get();
  } else if (const auto* text = node.as_string()) {
    value.kind = Kind::text;
    value.text = text->get();
  } else if (const auto* list = node.as_array()) {
    value.kind = Kind::list;
    // Lists of lists are nowhere wanted: an inner one stays without its elements.
    ConfigValue inner;
    inner.kind = Kind::list;
    for (const toml::node& element : *list) value.elements.push_back(element.is_array() ? inner : converted(element));
  } else if (node.is_table()) {
    value.kind = Kind::table;
  }
  return value;
}

void add_table(const toml::table& table, const std::string& prefix, int depth,
               const std::shared_ptr<const std::string>& source, ConfigValues& values) {
  for (const auto& [key, node] : table) {
    const ConfigOrigin origin{source, static_cast<int64_t>(node.source().begin.line)};
    AZ_CHECK(good_key(key.str()), "{}: key \"{}\" should have 1 to {} letters, digits, _ or -", origin.str(),
             shortened(key.str()), kLongestKey);
    AZ_CHECK(depth < kDeepest, "{}: tables nest deeper than {}", origin.str(), kDeepest);
    const std::string full = prefix + std::string(key.str());
    ConfigValue value = converted(node);
    value.origin = origin;
    values.insert_or_assign(full, std::move(value));
    if (const auto* inner = node.as_table()) add_table(*inner, full + ".", depth + 1, source, values);
  }
}

std::filesystem::path identity(const std::filesystem::path& file) {
  std::error_code error;
  const auto canonical = std::filesystem::weakly_canonical(file, error);
  return error ? file : canonical;
}

/// `chain` holds the files that led here.
void add_file(const std::filesystem::path& file, std::vector<std::filesystem::path>& chain, ConfigValues& values) {
  const std::string text = read_file(file);
  ConfigValues own;
  add_toml(text, file.string(), own);
  chain.push_back(identity(file));
  if (const auto base = own.find(kBase); base != own.end()) {
    const std::string where = base->second.origin.str();
    AZ_CHECK(base->second.kind == ConfigValue::Kind::text, "{}: base is {}, want the name of a file", where,
             base->second.describe());
    const auto next = file.parent_path() / base->second.text;
    AZ_CHECK(std::ranges::find(chain, identity(next)) == chain.end(), "{}: base \"{}\" leads back to itself", where,
             base->second.text);
    AZ_CHECK(chain.size() < kLongestChain, "{}: more than {} files are each other's base", where, kLongestChain);
    std::error_code error;
    AZ_CHECK(std::filesystem::is_regular_file(next, error), "{}: base \"{}\" is no file", where, next.string());
    own.erase(base);
    add_file(next, chain, values);
  }
  for (auto& [key, value] : own) values.insert_or_assign(key, std::move(value));
}

}  // namespace

std::string ConfigOrigin::str() const { return line > 0 ? fmt::format("{}:{}", *source, line) : *source; }

std::string ConfigValue::describe() const {
  switch (kind) {
    case Kind::boolean: return boolean ? "true" : "false";
    case Kind::integer: return std::to_string(integer);
    case Kind::number: return toml_number(number);
    case Kind::text: return "text " + toml_text(shortened(text));
    case Kind::list: return fmt::format("a list of {}", elements.size());
    case Kind::table: return "a table";
    case Kind::other: break;
  }
  return "a date or time";
}

void add_toml(std::string_view text, const std::string& name, ConfigValues& values) {
  add_table(parse_toml(text, name), "", 0, std::make_shared<const std::string>(name), values);
}

void add_toml_file(const std::filesystem::path& file, ConfigValues& values) {
  std::vector<std::filesystem::path> chain;
  add_file(file, chain, values);
}

void add_override(const std::string& override_text, ConfigValues& values) {
  const auto source = std::make_shared<const std::string>("--set " + shortened(override_text));
  const size_t equals = override_text.find('=');
  AZ_CHECK(equals != std::string::npos && equals > 0, "{}: want key=value", *source);
  const std::string key = override_text.substr(0, equals);
  const std::string written = override_text.substr(equals + 1);
  int depth = 1;
  for (size_t begin = 0; begin <= key.size(); ++depth) {
    const size_t end = std::min(key.find('.', begin), key.size());
    AZ_CHECK(good_key(std::string_view(key).substr(begin, end - begin)) && depth <= kDeepest,
             "{}: \"{}\" is not a dotted key", *source, shortened(key));
    begin = end + 1;
  }
  ConfigValue value;
  value.kind = ConfigValue::Kind::text;
  toml::table parsed;
  try {
    parsed = parse_toml("value = " + written, *source);
  } catch (const Error&) {
    // Not TOML: bare text, as in data.root=/srv/coco.
  }
  if (parsed.size() == 1) value = converted(*parsed.get("value"));
  value.text = parsed.size() == 1 && value.kind == ConfigValue::Kind::text ? value.text : written;
  value.origin = {source, 0};
  values.insert_or_assign(key, value);
  if (parsed.size() == 1 && parsed.get("value")->is_table()) {
    ConfigValues inner;
    add_table(*parsed.get("value")->as_table(), key + ".", depth, source, inner);
    for (auto& [name, entry] : inner) {
      entry.origin.line = 0;
      values.insert_or_assign(name, std::move(entry));
    }
  }
}

std::string toml_number(double value) {
  const std::string text = fmt::format("{}", value);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

std::string toml_text(std::string_view value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      text += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    } else {
      text += c;
    }
  }
  return text + '"';
}

}  // namespace az::models
