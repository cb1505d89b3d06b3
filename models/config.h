// Configuration files: TOML, read by type and range, with overrides and inheritance.
//
// A reader asks for every key it knows, each with its default and range, and then calls finish(), which rejects keys
// that nobody asked for. Nothing is read twice from text, so what was asked for is also what dump() writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace az::models {

struct ConfigValue;

class Config {
 public:
  /// A file. `base = "other.toml"` at its top takes that file's values (path relative to the file, several deep) where
  /// it gives none itself. `overrides` are "dotted.key=value", later ones win; a value that is not TOML is taken as
  /// text. Error: `FILE:line: what is wrong` for a file that cannot be read, is not TOML or nests too deeply, and for
  /// bases that go round in a circle; `--set key=value: what is wrong` for an override.
  static Config load(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});
  /// The same from text, `name` standing for the file in messages. Error: it has a base.
  static Config parse(std::string_view text, const std::string& name, const std::vector<std::string>& overrides = {});

  // Each returns the default where the key is absent. Error: another type, or a value out of range; the text names the
  // file and line (or the override) and what is wanted.
  bool boolean(std::string_view key, bool otherwise);
  int64_t integer(std::string_view key, int64_t otherwise, int64_t low, int64_t high);
  double number(std::string_view key, double otherwise, double low, double high);
  std::string text(std::string_view key, std::string otherwise);
  /// One of `options`, of which there is at least one.
  std::string choice(std::string_view key, std::string otherwise, const std::vector<std::string>& options);
  /// From `fewest` to `most` elements, each in range.
  std::vector<int64_t> integers(std::string_view key, std::vector<int64_t> otherwise, size_t fewest, size_t most,
                                int64_t low, int64_t high);
  std::vector<double> numbers(std::string_view key, std::vector<double> otherwise, size_t fewest, size_t most,
                              double low, double high);

  /// The table of that name, empty where absent. Shares everything with this one.
  Config table(std::string_view key);
  bool has(std::string_view key) const;
  /// Throws the error of a value that has the right type but does not fit: `FILE:line: KEY what`.
  [[noreturn]] void reject(std::string_view key, const std::string& what) const;

  /// Error: a key of the whole file that was never asked for; the text names its line and the nearest known key.
  void finish() const;
  /// Everything asked for so far, defaults included, as TOML with sorted tables and keys. Reading it gives the same.
  std::string dump() const;

 private:
  struct State;
  Config(std::shared_ptr<State> state, std::string prefix) : state_(std::move(state)), prefix_(std::move(prefix)) {}
  std::string full(std::string_view key) const;
  const ConfigValue* find(std::string_view key) const;

  std::shared_ptr<State> state_;
  std::string prefix_;  // "" or "model.head."
};

}  // namespace az::models
