// The objects of a picture as `azimuth predict` writes them: NAME.json beside each overlay.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/rle.h"

namespace az::data {

struct FoundObject {
  std::string name;  ///< of the class
  double score = 0;
  cpu::Rle mask;  ///< of the whole picture; not empty
};

struct FoundObjects {
  int64_t width = 0, height = 0;  ///< of the picture, pixels
  std::vector<FoundObject> objects;
};

/// Reads {"width", "height", "instances": [{"class", "score", "segmentation"}]}; other fields are passed over, and so
/// are objects without a pixel. Errors: `FILE: what is wrong, at byte N` or `FILE: instances[2].score: what is wrong`,
/// also for a mask of another size than the picture's.
FoundObjects read_found_objects(const std::filesystem::path& file);
/// The same from memory; `name` stands for the file in errors.
FoundObjects decode_found_objects(std::string_view text, const std::string& name);

}  // namespace az::data
