#include "data/convert_labelme.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "data/image.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::data {
namespace {

using nlohmann::json;
using Polygon = std::vector<double>;

struct Object {
  std::string label, where;
  json group;  // null: no group
  std::vector<Polygon> parts;
};

// One labelme file being read.
class LabelmeFile {
 public:
  LabelmeFile(const json& root, std::string name, ConvertNotes& notes)
      : root_(root), name_(std::move(name)), notes_(notes) {}

  // The objects in the order of their first shapes.
  std::vector<Object> objects() const {
    std::vector<Object> found;
    const auto shapes = root_.find("shapes");
    AZ_CHECK(shapes != root_.end() && shapes->is_array(), "{}: has no list \"shapes\" (not a labelme file?)", name_);
    for (size_t i = 0; i < shapes->size(); ++i) {
      const json& shape = (*shapes)[i];
      const std::string where = fmt::format("{}: shapes[{}]", name_, i);
      AZ_CHECK(shape.is_object(), "{}: should be an object", where);
      AZ_CHECK(shape.contains("label") && shape["label"].is_string(), "{}.label: is missing", where);
      const std::string label = shape["label"];
      Polygon polygon = outline(shape, where);
      if (polygon.empty()) continue;
      const json group = shape.value("group_id", json());
      const auto same = std::ranges::find_if(
          found, [&](const Object& o) { return !group.is_null() && o.group == group && o.label == label; });
      if (same != found.end())
        same->parts.push_back(std::move(polygon));
      else
        found.push_back({label, where, group, {std::move(polygon)}});
    }
    return found;
  }

  // Width or height as written; 0 where it is not.
  int extent(const char* key) const {
    const json value = root_.value(key, json());
    if (value.is_null()) return 0;
    AZ_CHECK(value.is_number_integer() && value >= 1 && value <= 1'000'000,
             "{}: {}: should be an integer from 1 to 1000000", name_, key);
    return value;
  }

  std::string image_path() const {
    const json value = root_.value("imagePath", json());
    AZ_CHECK(value.is_string() && !value.get_ref<const std::string&>().empty(), "{}: imagePath: is missing", name_);
    std::string path = value;
    std::ranges::replace(path, '\\', '/');  // written on Windows
    return path;
  }

 private:
  // The shape as a polygon; empty for what has no area.
  Polygon outline(const json& shape, const std::string& where) const {
    const json type_value = shape.value("shape_type", json());
    const std::string type = type_value.is_string() ? type_value.get<std::string>() : "polygon";  // old files have none
    if (type == "point" || type == "points" || type == "line" || type == "linestrip") {
      notes_.push_back(fmt::format("{}: a {} has no area and is left out", where, type));
      return {};
    }
    const Polygon points = read_points(shape.value("points", json()), where);
    if (type == "polygon") {
      AZ_CHECK(points.size() >= 6, "{}.points: a polygon wants three points or more, this has {}", where,
               points.size() / 2);
      return points;
    }
    if (type == "rectangle") return rectangle(points, where);
    if (type == "circle") return circle(points, where);
    fail("{}.shape_type: is '{}', want polygon, rectangle or circle", where, type);
  }

  static Polygon read_points(const json& list, const std::string& where) {
    AZ_CHECK(list.is_array(), "{}.points: should be a list", where);
    Polygon points;
    for (const json& point : list) {
      AZ_CHECK(point.is_array() && point.size() == 2 && point[0].is_number() && point[1].is_number(),
               "{}.points: entry {} should be two numbers", where, points.size() / 2);
      for (const json& value : point) {
        points.push_back(value.get<double>());
        AZ_CHECK(std::abs(points.back()) <= cpu::kMaxPolygonCoordinate, "{}.points: has the coordinate {}", where,
                 points.back());
      }
    }
    return points;
  }

  // Two opposite corners, or all four.
  static Polygon rectangle(const Polygon& points, const std::string& where) {
    AZ_CHECK(points.size() == 4 || points.size() == 8, "{}.points: a rectangle wants two points, this has {}", where,
             points.size() / 2);
    if (points.size() == 8) return points;
    const auto [left, right] = std::minmax(points[0], points[2]);
    const auto [top, bottom] = std::minmax(points[1], points[3]);
    return {left, top, right, top, right, bottom, left, bottom};
  }

