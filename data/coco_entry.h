// One entry of a list in a COCO file: its fields by name, and errors that say where it stands. For the readers only.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/rle.h"
#include "data/segmentation.h"

namespace az::data {

class CocoEntry {
 public:
  using Value = simdjson::ondemand::value;
  static constexpr int64_t kMaxExtent = 1'000'000;

  /// `text` is followed by JsonStream::kPadding bytes. Error: it is no JSON object.
  CocoEntry(simdjson::ondemand::parser& parser, std::string_view text, const std::string& file, std::string list,
            size_t index);

  /// Calls f(key, value) for each field; of a key given twice the later one counts.
  template <class F>
  void for_fields(const F& f) {
    for (auto result : object_) {
      simdjson::ondemand::field field;
      if (const auto error = std::move(result).get(field)) fail("", simdjson::error_message(error));
      std::string_view key;
      if (const auto error = field.unescaped_key().get(key)) fail("", simdjson::error_message(error));
      f(key, field.value());
    }
  }

  /// `FILE: list[index].key: what`
  [[noreturn]] void fail(std::string_view key, std::string_view what) const;

  int64_t integer(std::string_view key, Value value) const;
  double number(std::string_view key, Value value) const;
  std::string text(std::string_view key, Value value) const;
  /// true, false, 0 or another number.
  bool flag(std::string_view key, Value value) const;
  /// [x, y, width, height]; nothing for an empty list or null.
  std::optional<cpu::Box> box(std::string_view key, Value value) const;
  /// Polygon parts, or runs plain or compressed; none for an empty list or null.
  Segmentation segmentation(std::string_view key, Value value, SegmentationStore& store) const;

 private:
  void numbers(std::string_view key, Value value, std::vector<double>& numbers) const;
  Segmentation runs(std::string_view key, Value value, SegmentationStore& store) const;

  const std::string& file_;
  std::string list_;
  size_t index_;
  simdjson::ondemand::document document_;
  simdjson::ondemand::object object_;
};

}  // namespace az::data
