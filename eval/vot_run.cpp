#include "eval/vot.h"
#include "tensor/error.h"

namespace az::eval {
namespace {

constexpr size_t kSkip = 5;

/// An annotation as corners; those of a rectangle lie on its last pixels (utils of the reference's run, unlike the
/// overlap's).
cpu::Region as_corners(const cpu::Region& region) {
  if (!region.rectangle()) return region;
  const float x = region.values[0], y = region.values[1], w = region.values[2], h = region.values[3];
  return {{x, y, x, y + h - 1, x + w - 1, y + h - 1, x + w - 1, y}};
}

}  // namespace

std::vector<cpu::Region> run_supervised(const data::VotSequence& sequence,
                                        const std::function<void(size_t, const cpu::Region&)>& start,
                                        const std::function<cpu::Region(size_t)>& track) {
  AZ_CHECK(sequence.width > 0 && sequence.height > 0, "vot: the picture size of the sequence {} is unknown",
           sequence.name);
  const cpu::RegionBounds bounds{static_cast<float>(sequence.width), static_cast<float>(sequence.height)};
  std::vector<cpu::Region> lines;
  size_t next = 0;  // the frame of the next start, or the last one's
  for (size_t frame = 0; frame < sequence.truth.size(); ++frame) {
    if (frame < next) {
      lines.push_back({{0}});
      continue;
    }
    const cpu::Region truth = as_corners(sequence.truth[frame]);
    if (frame == next) {
      start(frame, truth);
      lines.push_back({{1}});
      continue;
    }
    cpu::Region region = track(frame);
    if (cpu::region_overlap(truth, region, bounds) > 0) {
      lines.push_back(std::move(region));
    } else {
      lines.push_back({{2}});
      next = frame + kSkip;
    }
  }
  return lines;
}

}  // namespace az::eval
