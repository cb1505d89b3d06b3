// Sequences as the OTB benchmark distributes them: NAME/img/0001.jpg…, NAME/groundtruth_rect.txt.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cpu/rle.h"

namespace az::data {

struct OtbSequence {
  std::string name;
  std::filesystem::path folder;
  std::vector<cpu::Box> truth;  ///< x, y, w, h in pixels, one a frame
};

/// Every folder of SET with a groundtruth_rect.txt, or SET itself, by name. Errors: none, a broken line.
std::vector<OtbSequence> read_otb(const std::filesystem::path& set);
/// A sequence's frames. Error: another number than annotations.
std::vector<std::filesystem::path> otb_frames(const OtbSequence& sequence);

}  // namespace az::data
