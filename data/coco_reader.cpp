// Reads COCO files entry by entry: JsonStream cuts them, simdjson parses each.
#include <simdjson.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "data/coco.h"
#include "data/json_stream.h"
#include "tensor/error.h"

namespace az::data {
namespace {

namespace json = simdjson::ondemand;

constexpr int64_t kMaxExtent = 1'000'000;
constexpr int64_t kMaxPixels = 2'147'483'647;

// One entry of a list: its fields by name, and errors that say where it stands.
class Entry {
 public:
  Entry(json::parser& parser, std::string_view text, const std::string& file, std::string list, size_t index)
      : file_(file), list_(std::move(list)), index_(index) {
    const simdjson::padded_string_view padded(text.data(), text.size(), text.size() + JsonStream::kPadding);
    if (const auto error = parser.iterate(padded).get(document_)) fail("", simdjson::error_message(error));
    if (document_.get_object().get(object_)) fail("", "should be an object");
  }

  // Calls f(key, value) for each field; of a key given twice the later one counts.
  template <class F>
  void for_fields(const F& f) {
    for (auto result : object_) {
      json::field field;
      if (const auto error = std::move(result).get(field)) fail("", simdjson::error_message(error));
      std::string_view key;
      if (const auto error = field.unescaped_key().get(key)) fail("", simdjson::error_message(error));
      f(key, field.value());
    }
  }

  [[noreturn]] void fail(std::string_view key, std::string_view what) const {
    az::fail("{}: {}[{}]{}{}: {}", file_, list_, index_, key.empty() ? "" : ".", key, what);
  }

  int64_t integer(std::string_view key, json::value value) const {
    int64_t number = 0;
    if (value.get_int64().get(number)) fail(key, "should be an integer");
    return number;
  }

  double number(std::string_view key, json::value value) const {
    double number = 0;
    if (value.get_double().get(number) || !std::isfinite(number)) fail(key, "should be a finite number");
    return number;
  }

  std::string text(std::string_view key, json::value value) const {
    std::string_view text;
    if (value.get_string().get(text)) fail(key, "should be a string");
    return std::string(text);
  }

  // true, false, 0 or another number.
  bool flag(std::string_view key, json::value value) const {
    bool on = false;
    if (!value.get_bool().get(on)) return on;
    return number(key, value) != 0;
  }

  // A list of numbers, appended to `numbers`.
  void numbers(std::string_view key, json::value value, std::vector<double>& numbers) const {
    json::array array;
    if (value.get_array().get(array)) fail(key, "should be a list of numbers");
    for (auto item : array) {
      double number = 0;
      if (item.get_double().get(number) || !std::isfinite(number))
        fail(key, fmt::format("entry {} should be a finite number", numbers.size()));
      numbers.push_back(number);
    }
  }

  // [x, y, width, height]; nothing for an empty list or null.
  std::optional<cpu::Box> box(std::string_view key, json::value value) const {
    if (bool null = false; !value.is_null().get(null) && null) return {};
    std::vector<double> list;
    numbers(key, value, list);
    if (list.empty()) return {};
    if (list.size() != 4) fail(key, fmt::format("has {} numbers, not x, y, width, height", list.size()));
    if (list[2] < 0 || list[3] < 0) fail(key, fmt::format("has the negative size {} x {}", list[2], list[3]));
    return cpu::Box{list[0], list[1], list[2], list[3]};
  }

  // Polygon parts, or runs plain or compressed; none for an empty list or null.
  Segmentation segmentation(std::string_view key, json::value value, SegmentationStore& store) const {
    json::json_type type = json::json_type::null;
    if (value.type().get(type)) fail(key, "is not valid JSON");
    if (type == json::json_type::null) return {};
    if (type == json::json_type::object) return store.add(runs(key, value));
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

 private:
  cpu::Rle runs(std::string_view key, json::value value) const {
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
    cpu::Rle rle{static_cast<uint32_t>(size[0]), static_cast<uint32_t>(size[1]), {}};
    try {
      if (compressed) rle = cpu::rle_from_string(*compressed, rle.height, rle.width);
    } catch (const Error& error) {
      fail(key, error.what());
    }
    for (const double run : counts) {
      if (!(run >= 0 && run <= UINT32_MAX && run == std::floor(run)))
        fail(key, fmt::format("has a run of {} pixels", run));
      rle.counts.push_back(static_cast<uint32_t>(run));
    }
    if (const std::string problem = cpu::rle_problem(rle); !problem.empty()) fail(key, problem);
    return rle;
  }

  const std::string& file_;
  std::string list_;
  size_t index_;
  json::document document_;
  json::object object_;
};

// The reader of annotation files; keeps what is needed until the file is whole.
class DatasetReader {
 public:
  DatasetReader(std::istream& input, const std::string& name) : name_(name), stream_(input, name) {}

