#include "eval/vot_masks.h"

#include <fmt/format.h>

#include "data/label_map.h"
#include "tensor/error.h"

namespace az::eval {

bool VotMaskMeter::fits(const data::VotSet& set) { return std::filesystem::is_directory(set.root / "masks"); }

template <class Inside>
void VotMaskMeter::count(const data::VotSequence& sequence, size_t frame, const Inside& inside) {
  const auto file = root_ / sequence.name / fmt::format("{:08}.png", frame + 1);
  const data::LabelMap truth = data::read_label_map(file);
  AZ_CHECK(truth.width == sequence.width && truth.height == sequence.height,
           "{}: {} x {} pixels, the sequence's frames have {} x {}", file.string(), truth.width, truth.height,
           sequence.width, sequence.height);
  int64_t object = 0, both = 0, either = 0;
  for (int y = 0, i = 0; y < truth.height; ++y) {
    for (int x = 0; x < truth.width; ++x, ++i) {
      const bool shown = truth.labels[static_cast<size_t>(i)] == 1, found = inside(x, y);
      object += shown;
      both += shown && found;
      either += shown || found;
    }
  }
  if (object == 0) return;
  sum_ += static_cast<double>(both) / static_cast<double>(either);
  ++frames_;
}

void VotMaskMeter::add(const data::VotSequence& sequence, size_t frame, const cpu::PastedMask& mask, double threshold) {
  const auto least = static_cast<float>(threshold);
  count(sequence, frame, [&](int x, int y) { return mask.at(x, y) > least; });
}

void VotMaskMeter::add(const data::VotSequence& sequence, size_t frame, const cpu::Region& region) {
  const auto raster = cpu::rasterise_region(cpu::region_corners(region), sequence.width, sequence.height);
  count(sequence, frame, [&](int x, int y) {
    return raster.pixels[static_cast<size_t>(y) * static_cast<size_t>(sequence.width) + static_cast<size_t>(x)] != 0;
  });
}

}  // namespace az::eval
