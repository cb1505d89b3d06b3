#include "eval/coco_overlaps.h"

#include "tensor/error.h"

namespace az::eval {

void GroupMasks::clear() {
  masks_.clear();
  edges_.clear();
}

uint32_t GroupMasks::add(const data::Segmentation& segmentation, const data::CocoImage& image) {
  const auto height = static_cast<uint32_t>(image.height), width = static_cast<uint32_t>(image.width);
  if (segmentation.kind() != data::Segmentation::Kind::runs) return add(segmentation.rle(height, width));
  const auto [own_height, own_width] = segmentation.runs_size();
  AZ_CHECK(own_height == height && own_width == width, "the runs are of a picture of {} x {}, image {} is {} x {}",
           own_width, own_height, image.id, width, height);
  Mask& mask = masks_.emplace_back();
  mask.runs = segmentation;
  mask.view.area = segmentation.runs_area();
  mask.view.box = segmentation.runs_box();
  return mask.view.area;
}

uint32_t GroupMasks::add(const cpu::Box& box, const data::CocoImage& image) {
  return add(cpu::rle_from_box(box, static_cast<uint32_t>(image.height), static_cast<uint32_t>(image.width)));
}

uint32_t GroupMasks::add(const cpu::Rle& rle) {
  const cpu::RunMask runs = cpu::run_mask(rle);
  Mask& mask = masks_.emplace_back();
  mask.view.area = runs.area;
  mask.view.box = runs.box;
  mask.ready = true;
  mask.begin = edges_.size();
  edges_.insert(edges_.end(), runs.edges.begin(), runs.edges.end());
  mask.end = edges_.size();
  return runs.area;
}

cpu::RunView GroupMasks::view(const Mask& mask) const {
  cpu::RunView view = mask.view;
  view.edges = std::span(edges_).subspan(mask.begin, mask.end - mask.begin);
  return view;
}

void GroupMasks::prepare(Mask& mask) {
  if (mask.ready) return;
  mask.begin = edges_.size();
  mask.runs.append_edges(edges_);
  mask.end = edges_.size();
  mask.ready = true;
}

double GroupMasks::iou(size_t detection, size_t object, bool crowd, double threshold) {
  Mask& a = masks_[detection];
  Mask& b = masks_[object];
  const double bound = cpu::mask_iou_bound(a.view, b.view, crowd);
  if (bound < threshold) return bound;
  prepare(a);
  prepare(b);
  return cpu::mask_iou(view(a), view(b), crowd);
}

}  // namespace az::eval
