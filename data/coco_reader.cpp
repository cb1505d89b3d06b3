// Reads annotation files entry by entry: JsonStream cuts them, simdjson parses each.
#include <fstream>
#include <sstream>

#include "data/coco.h"
#include "data/coco_entry.h"
#include "data/json_stream.h"
#include "tensor/error.h"

namespace az::data {
namespace {

namespace json = simdjson::ondemand;

constexpr int64_t kMaxPixels = 2'147'483'647;

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
        for_entries("images", [&](CocoEntry& entry) { set_.images.push_back(image(entry)); });
      } else if (key == "categories") {
        once(has_categories, key);
        for_entries("categories", [&](CocoEntry& entry) { set_.categories.push_back(category(entry)); });
      } else if (key == "annotations") {
        once(has_annotations, key);
        for_entries("annotations", [&](CocoEntry& entry) { set_.annotations.push_back(annotation(entry)); });
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
      CocoEntry entry(parser_, stream_.next_value(), name_, list, index);
      f(entry);
    });
  }

  static CocoImage image(CocoEntry& entry) {
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
    if (width < 1 || width > CocoEntry::kMaxExtent) entry.fail("width", "is missing, or not from 1 to 1000000");
    if (height < 1 || height > CocoEntry::kMaxExtent) entry.fail("height", "is missing, or not from 1 to 1000000");
    if (width * height > kMaxPixels) entry.fail("", fmt::format("has {} x {} pixels", width, height));
    image.width = static_cast<int>(width);
    image.height = static_cast<int>(height);
    return image;
  }

  static CocoCategory category(CocoEntry& entry) {
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

  CocoAnnotation annotation(CocoEntry& entry) {
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

}  // namespace az::data
