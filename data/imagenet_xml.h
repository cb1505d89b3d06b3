// ImageNet's annotations, XML of Pascal VOC's kind: DET's of pictures and VID's of frames (specs/siammask.md section
// 9).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/crop511.h"

namespace az::data {

struct ImagenetObject {
  int64_t track = -1;            ///< VID's id, 0 to 999999; -1 where it was not asked for
  std::optional<CornerBox> box;  ///< as it stands in the file; none where it has no extent
};

/// The objects of an annotation, in the order of the file; `tracks`: with VID's ids.
/// Error: `FILE: what is wrong, at byte N` or `FILE: object 2: what is wrong`.
std::vector<ImagenetObject> read_imagenet_xml(const std::filesystem::path& file, bool tracks);
/// The same from memory; `name` stands for the file in errors.
std::vector<ImagenetObject> decode_imagenet_xml(std::string_view text, const std::string& name, bool tracks);

}  // namespace az::data
