#include "eval/siam_run.h"

#include <fmt/format.h>

#include "data/frames.h"
#include "data/stopwatch.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::eval {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> vot_frames(const data::VotSet& set, const data::VotSequence& s) {
  AZ_CHECK(s.images.size() == s.truth.size(), "{}: the sequence {} has {} frames and {} annotations", set.root.string(),
           s.name, s.images.size(), s.truth.size());
  std::vector<fs::path> files;
  for (const std::string& image : s.images) files.push_back(set.root / image);
  AZ_CHECK(!files.empty(), "{}: the sequence {} has no frames", set.root.string(), s.name);
  AZ_CHECK(fs::exists(files.front()), "{}: is missing, a frame of the sequence {}", files.front().string(), s.name);
  return files;
}

/// Tracks one frame and takes the time.
void track_timed(models::SiamTracker& tracker, const data::Image& frame, TrackTime& time) {
  data::Stopwatch watch;
  tracker.track(frame);
  time.tracking += watch.lap_ms() / 1000;
  ++time.frames;
}

/// One frame of every lane's run. Returns whether a lane tracked.
bool advance(std::vector<SupervisedRun>& runs, models::SiamTracker& tracker, const data::Image& frame,
             TrackTime& time) {
  using Todo = SupervisedRun::Todo;
  bool any = false;
  for (size_t lane = 0; lane < runs.size(); ++lane) {
    if (runs[lane].todo() != Todo::track) tracker.stop(lane);
    any = any || runs[lane].todo() == Todo::track;
  }
  if (any) track_timed(tracker, frame, time);
  const bool has_masks = tracker.step().mask_side() > 0;
  for (size_t lane = 0; lane < runs.size(); ++lane) {
    SupervisedRun& run = runs[lane];
    if (run.todo() == Todo::track) {
      run.tracked(region_of(tracker.result(lane), has_masks));
    } else if (run.todo() == Todo::start) {
      tracker.start(lane, frame, cpu::initial_box(run.truth()));
      run.started();
    } else {
      run.skipped();
    }
  }
  return any;
}

}  // namespace

cpu::Region region_of(const models::SiamTracked& t, bool has_masks) {
  std::vector<float> values;
  if (has_masks)
    for (const auto& corner : t.corners)
      for (const double v : corner) values.push_back(static_cast<float>(v));
  else
    for (const double v : box_of(t.state)) values.push_back(static_cast<float>(v));
  return {std::move(values)};
}

cpu::Box box_of(const models::SiamState& s) { return {s.x - s.w / 2, s.y - s.h / 2, s.w, s.h}; }

std::vector<data::VotResults> track_vot(models::SiamTracker& tracker, const data::VotSet& set,
                                        const std::vector<std::string>& names, TrackTime& time,
                                        const SequenceProgress& progress, const FrameSeen& seen) {
  AZ_CHECK(names.size() == tracker.lanes(), "track_vot: {} names for {} lanes", names.size(), tracker.lanes());
  std::vector<data::VotResults> results;
  for (const std::string& name : names) results.push_back({name, {}});
  for (const data::VotSequence& s : set.sequences) vot_frames(set, s);  // what is missing ends the run at its start
  data::Stopwatch watch;
  for (size_t i = 0; i < set.sequences.size(); ++i) {
    const data::VotSequence& sequence = set.sequences[i];
    tracker.reset();
    std::vector<SupervisedRun> runs(tracker.lanes(), SupervisedRun(sequence));
    data::Frames frames(vot_frames(set, sequence));
    data::Image frame;
    while (frames.next(frame)) {
      const size_t number = runs.front().frame();
      if (advance(runs, tracker, frame, time) && seen) seen(sequence, number, frame);
    }
    for (size_t lane = 0; lane < runs.size(); ++lane) results[lane].runs.push_back({runs[lane].lines()});
    if (progress) progress(sequence.name, i + 1, set.sequences.size());
  }
  time.seconds += watch.lap_ms() / 1000;
  return results;
}

data::VotResults keep_first_box(const data::VotSet& set, const std::string& name,
                                const std::function<void(const data::VotSequence&, size_t, const cpu::Region&)>& seen) {
  data::VotResults results{name, {}};
  for (const data::VotSequence& sequence : set.sequences) {
    cpu::Region kept;
    results.runs.push_back({run_supervised(
        sequence, [&](size_t, const cpu::Region& truth) { kept = truth; },
        [&](size_t frame) {
          if (seen) seen(sequence, frame, kept);
          return kept;
        })});
  }
  return results;
}

void write_vot_results(const data::VotSet& set, const data::VotResults& results, const fs::path& folder) {
  AZ_CHECK(results.runs.size() == set.sequences.size(), "vot results: {} sequences, the set has {}",
           results.runs.size(), set.sequences.size());
  for (size_t i = 0; i < set.sequences.size(); ++i) {
    const std::string& name = set.sequences[i].name;
    const fs::path to = folder / results.tracker / "baseline" / name;
    fs::create_directories(to);
    for (size_t r = 0; r < results.runs[i].size(); ++r)
      write_file(to / fmt::format("{}_{:03}.txt", name, r + 1), data::regions_text(results.runs[i][r]));
  }
}

std::vector<std::vector<cpu::Box>> track_otb(models::SiamTracker& tracker,
                                             const std::vector<data::OtbSequence>& sequences, TrackTime& time,
                                             const SequenceProgress& progress) {
  std::vector<std::vector<cpu::Box>> results;
  for (const data::OtbSequence& s : sequences) data::otb_frames(s);
  data::Stopwatch watch;
  for (const data::OtbSequence& s : sequences) {
    tracker.reset();
    data::Frames frames(data::otb_frames(s));
    data::Image frame;
    std::vector<cpu::Box> boxes;
    while (frames.next(frame)) {
      if (boxes.empty()) {
        const cpu::Box& first = s.truth.front();
        tracker.start(0, frame, {first[0] - 1 + first[2] / 2, first[1] - 1 + first[3] / 2, first[2], first[3]});
        boxes.push_back(first);
        continue;
      }
      track_timed(tracker, frame, time);
      const cpu::Box own = box_of(tracker.result(0).state);
      boxes.push_back({own[0] + 1, own[1] + 1, own[2], own[3]});
    }
    results.push_back(std::move(boxes));
    if (progress) progress(s.name, results.size(), sequences.size());
  }
  time.seconds += watch.lap_ms() / 1000;
  return results;
}

void write_otb_results(const std::vector<data::OtbSequence>& sequences, const std::vector<std::vector<cpu::Box>>& boxes,
                       const fs::path& folder) {
  AZ_CHECK(boxes.size() == sequences.size(), "otb results: {} sequences, the set has {}", boxes.size(),
           sequences.size());
  fs::create_directories(folder);
  for (size_t i = 0; i < boxes.size(); ++i) {
    std::string text;
    for (const cpu::Box& b : boxes[i]) text += fmt::format("{},{},{},{}\n", b[0], b[1], b[2], b[3]);
    write_file(folder / (sequences[i].name + ".txt"), text);
  }
}

}  // namespace az::eval
