#include "eval/vos_meter.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/error.h"

namespace az::eval {

void MaskFusion::begin(int width, int height) {
  AZ_CHECK(width > 0 && height > 0, "mask fusion: {} x {} pixels", width, height);
  width_ = width;
  height_ = height;
  const auto pixels = static_cast<size_t>(width) * static_cast<size_t>(height);
  best_.assign(pixels, -std::numeric_limits<float>::infinity());
  label_.assign(pixels, 0);
}

void MaskFusion::add(uint8_t label, const cpu::PastedMask& mask) {
  const cpu::Rect& w = mask.window;
  AZ_CHECK(w.x >= 0 && w.y >= 0 && w.x + w.width <= width_ && w.y + w.height <= height_,
           "mask fusion: a mask of {} x {} pixels at ({}, {}) leaves the picture of {} x {}", w.width, w.height, w.x,
           w.y, width_, height_);
  const float* from = mask.values.data();
  for (int y = 0; y < w.height; ++y) {
    const size_t row = static_cast<size_t>(w.y + y) * static_cast<size_t>(width_) + static_cast<size_t>(w.x);
    for (size_t x = 0; x < static_cast<size_t>(w.width); ++x, ++from)
      if (*from > best_[row + x]) best_[row + x] = *from, label_[row + x] = label;
  }
}

void MaskFusion::add(uint8_t label, const uint8_t* mask, uint8_t value) {
  for (size_t i = 0; i < best_.size(); ++i) {
    const float own = mask[i] == value ? 1.0F : 0.0F;
    if (own > best_[i]) best_[i] = own, label_[i] = label;
  }
}

void MaskFusion::labels(double threshold, std::vector<uint8_t>& out) const {
  out.resize(label_.size());
  const auto limit = static_cast<float>(threshold);
  for (size_t i = 0; i < out.size(); ++i) out[i] = best_[i] > limit ? label_[i] : uint8_t{0};
}

VosSpan vos_span(int64_t frames) { return {1, frames - 2}; }
VosSpan vos_span(int64_t start, int64_t end) { return {start + 1, end - 2}; }

VosMeter::VosMeter(std::vector<VosSpan> spans, std::vector<double> thresholds)
    : spans_(std::move(spans)),
      thresholds_(std::move(thresholds)),
      sums_(spans_.size() * thresholds_.size(), 0),
      frames_(spans_.size(), 0) {
  AZ_CHECK(!spans_.empty() && spans_.size() <= 255 && !thresholds_.empty(),
           "vos meter: {} objects and {} thresholds, want 1 to 255 and at least one", spans_.size(),
           thresholds_.size());
}

bool VosMeter::wants(int64_t frame) const {
  return std::ranges::any_of(spans_, [&](const VosSpan& s) { return frame >= s.first && frame <= s.last; });
}

void VosMeter::add(int64_t frame, const MaskFusion& fusion, std::span<const uint8_t> annotation) {
  AZ_CHECK(annotation.size() == static_cast<size_t>(fusion.width()) * static_cast<size_t>(fusion.height()),
           "vos meter: an annotation of {} pixels for {} x {}", annotation.size(), fusion.width(), fusion.height());
  for (size_t t = 0; t < thresholds_.size(); ++t) {
    fusion.labels(thresholds_[t], labels_);
    for (auto* counts : {&both_, &own_, &truth_}) counts->assign(256, 0);
    for (size_t i = 0; i < labels_.size(); ++i) {
      ++own_[labels_[i]];
      ++truth_[annotation[i]];
      if (labels_[i] == annotation[i]) ++both_[labels_[i]];
    }
    for (size_t object = 0; object < spans_.size(); ++object) {
      if (frame < spans_[object].first || frame > spans_[object].last) continue;
      const size_t label = object + 1;
      const int64_t either = own_[label] + truth_[label] - both_[label];
      sums_[object * thresholds_.size() + t] +=
          either == 0 ? 1 : static_cast<double>(both_[label]) / static_cast<double>(either);
      if (t == 0) ++frames_[object];
    }
  }
}

std::vector<std::vector<double>> VosMeter::overlaps() const {
  std::vector<std::vector<double>> all(spans_.size());
  for (size_t object = 0; object < all.size(); ++object)
    for (size_t t = 0; t < thresholds_.size(); ++t)
      all[object].push_back(frames_[object] > 0
                                ? sums_[object * thresholds_.size() + t] / static_cast<double>(frames_[object])
                                : std::numeric_limits<double>::quiet_NaN());
  return all;
}

std::vector<double> VosMeter::means() const {
  std::vector<double> sums(thresholds_.size(), 0);
  int64_t counted = 0;
  for (const auto& object : overlaps()) {
    if (std::isnan(object[0])) continue;
    ++counted;
    for (size_t t = 0; t < sums.size(); ++t) sums[t] += object[t];
  }
  for (double& sum : sums)
    sum = counted > 0 ? sum / static_cast<double>(counted) : std::numeric_limits<double>::quiet_NaN();
  return sums;
}

}  // namespace az::eval
