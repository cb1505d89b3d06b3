// COCO's annotation and result files (https://cocodataset.org/#format-data), read strictly and written as pycocotools
// loads them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/rle.h"
#include "data/segmentation.h"

namespace az::data {

struct CocoImage {
  int64_t id = 0;
  int width = 0;
  int height = 0;
  std::string file_name;  // empty where the file has none
};

struct CocoCategory {
  int64_t id = 0;
  std::string name;
  std::string supercategory;
};

struct CocoAnnotation {
  int64_t id = 0;
  int64_t image_id = 0;
  int64_t category_id = 0;
  cpu::Box bbox = {};  // x, y, width, height in pixels
  double area = 0;     // the file's own number
  bool crowd = false;
  bool ignore = false;  // a field of some files; evaluation takes no notice of it, as the reference
  Segmentation segmentation;
};

/// Images, categories and annotations in file order.
class CocoDataset {
 public:
  std::vector<CocoImage> images;
  std::vector<CocoCategory> categories;
  std::vector<CocoAnnotation> annotations;
  SegmentationStore segmentations;

  /// Builds what the look-ups below need; call it again after a change. Error: an id of a kind used twice, or an
  /// annotation of an unknown image or category (`annotations[3]: image_id 7 is not among the images`).
  void build_index();
  std::optional<size_t> find_image(int64_t id) const { return find(image_ids_, id); }
  std::optional<size_t> find_category(int64_t id) const { return find(category_ids_, id); }
  /// Positions in `annotations` of an image's (given by position), in file order.
  std::span<const uint32_t> annotations_of(size_t image) const;
  /// The annotation's mask, of its image's size. Error: it has no segmentation.
  cpu::Rle mask_of(const CocoAnnotation& annotation) const;

 private:
  struct Id {
    int64_t id;
    size_t position;
  };
  static std::vector<Id> sorted_ids(const std::string& list, const std::vector<int64_t>& ids);
  static std::optional<size_t> find(const std::vector<Id>& ids, int64_t id);

  std::vector<Id> image_ids_, category_ids_;  // by id
  std::vector<uint32_t> of_image_;            // positions of annotations, grouped by image
  std::vector<size_t> first_of_image_;        // [images + 1]
};

/// Reads an annotation file, one annotation at a time: memory is that of what is kept. `info`, `licenses` and other
/// keys are skipped; a missing iscrowd is 0; a missing area or bbox is computed from the segmentation (or the box).
/// Error: `FILE: annotations[3].bbox: what is wrong`.
CocoDataset read_coco(const std::filesystem::path& file);
/// The same from memory; `name` stands for the file in errors.
CocoDataset decode_coco(std::string_view text, const std::string& name);
/// Writes all of it: polygons as polygons, runs compressed. The same set gives the same bytes.
void write_coco(const std::filesystem::path& file, const CocoDataset& dataset);

struct CocoDetection {
  int64_t image_id = 0;
  int64_t category_id = 0;
  double score = 0;
  cpu::Box bbox = {};
  Segmentation segmentation;  // of the image's size
};

/// Detections in file order: order decides between equal scores.
struct CocoResults {
  std::vector<CocoDetection> detections;
  SegmentationStore segmentations;
  /// A detection's area, for small, medium and large: of its box, or else of its mask. Reading a file, its first entry
  /// decides for all: the box if it has one (also when masks are evaluated, as pycocotools has it).
  bool area_from_boxes = true;
};

/// Reads a result file for the images of a set. Boxes with no mask stand as polygons when masks are evaluated; a
/// missing box is computed from the mask. An empty list is no error. `threads` parse (0: all of OpenMP's); the result
/// and the error are the same for any number. Error: `FILE: [3].score: what is wrong`.
CocoResults read_coco_results(const std::filesystem::path& file, const CocoDataset& dataset, int threads = 0);
/// The same from memory; `name` stands for the file in errors.
CocoResults decode_coco_results(std::string_view text, const std::string& name, const CocoDataset& dataset,
                                int threads = 0);

enum class CocoFields { boxes, masks, boxes_and_masks };
/// Writes a list that pycocotools loads; masks as compressed runs. For mask AP leave the boxes out (`area_from_boxes`).
void write_coco_results(const std::filesystem::path& file, const CocoResults& results, CocoFields fields);

}  // namespace az::data
