// A generated set in YouTube-VOS's format, to train trackers on without a download.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

namespace az::data {

struct SynthYoutubeVosOptions {
  std::filesystem::path out;
  uint64_t seed = 1;
  int train = 60;
  int valid = 0;
  int frames = 30;  ///< of a video; they are numbered 0, 5, 10, ..., as those of the real set that have annotations
  int width = 320;
  int height = 240;
  int workers = 0;     ///< threads; 0: one a processor. The files do not depend on it.
  bool force = false;  ///< write into a folder that is not empty
  std::function<void(int64_t done, int64_t total)> progress{};  ///< videos, from one thread at a time
};

struct SynthYoutubeVosSummary {
  int64_t train = 0, valid = 0;  ///< videos
  int64_t frames = 0;            ///< of both parts
  int64_t objects = 0;           ///< that are annotated anywhere, of both parts
  double seconds = 0;
};

/// Writes OUT/train/{JPEGImages,Annotations}/VIDEO/00000.{jpg,png}... and OUT/train/meta.json; OUT/valid likewise, but
/// its annotations only where an object first appears, as in the real set, and all of them in
/// OUT/valid_truth/Annotations. An object of fewer than 50 visible pixels is not annotated in that frame. A video
/// depends on the seed, its number, and the size and number of frames. Error: a folder that is not empty without
/// `force`, or a file that cannot be written.
SynthYoutubeVosSummary write_synth_youtube_vos(const SynthYoutubeVosOptions& options);

}  // namespace az::data
