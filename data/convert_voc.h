// Pascal VOC's annotations as COCO.
#pragma once

#include "data/convert.h"

namespace az::data {

struct VocOptions : ConvertOptions {
  /// A file of VOC's ImageSets/Main: the first word of a line is a picture's name. Empty: every annotation.
  std::filesystem::path list;
};

/// Converts Annotations/*.xml of a VOC folder (or *.xml of a plain one), in the order of their names; `file_name`s are
/// relative to JPEGImages (or the folder). VOC counts pixels from 1 and includes both ends: x = xmin - 1, width = xmax
/// - xmin + 1. Where SegmentationObject holds a label map of the picture, each label (not 0, not 255) gives its mask to
/// the object whose box it fits best; area is then that of the mask, otherwise of the box. `difficult` becomes
/// `ignore`. A missing size is read from the picture's header. Error: `FILE: object 2: what is wrong`.
CocoDataset convert_voc(const std::filesystem::path& folder, const VocOptions& options, ConvertNotes& notes);

/// Where the pictures of a VOC folder lie.
std::filesystem::path voc_pictures(const std::filesystem::path& folder);

}  // namespace az::data
