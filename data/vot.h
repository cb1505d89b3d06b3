// Sequences of the VOT challenge: folders as distributed and the JSON that evaluators share (specs/vot.md 1), and the
// result files of the reset-based protocol (4).
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/region.h"
#include "cpu/rle.h"

namespace az::data {

/// What a frame may be marked with.
inline constexpr std::array<const char*, 5> kVotAttributes = {"camera_motion", "illum_change", "motion_change",
                                                              "size_change", "occlusion"};

/// So often a tracker with randomness is run.
inline constexpr size_t kVotRepetitions = 15;

struct VotSequence {
  std::string name;
  std::vector<std::string> images;  ///< relative to the set's root; empty where the frames are not there
  std::vector<cpu::Region> truth;   ///< one a frame
  int width = 0, height = 0;        ///< of the frames, pixels; 0 where neither file nor frame says
  /// A mark of 0 or 1 for every frame, by attribute; an attribute without a file has an empty list.
  std::map<std::string, std::vector<uint8_t>> attributes;
};

struct VotSet {
  std::filesystem::path root;
  std::vector<VotSequence> sequences;  ///< by name
};

/// Reads a folder with list.txt, the folder of a single sequence, or a JSON file (its frames are then relative to its
/// folder).
/// A folder's frames are SEQ/00000001.jpg… or SEQ/color/00000001.jpg…; the picture size is that of the first frame.
/// Errors: `FILE: what is wrong, in line N`, a sequence that the list names and the folder lacks, a sequence whose
/// frames and annotations differ in number.
VotSet read_vot(const std::filesystem::path& path);
/// The JSON's text; `name` stands in errors, frames are not looked for. Errors as above.
VotSet decode_vot_json(std::string_view text, const std::string& name);
/// Writes the JSON that read_vot reads, with every sequence's picture size.
void write_vot_json(const VotSet& set, const std::filesystem::path& file);

/// Regions, one a line, numbers separated by commas, tabs or spaces. Errors: `FILE: line N: what is wrong`.
std::vector<cpu::Region> read_regions(const std::filesystem::path& file);
std::vector<cpu::Region> parse_regions(std::string_view text, const std::string& name);
/// Boxes x, y, w, h in pixels, one a line, as OTB writes them. Errors: `FILE: line N: what is wrong`.
std::vector<cpu::Box> read_boxes(const std::filesystem::path& file);
/// The lines of a result file: a code, or the numbers with four decimals, separated by commas.
std::string regions_text(const std::vector<cpu::Region>& regions);

/// A tracker's runs: for every sequence of a set one list of regions a repetition.
struct VotResults {
  std::string tracker;
  std::vector<std::vector<std::vector<cpu::Region>>> runs;  ///< [sequence][repetition][frame]
};

/// Reads FOLDER/baseline/SEQ/*0*.txt, or FOLDER/SEQ/*0*.txt: fifteen files are repetitions; of any other number the one
/// with the smallest name counts, as in the reference. The tracker's name is FOLDER's.
/// Errors: a sequence without a file, a broken line.
VotResults read_vot_results(const std::filesystem::path& folder, const VotSet& set);

}  // namespace az::data
