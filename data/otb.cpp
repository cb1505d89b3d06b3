#include "data/otb.h"

#include <algorithm>

#include "data/frames.h"
#include "data/vot.h"
#include "tensor/error.h"

namespace az::data {

namespace fs = std::filesystem;

std::vector<OtbSequence> read_otb(const fs::path& set) {
  AZ_CHECK(fs::is_directory(set), "{}: is no folder of OTB sequences", set.string());
  std::vector<fs::path> folders;
  if (fs::is_regular_file(set / "groundtruth_rect.txt")) folders.push_back(set);
  for (const auto& entry : fs::directory_iterator(set))
    if (fs::is_regular_file(entry.path() / "groundtruth_rect.txt")) folders.push_back(entry.path());
  AZ_CHECK(!folders.empty(), "{}: neither it nor a folder in it has a groundtruth_rect.txt", set.string());
  std::ranges::sort(folders);
  std::vector<OtbSequence> sequences;
  for (const fs::path& folder : folders)
    sequences.push_back(
        {fs::weakly_canonical(folder).filename().string(), folder, read_boxes(folder / "groundtruth_rect.txt")});
  return sequences;
}

std::vector<fs::path> otb_frames(const OtbSequence& s) {
  std::vector<fs::path> frames = pictures_in(s.folder / "img");
  AZ_CHECK(frames.size() == s.truth.size(), "{}: {} frames in img, {} lines in groundtruth_rect.txt", s.folder.string(),
           frames.size(), s.truth.size());
  return frames;
}

}  // namespace az::data
