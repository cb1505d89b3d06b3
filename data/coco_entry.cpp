#include "data/coco_entry.h"

#include <cmath>

#include "data/json_stream.h"
#include "tensor/error.h"

namespace az::data {

namespace json = simdjson::ondemand;

CocoEntry::CocoEntry(json::parser& parser, std::string_view text, const std::string& file, std::string list,
                     size_t index)
    : file_(file), list_(std::move(list)), index_(index) {
  const simdjson::padded_string_view padded(text.data(), text.size(), text.size() + JsonStream::kPadding);
  if (const auto error = parser.iterate(padded).get(document_)) fail("", simdjson::error_message(error));
  if (document_.get_object().get(object_)) fail("", "should be an object");
}

void CocoEntry::fail(std::string_view key, std::string_view what) const {
  az::fail("{}: {}[{}]{}{}: {}", file_, list_, index_, key.empty() ? "" : ".", key, what);
}

int64_t CocoEntry::integer(std::string_view key, Value value) const {
  int64_t number = 0;
  if (value.get_int64().get(number)) fail(key, "should be an integer");
  return number;
}

double CocoEntry::number(std::string_view key, Value value) const {
  double number = 0;
  if (value.get_double().get(number) || !std::isfinite(number)) fail(key, "should be a finite number");
  return number;
}

std::string CocoEntry::text(std::string_view key, Value value) const {
  std::string_view text;
  if (value.get_string().get(text)) fail(key, "should be a string");
  return std::string(text);
}

bool CocoEntry::flag(std::string_view key, Value value) const {
  bool on = false;
  if (!value.get_bool().get(on)) return on;
  return number(key, value) != 0;
}

// A list of numbers, appended to `numbers`.
void CocoEntry::numbers(std::string_view key, Value value, std::vector<double>& numbers) const {
  json::array array;
  if (value.get_array().get(array)) fail(key, "should be a list of numbers");
  for (auto item : array) {
    double number = 0;
    if (item.get_double().get(number) || !std::isfinite(number))
      fail(key, fmt::format("entry {} should be a finite number", numbers.size()));
    numbers.push_back(number);
  }
}

std::optional<cpu::Box> CocoEntry::box(std::string_view key, Value value) const {
  if (bool null = false; !value.is_null().get(null) && null) return {};
  std::vector<double> list;
  numbers(key, value, list);
  if (list.empty()) return {};
  if (list.size() != 4) fail(key, fmt::format("has {} numbers, not x, y, width, height", list.size()));
  if (list[2] < 0 || list[3] < 0) fail(key, fmt::format("has the negative size {} x {}", list[2], list[3]));
  return cpu::Box{list[0], list[1], list[2], list[3]};
}

Segmentation CocoEntry::segmentation(std::string_view key, Value value, SegmentationStore& store) const {
  json::json_type type = json::json_type::null;
  if (value.type().get(type)) fail(key, "is not valid JSON");
  if (type == json::json_type::null) return {};
  if (type == json::json_type::object) return runs(key, value, store);
  if (type != json::json_type::array) fail(key, "should be a list of polygons, or an object with size and counts");
  json::array array;
  if (value.get_array().get(array)) fail(key, "should be a list of polygons");
  std::vector<std::vector<double>> parts;
  for (auto item : array) {
    json::value part;
    if (item.get(part)) fail(key, "is not valid JSON");
    numbers(key, part, parts.emplace_back());
    for (const double x : parts.back())
      if (std::abs(x) > cpu::kMaxPolygonCoordinate) fail(key, fmt::format("has the coordinate {}", x));
  }
  return parts.empty() ? Segmentation() : store.add(parts);
}

Segmentation CocoEntry::runs(std::string_view key, Value value, SegmentationStore& store) const {
  json::object object;
  if (value.get_object().get(object)) fail(key, "should be an object");
  std::vector<double> size;
  std::optional<std::string_view> compressed;  // the parser keeps it until the next entry
  std::vector<double> counts;
  bool has_counts = false;
  for (auto result : object) {
    json::field field;
    std::string_view name;
    if (std::move(result).get(field) || field.unescaped_key().get(name)) fail(key, "is not valid JSON");
    if (name == "size") size.clear(), numbers(key, field.value(), size);
    if (name != "counts") continue;
    has_counts = true;
    compressed.reset();
    counts.clear();
    std::string_view characters;
    if (!field.value().get_string().get(characters))
      compressed = characters;
    else
      numbers(key, field.value(), counts);
  }
  if (size.size() != 2) fail(key, "has no size [height, width]");
  if (!has_counts) fail(key, "has no counts");
  for (const double extent : size)
    if (!(extent >= 1 && extent <= static_cast<double>(kMaxExtent) && extent == std::floor(extent)))
      fail(key, fmt::format("has the size [{}, {}]", size[0], size[1]));
  const auto height = static_cast<uint32_t>(size[0]), width = static_cast<uint32_t>(size[1]);
  if (compressed) {
    cpu::RunTotals totals;
    try {
      totals = cpu::run_totals(*compressed, height);
    } catch (const Error& error) {
      fail(key, error.what());
    }
    if (const std::string problem = cpu::runs_problem(height, width, totals.covered); !problem.empty())
      fail(key, problem);
    return store.add(*compressed, height, width, totals);
  }
  cpu::Rle rle{height, width, {}};
  for (const double run : counts) {
    if (!(run >= 0 && run <= UINT32_MAX && run == std::floor(run)))
      fail(key, fmt::format("has a run of {} pixels", run));
    rle.counts.push_back(static_cast<uint32_t>(run));
  }
  if (const std::string problem = cpu::rle_problem(rle); !problem.empty()) fail(key, problem);
  return store.add(rle);
}

}  // namespace az::data
