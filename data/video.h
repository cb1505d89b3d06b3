// Video files by FFmpeg's libraries: the first video stream, frame by frame.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "data/image.h"

namespace az::data {

/// Reads frames in the order in which they are shown. Containers: MP4, MOV, Matroska, WebM, AVI, MPEG-TS, GIF. Files
/// are opened as what they are: nothing that they refer to is read. Rotation marks are not applied.
class VideoReader {
 public:
  /// Error: `FILE: what is wrong`; also where there is no video in it.
  explicit VideoReader(const std::filesystem::path& file);
  /// The same from memory, which must stay; `name` stands in errors.
  VideoReader(const uint8_t* bytes, size_t count, const std::string& name);
  ~VideoReader();

  /// The next frame as RGB; false behind the last.
  /// Error, after every frame that could be read: the file is cut short or damaged, with the number of frames.
  bool next(Image& frame);

  ImageSize size() const;            ///< as the stream's header says it
  double frames_per_second() const;  ///< 25 where the file does not say
  int64_t frames_read() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Writes a video: .mp4, .mov and .mkv in H.264 (MPEG-4 where FFmpeg has no H.264 encoder), .gif.
class VideoWriter {
 public:
  /// Frames are cut to even sides where the format wants them so. The file takes its name in finish().
  /// Errors: another ending, fewer than 2 x 2 pixels, a file that cannot be written.
  VideoWriter(const std::filesystem::path& file, ImageSize size, double frames_per_second);
  /// What was not finished is removed.
  ~VideoWriter();

  /// Error: a frame of another size or not RGB.
  void add(const Image& frame);
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether the name ends like a video's that VideoReader knows.
bool is_video_name(const std::filesystem::path& file);

}  // namespace az::data
