// PolarMask's training data: from a COCO data set to batches of pictures and ray targets.
//
// Follows the reference's pipeline (specification section 8) but for its mistakes: masks stay with their boxes where
// crowds stand between them (Q7), objects that vanish in the resize are dropped (Q9), targets are computed on the size
// that the batch is padded to (Q22), and classes come from the annotation file (Q34).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cpu/image.h"
#include "cpu/ray_labels.h"
#include "data/coco.h"
#include "data/transforms.h"
#include "tensor/tensor.h"

namespace az::data {

/// How pictures become a network's input, in training and in inference.
struct PolarInputOptions {
  ScaleRule scale{{{1280, 768}}};
  int divisor = 32;  ///< both sides are padded to a multiple; the network needs the stride of its deepest merged level
  /// Caffe backbones: B, G, R without scaling. `flip` is not looked at.
  cpu::Normalise normalise{{102.9801F, 115.9465F, 122.7717F}, {1, 1, 1}, true, false};
};

/// Which annotations are learnt; sizes at the picture's own scale.
struct ObjectFilter {
  double min_area = 15;     ///< the annotation's area must be above this
  double min_side = 10;     ///< dropped if both sides of the box are below this
  int64_t min_pixels = 15;  ///< of the mask
  int min_picture_side = 32;
};

/// Zoom as augmentation, and which objects it leaves.
struct ZoomOptions {
  ZoomRule rule;
  double min_share = 0.3;                         ///< of the object's pixels that must stay in the window
  int64_t min_pixels = 40;                        ///< that must stay
  std::array<uint8_t, 4> fill{115, 115, 115, 0};  ///< around the picture, R, G, B
};

struct PolarDataOptions {
  PolarInputOptions input;
  ObjectFilter filter;
  double flip = 0.5;
  std::optional<ZoomOptions> zoom;
  bool jpeg_scale = false;    ///< decode a JPEG at 1/2, 1/4 or 1/8 where the input is that much smaller: other pixels
  bool ignore_crowd = false;  ///< background locations on a crowd get label -1 instead of 0
  bool keep_empty = false;  ///< a picture without objects is background; else another one of its orientation stands in
  cpu::LabelOptions labels;
  uint64_t seed = 0;
};

/// Where an input came from.
struct PictureInfo {
  int64_t id = 0;  ///< the image's id in the data set
  std::string file;
  ImageSize original;
  Placement placement;
};

/// What became of the annotations.
struct ObjectCounts {
  int64_t learnt = 0;
  int64_t vanished = 0;     ///< no pixel left after the resize
  int64_t cut = 0;          ///< too little left in the zoom's window
  int64_t multi_part = 0;   ///< learnt, of several parts, of which only the largest has a contour
  int64_t pixels = 0;       ///< of the multi-part objects
  int64_t lost_pixels = 0;  ///< of these, in the other parts

  ObjectCounts& operator+=(const ObjectCounts& other);
  /// Share of the multi-part objects' pixels that the targets do not know.
  double lost_share() const { return pixels > 0 ? static_cast<double>(lost_pixels) / static_cast<double>(pixels) : 0; }
};

/// Where the time of making samples and batches went, in milliseconds.
struct LoadTimes {
  double decode = 0;   ///< reading and decoding the file
  double masks = 0;    ///< segmentations to masks of the window, contours and centres
  double image = 0;    ///< resize, cut, mirror, normalise and pad: one pass
  double targets = 0;  ///< locations and rays
  double collate = 0;  ///< the batch's tensors, and targets into them

  LoadTimes& operator+=(const LoadTimes& other);
  double total() const { return decode + masks + image + targets + collate; }
};

/// One picture as decoded, and where it goes; objects as in the mirrored window.
struct PolarSample {
  Image picture;
  int picture_divisor = 1;  ///< `picture` is this fraction of its original
  PictureInfo info;
  std::vector<cpu::LabelObject> objects;
  std::vector<ObjectMask> masks;  ///< of the objects
  std::vector<ObjectMask> crowds;
  ObjectCounts counts;
  LoadTimes times;
};

/// Where ray targets are computed: in the loader, or on a CUDA device from the objects (cuda/ray_label_batch.h).
enum class TargetsOn : uint8_t { host, device };

/// L is the number of locations of the padded size, R the number of rays. With TargetsOn::device, `objects` and
/// `ignored` stand in for the four tensors of targets.
struct PolarBatch {
  Tensor image;       ///< [n, h, w, 3] f32
  Tensor label;       ///< [n, L] i32: 0 background, 1.. classes, -1 not to be learnt
  Tensor box;         ///< [n, L, 4] f32: left, top, right, bottom distances; 0 in the background
  Tensor rays;        ///< [n, L, R] f32, likewise
  Tensor centerness;  ///< [n, L] f32, likewise
  std::vector<std::vector<cpu::LabelObject>> objects;  ///< a list a picture
  std::vector<uint8_t> ignored;                        ///< [n, L] 1: not to be learnt if background; or empty
  std::vector<PictureInfo> pictures;
  ObjectCounts counts;
  LoadTimes times;  ///< of its samples and its own
};

/// Every function may be called from several threads at once.
class PolarData {
 public:
  /// Keeps the pictures that have an annotation and no side below 32 pixels, in file order.
  /// Error: no such picture, or an annotation that would be learnt but has no mask.
  PolarData(CocoDataset dataset, std::filesystem::path folder, const PolarDataOptions& options);

  const PolarDataOptions& options() const { return options_; }
  int64_t size() const { return static_cast<int64_t>(pictures_.size()); }
  /// Class names in file order; class c of the network is label c + 1.
  std::vector<std::string> classes() const;
  /// Wider than high, for AspectSampler.
  const std::vector<bool>& landscape() const { return landscape_; }

  /// Picture `index` as this epoch shows it: a function of (seed, epoch, index).
  /// Error: `FILE: what is wrong`.
  PolarSample sample(int64_t index, int64_t epoch) const;
  /// The pictures with their targets, padded to a common size. Tensors on `host`, a device whose memory is the host's.
  PolarBatch batch(std::span<const int64_t> indices, int64_t epoch, Device& host,
                   TargetsOn targets = TargetsOn::host) const;

 private:
  struct Picture {
    size_t image = 0;                       // position in the data set
    std::vector<uint32_t> objects, crowds;  // positions of annotations
  };
  std::optional<PolarSample> prepare(const Picture& picture, const ImageSize& scale, Rng& rng) const;
  void place_objects(const Picture& picture, PolarSample& sample) const;
  void place_crowds(const Picture& picture, PolarSample& sample) const;
  std::filesystem::path file_of(const CocoImage& image) const;

  CocoDataset dataset_;
  std::filesystem::path folder_;
  PolarDataOptions options_;
  std::vector<Picture> pictures_;
  std::vector<bool> landscape_;
  std::vector<int64_t> groups_[2];  // indices of portraits and of landscapes
};

/// Pads the samples to a common size and computes their targets on it, or leaves that to the device.
PolarBatch polar_batch(std::span<const PolarSample> samples, const PolarDataOptions& options, Device& host,
                       TargetsOn targets = TargetsOn::host);

/// A picture as input of inference: [1, h, w, 3] f32, resized to the rule's first scale, normalised and padded.
Tensor polar_input(const Image& picture, const PolarInputOptions& options, Device& host, PictureInfo& info);

}  // namespace az::data
