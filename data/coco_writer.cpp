#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "data/coco.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::data {
namespace {

// Quoted and escaped. Error: not UTF-8.
std::string quoted(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    fail("write_coco: the name {} is not UTF-8",
         nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  }
}

class Writer {
 public:
  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }

  // Shortest decimals that read back as the same double.
  void numbers(std::span<const double> list) {
    put("[");
    for (size_t i = 0; i < list.size(); ++i) put("{}{}", i ? "," : "", list[i]);
    put("]");
  }

  void segmentation(const Segmentation& segmentation) {
    if (segmentation.kind() == Segmentation::Kind::runs) return runs(segmentation.runs());
    put("[");
    const auto parts = segmentation.polygons();
    for (size_t i = 0; i < parts.size(); ++i) {
      if (i > 0) put(",");
      numbers(parts[i]);
    }
    put("]");
  }

  void runs(const cpu::Rle& rle) {
    put("{{\"size\":[{},{}],\"counts\":{}}}", rle.height, rle.width, quoted(cpu::rle_to_string(rle)));
  }

  // A list with an entry a line.
  template <class List, class F>
  void list(const List& items, const F& f) {
    put("[");
    for (size_t i = 0; i < items.size(); ++i) {
      put("{}\n", i ? "," : "");
      f(items[i]);
    }
    put("\n]");
  }

  void save(const std::filesystem::path& file) { write_file(file, text_); }

 private:
  std::string text_;
};

}  // namespace

void write_coco(const std::filesystem::path& file, const CocoDataset& dataset) {
  Writer writer;
  writer.put("{{\"info\":{{}},\"licenses\":[],\n\"images\":");
  writer.list(dataset.images, [&](const CocoImage& image) {
    writer.put("{{\"id\":{},\"width\":{},\"height\":{},\"file_name\":{}}}", image.id, image.width, image.height,
               quoted(image.file_name));
  });
  writer.put(",\n\"categories\":");
  writer.list(dataset.categories, [&](const CocoCategory& category) {
    writer.put("{{\"id\":{},\"name\":{},\"supercategory\":{}}}", category.id, quoted(category.name),
               quoted(category.supercategory));
  });
  writer.put(",\n\"annotations\":");
  writer.list(dataset.annotations, [&](const CocoAnnotation& a) {
    writer.put("{{\"id\":{},\"image_id\":{},\"category_id\":{},\"iscrowd\":{},", a.id, a.image_id, a.category_id,
               a.crowd ? 1 : 0);
    if (a.ignore) writer.put("\"ignore\":1,");
    writer.put("\"area\":{},\"bbox\":", a.area);
    writer.numbers(a.bbox);
    writer.put(",\"segmentation\":");
    writer.segmentation(a.segmentation);
    writer.put("}}");
  });
  writer.put("}}\n");
  writer.save(file);
}

void write_coco_results(const std::filesystem::path& file, const CocoResults& results, CocoFields fields) {
  Writer writer;
  writer.list(results.detections, [&](const CocoDetection& detection) {
    writer.put("{{\"image_id\":{},\"category_id\":{},\"score\":{}", detection.image_id, detection.category_id,
               detection.score);
    if (fields != CocoFields::masks) {
      writer.put(",\"bbox\":");
      writer.numbers(detection.bbox);
    }
    if (fields != CocoFields::boxes) {
      AZ_CHECK(!detection.segmentation.empty(), "{}: a detection of image {} has no mask", file.string(),
               detection.image_id);
      writer.put(",\"segmentation\":");
      writer.segmentation(detection.segmentation);
    }
    writer.put("}}");
  });
  writer.put("\n");
  writer.save(file);
}

}  // namespace az::data