  CocoDataset read() {
    if (stream_.peek() == '[')
      fail("{}: is a list, not an object with images, annotations and categories (a result file?)", name_);
    bool has_images = false, has_annotations = false, has_categories = false;
    const auto once = [&](bool& has, std::string_view key) {
      AZ_CHECK(!has, "{}: has \"{}\" twice", name_, key);
      has = true;
    };
    stream_.for_fields([&](std::string_view key) {
      if (key == "images") {
        once(has_images, key);
        for_entries("images", [&](Entry& entry) { set_.images.push_back(image(entry)); });
      } else if (key == "categories") {
        once(has_categories, key);
        for_entries("categories", [&](Entry& entry) { set_.categories.push_back(category(entry)); });
      } else if (key == "annotations") {
        once(has_annotations, key);
        for_entries("annotations", [&](Entry& entry) { set_.annotations.push_back(annotation(entry)); });
      } else {
        stream_.next_value();
      }
    });
    stream_.expect_end();
    AZ_CHECK(has_images, "{}: has no \"images\"", name_);
    AZ_CHECK(has_annotations, "{}: has no \"annotations\"", name_);
    AZ_CHECK(has_categories, "{}: has no \"categories\"", name_);
    finish();
    return std::move(set_);
  }

 private:
  template <class F>
  void for_entries(const char* list, const F& f) {
    AZ_CHECK(stream_.peek() == '[', "{}: {} should be a list", name_, list);
    stream_.for_elements([&](size_t index) {
      Entry entry(parser_, stream_.next_value(), name_, list, index);
      f(entry);
    });
  }

  static CocoImage image(Entry& entry) {
    CocoImage image;
    bool has_id = false;
    int64_t width = 0, height = 0;
    entry.for_fields([&](std::string_view key, json::value value) {
      if (key == "id")
        image.id = entry.integer(key, value), has_id = true;
      else if (key == "width")
        width = entry.integer(key, value);
      else if (key == "height")
        height = entry.integer(key, value);
      else if (key == "file_name")
        image.file_name = entry.text(key, value);
    });
    if (!has_id) entry.fail("id", "is missing");
    if (width < 1 || width > kMaxExtent) entry.fail("width", "is missing, or not from 1 to 1000000");
    if (height < 1 || height > kMaxExtent) entry.fail("height", "is missing, or not from 1 to 1000000");
    if (width * height > kMaxPixels) entry.fail("", fmt::format("has {} x {} pixels", width, height));
    image.width = static_cast<int>(width);
    image.height = static_cast<int>(height);
    return image;
  }

  static CocoCategory category(Entry& entry) {
    CocoCategory category;
    bool has_id = false, has_name = false;
    entry.for_fields([&](std::string_view key, json::value value) {
      if (key == "id")
        category.id = entry.integer(key, value), has_id = true;
      else if (key == "name")
        category.name = entry.text(key, value), has_name = true;
      else if (key == "supercategory")
        category.supercategory = entry.text(key, value);
    });
    if (!has_id) entry.fail("id", "is missing");
    if (!has_name) entry.fail("name", "is missing");
    return category;
  }

  CocoAnnotation annotation(Entry& entry) {
    CocoAnnotation read;
    bool has_id = false, has_image = false, has_category = false, has_area = false, has_box = false;
    entry.for_fields([&](std::string_view key, json::value value) {
      if (key == "id")
        read.id = entry.integer(key, value), has_id = true;
      else if (key == "image_id")
        read.image_id = entry.integer(key, value), has_image = true;
      else if (key == "category_id")
        read.category_id = entry.integer(key, value), has_category = true;
      else if (key == "area")
        read.area = entry.number(key, value), has_area = true;
      else if (key == "iscrowd")
        read.crowd = entry.flag(key, value);
      else if (key == "ignore")
        read.ignore = entry.flag(key, value);
      else if (key == "segmentation")
        read.segmentation = entry.segmentation(key, value, set_.segmentations);
      else if (key == "bbox") {
        const auto box = entry.box(key, value);
        has_box = box.has_value();
        read.bbox = box.value_or(cpu::Box{});
      }
    });
    if (!has_id) entry.fail("id", "is missing");
    if (!has_image) entry.fail("image_id", "is missing");
    if (!has_category) entry.fail("category_id", "is missing");
    if (!has_box && read.segmentation.empty()) entry.fail("", "has neither bbox nor segmentation");
    if (read.area < 0) entry.fail("area", fmt::format("is {}", read.area));
    if (!has_area) lack_area_.push_back(set_.annotations.size());
    if (!has_box) lack_box_.push_back(set_.annotations.size());
    return read;
  }

