// PNG pictures whose pixels are labels, not colours.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tensor/file.h"

namespace az::data {

/// Labels of a picture, rows from the top.
struct LabelMap {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> labels;  // [height, width]

  bool operator==(const LabelMap&) const = default;
};

/// Reads a PNG of 1 to 8 bits a pixel: the palette's index, or the grey value, as stored. Error: `FILE: what is wrong`
/// (also a PNG in colours, or of 16 bits).
LabelMap read_label_map(const std::filesystem::path& file);
/// The same from memory; `name` stands in errors.
LabelMap decode_label_map(const uint8_t* bytes, size_t count, const std::string& name);
/// Writes a palette PNG with the colours that VOC, DAVIS and YouTube-VOS share (0 black, 1 dark red, ...), atomically.
/// Error: `FILE: what is wrong`.
void write_label_map(const std::filesystem::path& file, const LabelMap& map, Flush flush = Flush::now);

}  // namespace az::data
