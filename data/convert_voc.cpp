#include "data/convert_voc.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <pugixml.hpp>
#include <sstream>

#include "data/image.h"
#include "data/label_map.h"
#include "data/voc_xml.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::data {
namespace {

struct Object {
  std::string name, where;
  cpu::Box box;
  bool difficult = false;
  cpu::Rle mask;
  bool has_mask = false;
};

std::filesystem::path subfolder(const std::filesystem::path& folder, const char* name) {
  const std::filesystem::path below = folder / name;
  return std::filesystem::is_directory(below) ? below : folder;
}

// The box in pixels from 0, cut to the picture.
cpu::Box read_box(const pugi::xml_node& object, const ImageSize& size, const std::string& where) {
  const XmlBox box = xml_box(object, where);
  const double left = box.xmin - 1, right = box.xmax, top = box.ymin - 1, bottom = box.ymax;
  AZ_CHECK(right > left && bottom > top, "{}: bndbox has the size {} x {}", where, right - left, bottom - top);
  const double x = std::clamp(left, 0.0, double(size.width)), y = std::clamp(top, 0.0, double(size.height));
  return {x, y, std::clamp(right, 0.0, double(size.width)) - x, std::clamp(bottom, 0.0, double(size.height)) - y};
}

ImageSize read_size(const pugi::xml_node& root, const std::filesystem::path& picture, const std::string& name) {
  const pugi::xml_node size = root.child("size");
  if (!size) {
    AZ_CHECK(std::filesystem::is_regular_file(picture), "{}: has no size, and {} is missing", name, picture.string());
    return image_size(picture);
  }
  const double width = xml_number(size, "width", name + ": size"), height = xml_number(size, "height", name + ": size");
  AZ_CHECK(
      width >= 1 && height >= 1 && width <= 1e6 && height <= 1e6 && width * height <= static_cast<double>(kMaxPixels),
      "{}: size is {} x {}", name, width, height);
  return {static_cast<int>(width), static_cast<int>(height)};
}

// The masks of a label map by label; 0 is background and 255 the outlines that VOC leaves undecided.
std::vector<cpu::Rle> masks_of(const LabelMap& map) {
  std::array<bool, 256> present{};
  for (const uint8_t label : map.labels) present[label] = true;
  std::vector<cpu::Rle> masks;
  cpu::Mask mask{map.height, map.width, std::vector<uint8_t>(map.labels.size())};
  for (size_t label = 1; label < 255; ++label) {
    if (!present[label]) continue;
    std::ranges::transform(map.labels, mask.pixels.begin(),
                           [&](uint8_t l) { return static_cast<uint8_t>(l == label); });
    masks.push_back(cpu::rle_encode(mask));
  }
  return masks;
}

// Gives each mask to the free object whose box it fits best.
void assign_masks(const std::filesystem::path& file, const ImageSize& size, std::vector<Object>& objects,
                  ConvertNotes& notes) {
  const LabelMap map = read_label_map(file);
  AZ_CHECK(map.width == size.width && map.height == size.height, "{}: is {} x {}, the annotation says {} x {}",
           file.string(), map.width, map.height, size.width, size.height);
  for (const cpu::Rle& mask : masks_of(map)) {
    const cpu::Box box = cpu::rle_box(mask);
    Object* best = nullptr;
    double best_iou = 0;
    for (Object& object : objects) {
      const double iou = object.has_mask ? 0 : cpu::box_iou(box, object.box, false);
      if (iou > best_iou) best = &object, best_iou = iou;
    }
    if (best) {
      best->mask = mask;
      best->has_mask = true;
    } else {
      notes.push_back(
          fmt::format("{}: the mask at ({}, {}) fits no object's box and is left out", file.string(), box[0], box[1]));
    }
  }
}

class VocConverter {
 public:
  VocConverter(const std::filesystem::path& folder, ConvertNotes& notes) : folder_(folder), notes_(notes) {}

  void add(const std::filesystem::path& file) {
    const std::string name = file.string();
    pugi::xml_document document;
    read_voc_xml(file, document);
    const pugi::xml_node root = document.child("annotation");
    std::string picture = root.child_value("filename");
    if (picture.empty()) picture = file.stem().string() + ".jpg";
    const ImageSize size = read_size(root, voc_pictures(folder_) / picture, name);
    std::vector<Object> objects;
    for (const pugi::xml_node& node : root.children("object")) {
      const std::string where = fmt::format("{}: object {}", name, objects.size() + 1);
      Object object{node.child_value("name"), where, read_box(node, size, where), false, {}, false};
      AZ_CHECK(!object.name.empty(), "{}: has no name", where);
      object.difficult = node.child("difficult").text().as_int() != 0;
      objects.push_back(std::move(object));
    }
    const std::filesystem::path labels = folder_ / "SegmentationObject" / (file.stem().string() + ".png");
    if (std::filesystem::is_regular_file(labels)) assign_masks(labels, size, objects, notes_);
    builder_.add_image(size.width, size.height, picture);
    for (const Object& object : objects) add(object);
  }

  CocoDataset finish(const ConvertOptions& options) { return builder_.finish(options); }

 private:
  void add(const Object& object) {
    CocoAnnotation annotation;
    annotation.bbox = object.box;
    annotation.ignore = object.difficult;
    annotation.area = object.has_mask ? cpu::rle_area(object.mask) : object.box[2] * object.box[3];
    if (annotation.area == 0) {
      notes_.push_back(fmt::format("{}: lies outside the picture and is left out", object.where));
      return;
    }
    if (object.has_mask) annotation.segmentation = builder_.segmentations().add(object.mask);
    builder_.add(annotation, object.name, object.where);
  }

  std::filesystem::path folder_;
  ConvertNotes& notes_;
  CocoBuilder builder_;
};

std::vector<std::filesystem::path> listed(const std::filesystem::path& list, const std::filesystem::path& annotations) {
  std::istringstream lines(read_file(list));
  std::vector<std::filesystem::path> files;
  for (std::string line; std::getline(lines, line);) {
    std::string name;
    if (std::istringstream(line) >> name) files.push_back(annotations / (name + ".xml"));
  }
  return files;
}

}  // namespace

std::filesystem::path voc_pictures(const std::filesystem::path& folder) { return subfolder(folder, "JPEGImages"); }

CocoDataset convert_voc(const std::filesystem::path& folder, const VocOptions& options, ConvertNotes& notes) {
  const std::filesystem::path annotations = subfolder(folder, "Annotations");
  const auto files = options.list.empty() ? files_below(annotations, ".xml") : listed(options.list, annotations);
  AZ_CHECK(!files.empty(), "{}: holds no VOC annotation (*.xml)",
           options.list.empty() ? annotations.string() : options.list.string());
  VocConverter converter(folder, notes);
  for (const std::filesystem::path& file : files) converter.add(file);
  return converter.finish(options);
}

}  // namespace az::data
