// Outlines and run lengths of many objects, kept compactly.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "cpu/rle.h"

namespace az::data {

/// A view of one object's segmentation in a SegmentationStore, or none.
class Segmentation {
 public:
  enum class Kind : uint8_t { none, polygons, runs };

  Kind kind() const { return static_cast<Kind>(kind_); }
  bool empty() const { return kind() == Kind::none; }
  /// The parts [x0, y0, x1, y1, ...], the very doubles that were stored; none for runs.
  std::vector<std::vector<double>> polygons() const;
  /// As a mask of a picture of this size; polygons are rasterised and united. Error: runs of another size, or none.
  cpu::Rle rle(uint32_t height, uint32_t width) const;
  /// The stored runs. Error: it has none.
  cpu::Rle runs() const;
  /// Height and width of the picture that stored runs are of. Error: it has none.
  std::pair<uint32_t, uint32_t> runs_size() const;

 private:
  friend class SegmentationStore;
  // Runs: count, height, width, runs. Polygons: parts, the number of coordinates of each, then the coordinates, as
  // hundredths where all are (COCO's own files), otherwise as doubles in two words.
  const uint32_t* words_ = nullptr;
  uint8_t kind_ = 0;
  bool hundredths_ = false;
};

/// Holds segmentations, 4 bytes a coordinate of at most two decimals or a run. Copies share what they hold; views stay
/// valid while any copy lives. Not for adding from several threads.
class SegmentationStore {
 public:
  SegmentationStore();

  Segmentation add(std::span<const std::vector<double>> parts);
  Segmentation add(const cpu::Rle& rle);
  /// The memory taken, in bytes.
  size_t bytes() const;

 private:
  struct Chunks;
  uint32_t* allocate(size_t words);
  std::shared_ptr<Chunks> chunks_;
};

}  // namespace az::data
