// The frames of a sequence one after another, the next one read while the last is worked on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/image.h"

namespace az::data {

class Frames {
 public:
  explicit Frames(std::vector<std::filesystem::path> pictures);
  /// A video file, or a folder of pictures in the order of their names; of a folder without pictures its `color` or
  /// `img`, as VOT and OTB have them. Error: neither, or no picture in it.
  static Frames open(const std::filesystem::path& path);
  ~Frames();
  Frames(Frames&&) noexcept;

  /// The next frame; false behind the last. Errors: of the picture or the video; frames before it have been returned.
  bool next(Image& frame);
  /// Frames in all; -1 for a video.
  int64_t count() const;
  /// Of a frame: the picture's name without its ending, or its number of five digits from 00000 on.
  std::string name(int64_t frame) const;
  double frames_per_second() const;  ///< of a video; 25 for pictures

 private:
  struct State;
  explicit Frames(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The pictures of a folder by name. Error: no folder.
std::vector<std::filesystem::path> pictures_in(const std::filesystem::path& folder);

}  // namespace az::data
