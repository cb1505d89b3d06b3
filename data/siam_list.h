// The lists of training crops: a JSON of video -> track -> frame -> [x1, y1, x2, y2] (specs/siammask.md section 9).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/crop511.h"

namespace az::data {

struct SiamFrame {
  int64_t number = 0;
  CornerBox box;  ///< in the picture that the crop came from
};

/// Videos, their tracks and their frames, flat: COCO has 860,000 tracks of one frame each.
class SiamList {
 public:
  struct Track {
    std::string name;
    uint32_t video = 0;
    uint32_t first_frame = 0;
  };
  struct Video {
    std::string name;
    uint32_t first_track = 0;
  };

  std::span<const Video> videos() const { return videos_; }
  std::span<const Track> tracks() const { return tracks_; }
  size_t frame_count() const { return frames_.size(); }
  /// Positions in tracks() of a video's: begin and end.
  std::pair<size_t, size_t> tracks_of(size_t video) const;
  /// A track's frames, by number.
  std::span<const SiamFrame> frames_of(size_t track) const;

  /// Adds a video; then its tracks, each with frames in any order. Error: a frame twice, or 2^32 of anything.
  void add_video(std::string name);
  void add_track(std::string name, std::vector<SiamFrame> frames);
  /// Drops boxes without width or height, then tracks without frames and videos without tracks, as the reference's
  /// data sets do when they read a list. Returns how many boxes went.
  size_t drop_empty();

 private:
  std::vector<Video> videos_;
  std::vector<Track> tracks_;
  std::vector<SiamFrame> frames_;
};

/// Reads a list, in the order of the file; nothing is dropped. Frames whose name is not a number are passed over, as in
/// the reference. Error: `FILE: VIDEO.TRACK.FRAME: what is wrong`.
SiamList read_siam_list(const std::filesystem::path& file);
/// The same from memory; `name` stands for the file in errors.
SiamList decode_siam_list(std::string_view text, const std::string& name);
/// Frames are written with six digits, numbers with as many as they need.
void write_siam_list(const std::filesystem::path& file, const SiamList& list);

}  // namespace az::data