  // A centre and a point on the rim; as many corners as keep the polygon within a pixel of the circle.
  static Polygon circle(const Polygon& points, const std::string& where) {
    AZ_CHECK(points.size() == 4, "{}.points: a circle wants two points, this has {}", where, points.size() / 2);
    const double radius = std::hypot(points[2] - points[0], points[3] - points[1]);
    const int corners =
        radius <= 1 ? 12 : std::clamp(static_cast<int>(std::numbers::pi / std::acos(1 - 1 / radius)), 12, 100'000);
    Polygon polygon;
    for (int i = 0; i < corners; ++i) {
      const double angle = 2 * std::numbers::pi / corners * i;
      polygon.push_back(points[0] + radius * std::sin(angle));
      polygon.push_back(points[1] + radius * std::cos(angle));
    }
    return polygon;
  }

  const json& root_;
  std::string name_;
  ConvertNotes& notes_;
};

// The box around all parts, cut to the picture.
cpu::Box box_of(const std::vector<Polygon>& parts, const CocoImage& image) {
  double left = image.width, top = image.height, right = 0, bottom = 0;
  for (const Polygon& part : parts) {
    for (size_t i = 0; i + 1 < part.size(); i += 2) {
      left = std::min(left, std::max(part[i], 0.0));
      right = std::max(right, std::min(part[i], double(image.width)));
      top = std::min(top, std::max(part[i + 1], 0.0));
      bottom = std::max(bottom, std::min(part[i + 1], double(image.height)));
    }
  }
  return {left, top, std::max(right - left, 0.0), std::max(bottom - top, 0.0)};
}

ImageSize size_of(const LabelmeFile& labels, const std::filesystem::path& picture, const std::string& name) {
  const ImageSize written = {labels.extent("imageWidth"), labels.extent("imageHeight")};
  const bool known = written.width > 0 && written.height > 0;
  if (!std::filesystem::is_regular_file(picture)) {
    AZ_CHECK(known, "{}: has no imageWidth and imageHeight, and {} is missing", name, picture.string());
    return written;
  }
  const ImageSize actual = image_size(picture);
  AZ_CHECK(!known || actual == written,
           "{}: was labelled at {} x {}, but {} is {} x {} (if the camera turned it, store the picture turned)", name,
           written.width, written.height, picture.string(), actual.width, actual.height);
  return actual;
}

}  // namespace

void add_labelme(std::string_view text, const std::filesystem::path& file, const std::filesystem::path& root,
                 CocoBuilder& builder, ConvertNotes& notes) {
  const std::string name = file.string();
  json parsed;
  try {
    parsed = json::parse(text);
  } catch (const json::exception& error) {
    fail("{}: {}", name, error.what());
  }
  AZ_CHECK(parsed.is_object(), "{}: should be an object (not a labelme file?)", name);
  const LabelmeFile labels(parsed, name, notes);
  const std::vector<Object> objects = labels.objects();
  const std::filesystem::path picture = (file.parent_path() / labels.image_path()).lexically_normal();
  const ImageSize size = size_of(labels, picture, name);
  AZ_CHECK(int64_t{size.width} * size.height <= kMaxPixels, "{}: a picture of {} x {} is too large", name, size.width,
           size.height);
  builder.add_image(size.width, size.height, picture.lexically_proximate(root).generic_string());
  for (const Object& object : objects) {
    const cpu::Rle mask =
        cpu::rle_from_polygons(object.parts, static_cast<uint32_t>(size.height), static_cast<uint32_t>(size.width));
    CocoAnnotation annotation;
    annotation.area = cpu::rle_area(mask);
    if (annotation.area == 0) {
      notes.push_back(fmt::format("{}: covers no pixel of the picture and is left out", object.where));
      continue;
    }
    annotation.bbox = box_of(object.parts, builder.image());
    annotation.segmentation = builder.segmentations().add(object.parts);
    builder.add(annotation, object.label, object.where);
  }
}

CocoDataset convert_labelme(const std::filesystem::path& folder, const ConvertOptions& options, ConvertNotes& notes) {
  CocoBuilder builder;
  size_t count = 0;
  std::error_code ignored;
  for (const std::filesystem::path& file : files_below(folder, ".json")) {
    if (!options.exclude.empty() && std::filesystem::equivalent(file, options.exclude, ignored)) continue;
    add_labelme(read_file(file), file, folder, builder, notes);
    ++count;
  }
  AZ_CHECK(count > 0, "{}: holds no labelme file (*.json)", folder.string());
  return builder.finish(options);
}

}  // namespace az::data