  // Ids, and what needs the pictures' sizes.
  void finish() {
    try {
      set_.build_index();
      for (size_t i = 0; i < set_.annotations.size(); ++i) {
        const CocoAnnotation& annotation = set_.annotations[i];
        if (annotation.segmentation.kind() != Segmentation::Kind::runs) continue;
        const CocoImage& image = set_.images[*set_.find_image(annotation.image_id)];
        const auto [height, width] = annotation.segmentation.runs_size();
        AZ_CHECK(height == static_cast<uint32_t>(image.height) && width == static_cast<uint32_t>(image.width),
                 "annotations[{}].segmentation: is of a picture of {} x {}, image {} is {} x {}", i, width, height,
                 image.id, image.width, image.height);
      }
      for (const size_t i : lack_box_) set_.annotations[i].bbox = cpu::rle_box(set_.mask_of(set_.annotations[i]));
      for (const size_t i : lack_area_) {
        CocoAnnotation& annotation = set_.annotations[i];
        annotation.area = annotation.segmentation.empty()
                              ? annotation.bbox[2] * annotation.bbox[3]
                              : static_cast<double>(cpu::rle_area(set_.mask_of(annotation)));
      }
    } catch (const Error& error) {
      fail("{}: {}", name_, error.what());
    }
  }

  const std::string& name_;
  JsonStream stream_;
  json::parser parser_;
  CocoDataset set_;
  std::vector<size_t> lack_area_, lack_box_;
};

// One detection, with what it is not allowed to lack: a score, and the kind of place that the first entry has.
CocoDetection detection(Entry& entry, size_t index, CocoResults& results, const CocoDataset& dataset) {
  CocoDetection read;
  bool has_image = false, has_category = false, has_score = false, has_box = false;
  entry.for_fields([&](std::string_view key, json::value value) {
    if (key == "image_id")
      read.image_id = entry.integer(key, value), has_image = true;
    else if (key == "category_id")
      read.category_id = entry.integer(key, value), has_category = true;
    else if (key == "score")
      read.score = entry.number(key, value), has_score = true;
    else if (key == "segmentation")
      read.segmentation = entry.segmentation(key, value, results.segmentations);
    else if (key == "bbox") {
      const auto box = entry.box(key, value);
      has_box = box.has_value();
      read.bbox = box.value_or(cpu::Box{});
    }
  });
  if (!has_image) entry.fail("image_id", "is missing");
  if (!has_category) entry.fail("category_id", "is missing");
  if (!has_score) entry.fail("score", "is missing");
  const auto image = dataset.find_image(read.image_id);
  if (!image) entry.fail("image_id", fmt::format("{} is not among the annotation file's images", read.image_id));
  const auto height = static_cast<uint32_t>(dataset.images[*image].height);
  const auto width = static_cast<uint32_t>(dataset.images[*image].width);
  if (read.segmentation.kind() == Segmentation::Kind::runs && read.segmentation.runs_size() != std::pair(height, width))
    entry.fail("segmentation",
               fmt::format("is of a picture of {} x {}, image {} is {} x {}", read.segmentation.runs_size().second,
                           read.segmentation.runs_size().first, read.image_id, width, height));
  if (index == 0) results.area_from_boxes = has_box;
  if (results.area_from_boxes && !has_box) entry.fail("bbox", "is missing, while the first entry has one");
  if (!has_box && read.segmentation.empty()) entry.fail("", "has neither bbox nor segmentation");
  if (!has_box) read.bbox = cpu::rle_box(read.segmentation.rle(height, width));
  if (!results.area_from_boxes && read.segmentation.empty())
    entry.fail("segmentation", "is missing, while the first entry has no bbox");
  return read;
}

CocoResults read_results(std::istream& input, const std::string& name, const CocoDataset& dataset) {
  JsonStream stream(input, name);
  AZ_CHECK(stream.peek() != '{', "{}: is an object, not a list of detections (an annotation file?)", name);
  CocoResults results;
  json::parser parser;
  stream.for_elements([&](size_t index) {
    Entry entry(parser, stream.next_value(), name, "", index);
    results.detections.push_back(detection(entry, index, results, dataset));
  });
  stream.expect_end();
  return results;
}

std::ifstream open(const std::filesystem::path& file) {
  std::ifstream input(file, std::ios::binary);
  AZ_CHECK(input, "{}: cannot be opened", file.string());
  return input;
}

}  // namespace

CocoDataset read_coco(const std::filesystem::path& file) {
  std::ifstream input = open(file);
  const std::string name = file.string();
  return DatasetReader(input, name).read();
}

CocoDataset decode_coco(std::string_view text, const std::string& name) {
  std::istringstream input{std::string(text)};
  return DatasetReader(input, name).read();
}

CocoResults read_coco_results(const std::filesystem::path& file, const CocoDataset& dataset) {
  std::ifstream input = open(file);
  return read_results(input, file.string(), dataset);
}

CocoResults decode_coco_results(std::string_view text, const std::string& name, const CocoDataset& dataset) {
  std::istringstream input{std::string(text)};
  return read_results(input, name, dataset);
}

}  // namespace az::data
