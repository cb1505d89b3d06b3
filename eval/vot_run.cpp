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

SupervisedRun::SupervisedRun(const data::VotSequence& sequence)
    : truth_(&sequence.truth), bounds_{static_cast<float>(sequence.width), static_cast<float>(sequence.height)} {
  AZ_CHECK(sequence.width > 0 && sequence.height > 0, "vot: the picture size of the sequence {} is unknown",
           sequence.name);
}

SupervisedRun::Todo SupervisedRun::todo() const {
  return frame() < next_ ? Todo::skip : frame() == next_ ? Todo::start : Todo::track;
}

cpu::Region SupervisedRun::truth() const { return as_corners(truth_->at(frame())); }

void SupervisedRun::skipped() { lines_.push_back({{0}}); }
void SupervisedRun::started() { lines_.push_back({{1}}); }

void SupervisedRun::tracked(cpu::Region region) {
  if (cpu::region_overlap(truth(), region, bounds_) > 0) {
    lines_.push_back(std::move(region));
    return;
  }
  next_ = frame() + kSkip;
  lines_.push_back({{2}});
}

bool vot_better(const VotScores& a, const VotScores& b) {
  if (a.eao > b.eao || a.eao < b.eao) return a.eao > b.eao;
  if (a.lost_number != b.lost_number) return a.lost_number < b.lost_number;
  return a.accuracy > b.accuracy;
}

std::vector<cpu::Region> run_supervised(const data::VotSequence& sequence,
                                        const std::function<void(size_t, const cpu::Region&)>& start,
                                        const std::function<cpu::Region(size_t)>& track) {
  SupervisedRun run(sequence);
  while (run.frame() < sequence.truth.size()) {
    switch (run.todo()) {
      case SupervisedRun::Todo::skip: run.skipped(); break;
      case SupervisedRun::Todo::start:
        start(run.frame(), run.truth());
        run.started();
        break;
      case SupervisedRun::Todo::track: run.tracked(track(run.frame()));
    }
  }
  return run.lines();
}

}  // namespace az::eval
