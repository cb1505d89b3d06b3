#include "data/synth_vot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "cpu/rotated_rect.h"
#include "data/crew.h"
#include "data/label_map.h"
#include "data/stopwatch.h"
#include "data/synth/video.h"
#include "data/synth_output.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/rng.h"

namespace az::data {
namespace {

namespace fs = std::filesystem;

// Numbers of videos, so that no other generated set shares one.
constexpr uint64_t kFirstVideo = uint64_t{1} << 30;
constexpr double kHidden = 0.15;   // below this share the region is that of the whole object
constexpr double kOccluded = 0.1;  // above this covered share the mark says so

struct Written {
  VotSequence sequence;
  int64_t hidden = 0;
};

cpu::Region rectangle(const std::vector<cpu::Point>& points) {
  cpu::Region region;
  for (const auto& corner : cpu::RectFinder().smallest(points).corners)
    for (const double value : corner) region.values.push_back(static_cast<float>(value));
  return region;
}

bool hidden(const synth::SubjectTruth& truth) {
  return truth.area < 4 || static_cast<double>(truth.area) < kHidden * static_cast<double>(truth.whole_area);
}

cpu::Region region_of(const synth::VideoFrame& frame) {
  std::vector<cpu::Point> points;
  if (hidden(frame.subjects[0])) {
    for (const synth::Point& p : frame.subjects[0].outline)
      points.push_back({static_cast<int32_t>(std::floor(p.x)), static_cast<int32_t>(std::floor(p.y))});
  } else {
    const int width = frame.image.width;
    for (size_t i = 0; i < frame.labels.size(); ++i)
      if (frame.labels[i] == 1) points.push_back({static_cast<int32_t>(i) % width, static_cast<int32_t>(i) / width});
  }
  return rectangle(points);
}

synth::Video draw_video(const SynthVotOptions& options, int64_t index) {
  const auto number = kFirstVideo + static_cast<uint64_t>(index);
  Rng rng(options.seed, Purpose::synth, number, 1);
  const int64_t quarter = options.frames / 4;
  const auto frames = static_cast<int>(options.frames + rng.integer(-quarter, quarter));
  return {options.seed, number, {.width = options.width, .height = options.height, .frames = frames}};
}

Written write_sequence(const SynthVotOptions& options, int64_t index) {
  const synth::Video video = draw_video(options, index);
  Written written;
  VotSequence& sequence = written.sequence;
  sequence.name = fmt::format("{}{:03}", synth::kKindNames[static_cast<size_t>(video.kind(0))], index + 1);
  sequence.width = options.width;
  sequence.height = options.height;
  const fs::path folder = options.out / sequence.name, masks = options.out / "masks" / sequence.name;
  make_folder(folder);
  make_folder(masks);
  for (int f = 0; f < video.options().frames; ++f) {
    const synth::VideoFrame frame = video.frame(f);
    const synth::SubjectTruth& truth = frame.subjects[0];
    const std::string stem = fmt::format("{:08}", f + 1);
    write_jpeg(folder / (stem + ".jpg"), frame.image, video.jpeg_quality(), Flush::later);
    write_label_map(masks / (stem + ".png"), {options.width, options.height, frame.labels}, Flush::later);
    sequence.images.push_back(fmt::format("{}/{}.jpg", sequence.name, stem));
    sequence.truth.push_back(region_of(frame));
    written.hidden += hidden(truth);
    const synth::FrameEvents events = video.events(f);
    const auto occluded = static_cast<double>(truth.area) < (1 - kOccluded) * static_cast<double>(truth.whole_area);
    const bool marks[] = {events.camera_motion, events.illum_change, events.motion_change, events.size_change,
                          occluded};
    for (size_t a = 0; a < kVotAttributes.size(); ++a) sequence.attributes[kVotAttributes[a]].push_back(marks[a]);
  }
  const std::string regions = regions_text(sequence.truth);
  sequence.truth = parse_regions(regions, sequence.name);  // the JSON has the file's numbers
  write_file(folder / "groundtruth.txt", regions, Flush::later);
  for (const auto& [name, marks] : sequence.attributes) {
    std::string lines;
    for (const uint8_t mark : marks) lines += mark ? "1\n" : "0\n";
    write_file(folder / (name + ".tag"), lines, Flush::later);
  }
  return written;
}

fs::path json_file(const fs::path& out) {
  const fs::path absolute = fs::absolute(out).lexically_normal();
  const fs::path name = absolute.filename().empty() ? absolute.parent_path().filename() : absolute.filename();
  return out / (name.string() + ".json");
}

}  // namespace

SynthVotSummary write_synth_vot(const SynthVotOptions& options) {
  AZ_CHECK(!options.out.empty(), "synth vot: no folder given to write to (--out DIR)");
  AZ_CHECK(options.sequences >= 1 && options.sequences <= 999, "synth vot: {} sequences, want 1 to 999",
           options.sequences);
  AZ_CHECK(options.frames >= 4 && options.frames <= 100000, "synth vot: {} frames, want 4 to 100000", options.frames);
  Stopwatch watch;
  prepare_output(options.out, options.force);
  make_folder(options.out);
  // The list goes first and comes last: an interrupted run never looks like a whole set.
  remove_old(options.out / "list.txt");
  remove_old(json_file(options.out));
  std::vector<Written> written(static_cast<size_t>(options.sequences));
  for_each_item(options.sequences, {options.workers, options.progress},
                [&](int64_t i) { written[static_cast<size_t>(i)] = write_sequence(options, i); });
  SynthVotSummary summary;
  VotSet set;
  std::string list;
  std::ranges::sort(written, {}, [](const Written& w) { return w.sequence.name; });
  for (Written& w : written) {
    list += w.sequence.name + "\n";
    ++summary.sequences;
    summary.frames += static_cast<int64_t>(w.sequence.truth.size());
    summary.hidden += w.hidden;
    for (size_t a = 0; a < kVotAttributes.size(); ++a)
      summary.marked[a] += std::ranges::count(w.sequence.attributes[kVotAttributes[a]], uint8_t{1});
    set.sequences.push_back(std::move(w.sequence));
  }
  flush_files(options.out);
  write_vot_json(set, json_file(options.out));
  write_file(options.out / "list.txt", list);
  summary.seconds = watch.lap_ms() / 1000;
  return summary;
}

}  // namespace az::data
