#include "data/found_objects.h"

#include <fmt/format.h>

#include <charconv>
#include <sstream>

#include "data/coco_entry.h"
#include "data/json_stream.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/text.h"

namespace az::data {
namespace {

int64_t read_extent(std::string_view text, std::string_view key, const std::string& name) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  AZ_CHECK(error == std::errc() && end == text.data() + text.size() && value >= 1 && value <= CocoEntry::kMaxExtent,
           "{}: {} is {}, want pixels from 1 to {}", name, key, printable(text), CocoEntry::kMaxExtent);
  return value;
}

FoundObject read_object(CocoEntry& entry) {
  FoundObject object;
  SegmentationStore store;
  Segmentation segmentation;
  bool has_score = false;
  entry.for_fields([&](std::string_view key, CocoEntry::Value value) {
    if (key == "class") object.name = entry.text(key, value);
    if (key == "score") object.score = entry.number(key, value), has_score = true;
    if (key == "segmentation") segmentation = entry.segmentation(key, value, store);
  });
  if (!has_score) entry.fail("score", "is missing");
  if (segmentation.kind() != Segmentation::Kind::runs) entry.fail("segmentation", "is no mask of runs");
  object.mask = segmentation.runs();
  return object;
}

}  // namespace

FoundObjects decode_found_objects(std::string_view text, const std::string& name) {
  std::istringstream input{std::string(text)};
  JsonStream stream(input, name);
  simdjson::ondemand::parser parser;
  FoundObjects found;
  bool has_instances = false;
  AZ_CHECK(stream.peek() == '{', "{}: is no JSON object; want NAME.json of azimuth predict", name);
  stream.for_fields([&](std::string_view key) {
    if (key == "width") {
      found.width = read_extent(stream.next_value(), "width", name);
    } else if (key == "height") {
      found.height = read_extent(stream.next_value(), "height", name);
    } else if (key == "instances") {
      has_instances = true;
      stream.for_elements([&](size_t i) {
        CocoEntry entry(parser, stream.next_value(), name, "instances", i);
        FoundObject object = read_object(entry);
        if (cpu::rle_area(object.mask) > 0) found.objects.push_back(std::move(object));
      });
    } else {
      stream.next_value();
    }
  });
  stream.expect_end();
  AZ_CHECK(has_instances && found.width > 0 && found.height > 0,
           "{}: lacks instances, width or height; want NAME.json of azimuth predict", name);
  for (const FoundObject& object : found.objects)
    AZ_CHECK(object.mask.width == found.width && object.mask.height == found.height,
             "{}: a mask is {} x {}, the picture {} x {}", name, object.mask.width, object.mask.height, found.width,
             found.height);
  return found;
}

FoundObjects read_found_objects(const std::filesystem::path& file) {
  return decode_found_objects(read_file(file), file.string());
}

}  // namespace az::data
