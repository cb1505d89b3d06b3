// Writing the crops of whole data sets: what the sources share.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cpu/rle.h"
#include "data/crop511.h"
#include "data/siam_list.h"

namespace az::data {

struct Crop511Options {
  std::filesystem::path root;  ///< of the data set
  std::filesystem::path out;   ///< crops go to OUT/crop511, lists beside it
  int workers = 0;             ///< threads; 0: one a processor. The files do not depend on it.
  std::function<void(int64_t done, int64_t total)> progress{};  ///< pictures or videos, from one thread at a time
};

struct Crop511Summary {
  int64_t made = 0;     ///< crops written
  int64_t kept = 0;     ///< crops that were there and whole
  int64_t skipped = 0;  ///< annotations that have no crop: without an extent, or below a limit
  std::vector<std::pair<std::filesystem::path, int64_t>> lists;  ///< files written, and their videos
};

/// One object of a picture.
struct CropTarget {
  std::string track;
  CornerBox box;
};

/// Writes the crops that are not there yet. Any thread may call it.
class CropWriter {
 public:
  struct Options {
    BoxExtent extent = BoxExtent::exclusive;
    bool masks = false;
    double mask_threshold = 0.5;
  };
  CropWriter(std::filesystem::path folder, const Options& options) : folder_(std::move(folder)), options_(options) {}

  /// The crops of one picture; `mask_of(i)` gives the mask of targets[i]. The picture is read only if a crop is missing
  /// or damaged. Error: `FILE: what is wrong` of the picture, or a mask of another size.
  void write(const std::filesystem::path& picture, const std::string& video, int64_t frame,
             std::span<const CropTarget> targets, const std::function<cpu::Mask(size_t)>& mask_of = {});
  int64_t made() const { return made_; }
  int64_t kept() const { return kept_; }

 private:
  bool is_there(const std::filesystem::path& crop) const;

  std::filesystem::path folder_;
  Options options_;
  std::atomic<int64_t> made_{0}, kept_{0};
};

/// What one picture or video adds to a list.
struct CropFragment {
  std::string video;
  std::vector<std::pair<std::string, std::vector<SiamFrame>>> tracks;
  int64_t skipped = 0;
};

/// Writes OUT/NAME of the fragments, in their order, without those that have no track.
void write_crop_list(const std::filesystem::path& out, const std::string& name, std::span<const CropFragment> fragments,
                     Crop511Summary& summary);

}  // namespace az::data
