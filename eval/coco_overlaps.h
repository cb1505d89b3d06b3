// How much the detections of one picture and category overlap its objects.
#pragma once

#include <span>
#include <vector>

#include "cpu/rle.h"
#include "data/coco.h"
#include "eval/coco_match.h"

namespace az::eval {

/// The masks of one picture and category, taken apart when they are first compared. One a thread: it keeps its memory
/// from group to group.
class GroupMasks {
 public:
  /// Forgets the masks of the group before.
  void clear();
  /// A mask as stored, polygons rasterised; `segmentation` must outlive the group. Returns its area. Error: runs of
  /// another size.
  uint32_t add(const data::Segmentation& segmentation, const data::CocoImage& image);
  /// The box as a mask.
  uint32_t add(const cpu::Box& box, const data::CocoImage& image);

  size_t size() const { return masks_.size(); }
  /// mask_iou where that may reach `threshold`; else some number below it.
  double iou(size_t detection, size_t object, bool crowd, double threshold);

 private:
  struct Mask {
    data::Segmentation runs;  // edges are still to be had from these
    cpu::RunView view;        // without edges
    bool ready = false;
    size_t begin = 0, end = 0;  // in edges_
  };
  uint32_t add(const cpu::Rle& rle);
  cpu::RunView view(const Mask& mask) const;
  void prepare(Mask& mask);

  std::vector<Mask> masks_;
  std::vector<uint32_t> edges_;
};

/// For each detection the objects that it overlaps enough to match at any threshold.
struct Overlaps {
  std::vector<Overlap> all;     // of a detection: in the order of the objects
  std::vector<uint32_t> first;  // [detections + 1]

  std::span<const Overlap> of(size_t detection) const {
    return std::span(all).subspan(first[detection], first[detection + 1] - first[detection]);
  }
  size_t detections() const { return first.size() - 1; }
};

/// Fills `found` with iou(d, o, lowest threshold) for each detection d and object o that reach the lowest threshold.
template <class F>
void find_overlaps(size_t detections, size_t objects, const F& iou, Overlaps& found) {
  static const double kLowest = coco_thresholds().front();
  found.all.clear();
  found.first.assign(1, 0);
  for (size_t d = 0; d < detections; ++d) {
    for (size_t o = 0; o < objects; ++o) {
      const double value = iou(d, o, kLowest);
      if (value >= kLowest) found.all.push_back({static_cast<uint32_t>(o), value});
    }
    found.first.push_back(static_cast<uint32_t>(found.all.size()));
  }
}

}  // namespace az::eval
