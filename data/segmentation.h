// Outlines and run lengths of many objects, kept compactly.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
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
  /// Foreground pixels of stored runs, as rle_area. Error: it has none.
  uint32_t runs_area() const;
  /// The box around stored runs, as rle_box. Error: it has none.
  cpu::Box runs_box() const;
  /// Adds the edges of stored runs, as cpu::append_edges. Error: it has none.
  void append_edges(std::vector<uint32_t>& edges) const;

 private:
  friend class SegmentationStore;
  // Runs: a RunsHeader, then their compressed text. Polygons: parts, the number of coordinates of each, then the
  // coordinates, as hundredths where all are (COCO's own files), otherwise as doubles in two words.
  std::string_view runs_text() const;
  const uint32_t* words_ = nullptr;
  uint8_t kind_ = 0;
  bool hundredths_ = false;
};

/// Holds segmentations: 4 bytes a coordinate of at most two decimals, and runs as COCO's compressed text, mostly 1 or 2
/// bytes a run. Copies share what they hold; views stay valid while any copy lives. Not for adding from several
/// threads.
class SegmentationStore {
 public:
  SegmentationStore();

  Segmentation add(std::span<const std::vector<double>> parts);
  Segmentation add(const cpu::Rle& rle);
  /// Runs as a compressed text, with its totals (cpu::run_totals).
  Segmentation add(std::string_view text, uint32_t height, uint32_t width, const cpu::RunTotals& totals);
  /// Takes over what the other holds; its views stay valid.
  void absorb(SegmentationStore&& other);
  /// The memory taken, in bytes.
  size_t bytes() const;

 private:
  struct Chunks;
  uint32_t* allocate(size_t words);
  std::shared_ptr<Chunks> chunks_;
};

}  // namespace az::data
