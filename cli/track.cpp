#include "cli/track.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "cli/polarmask.h"
#include "cli/siammask.h"
#include "cli/timing.h"
#include "cli/track_start.h"
#include "cli/track_tune.h"
#include "cli/tracking.h"
#include "data/frames.h"
#include "data/stopwatch.h"
#include "eval/track_output.h"
#include "models/siammask/tracker_options.h"
#include "tensor/error.h"
#include "train/checkpoint.h"

namespace az::cli {
namespace {

namespace fs = std::filesystem;

struct Arguments : ConfigArguments {
  std::string weights, frames, out, video;
  StartOptions start;
  TuneOptions tune;
  bool tuning = false, json = false;
};

/// A sequence being tracked.
class Run {
 public:
  Run(models::SiamTracker& tracker, std::vector<TrackStart> starts, const eval::TrackOutputOptions& output)
      : tracker_(tracker), starts_(std::move(starts)), output_(output, starts_.size()) {}

  /// Tracks every frame that can be read, writes what was found, and then throws what ended the frames early.
  void frames(data::Frames& frames) {
    data::Stopwatch watch;
    try {
      data::Image frame;
      for (; frames.next(frame); ++count_) step(frames.name(count_), frame);
    } catch (const Error&) {
      output_.finish();
      fmt::print(stderr, "{} frames tracked and written\n", count_);
      throw;
    }
    AZ_CHECK(count_ > 0, "track: there is no frame");
    output_.finish();
    seconds_ = watch.lap_ms() / 1000;
  }
  int64_t count() const { return count_; }
  double frames_per_second() const { return static_cast<double>(count_) / seconds_; }
  double tracked_per_second() const { return tracking_ > 0 ? static_cast<double>(count_ - 1) / tracking_ : 0; }

 private:
  void begin(const data::Image& frame) {
    for (size_t i = 0; i < starts_.size(); ++i) {
      const cpu::InitialBox& b = starts_[i].box;
      if (const auto& mask = starts_[i].mask) add_mask(static_cast<uint8_t>(i + 1), *mask, frame);
      tracker_.start(i, frame, b);
      lines_.push_back({{b.cx - b.w / 2, b.cy - b.h / 2, b.w, b.h}, models::corners_of({b.cx, b.cy, b.w, b.h}), 1});
    }
  }

  void add_mask(uint8_t label, const cpu::Rle& mask, const data::Image& frame) {
    const cpu::Mask pixels = cpu::rle_decode(mask);
    AZ_CHECK(pixels.width == frame.width && pixels.height == frame.height,
             "track: the first frame's mask is {} x {}, the frame {} x {}", pixels.width, pixels.height, frame.width,
             frame.height);
    masks_.add(label, pixels.pixels.data(), 1);
  }

  void step(const std::string& name, const data::Image& frame) {
    masks_.begin(frame.width, frame.height);
    lines_.clear();
    if (count_ == 0) {
      begin(frame);
    } else {
      data::Stopwatch watch;
      tracker_.track(frame);
      tracking_ += watch.lap_ms() / 1000;
      for (size_t i = 0; i < tracker_.lanes(); ++i) {
        const models::SiamTracked& t = tracker_.result(i);
        lines_.push_back({eval::box_of(t.state), t.corners, t.score});
        masks_.add(static_cast<uint8_t>(i + 1), tracker_.mask(i));
      }
    }
    output_.add(name, frame, lines_, masks_);
  }

  models::SiamTracker& tracker_;
  std::vector<TrackStart> starts_;
  eval::TrackOutput output_;
  eval::MaskFusion masks_;
  std::vector<eval::TrackLine> lines_;
  int64_t count_ = 0;
  double tracking_ = 0, seconds_ = 0;
};

void run(const Arguments& a) {
  const auto device = make_device(a);
  const models::SiamMaskConfig config = load_siammask_config(a.config, a.overrides).siammask;
  const std::string weights = train::find_weights(a.weights).front().string();
  const auto network = make_network(config, *device, /*blank=*/true);
  load_weights(*network, read_weights(weights, *device), weights, /*whole=*/true);
  network->set_training(false);
  const auto how = models::step_options(config, activation_dtype(a.dtype, *device, DType::f32), !a.eager);
  if (a.tuning) return tune_tracker(*network, models::track_options(config.tracker), how, *device, a.frames, a.tune);
  std::vector<TrackStart> starts = find_starts(a.start, a.frames, a, *device);
  std::vector<std::optional<eval::TrackDetection>> detected;
  for (const TrackStart& start : starts) detected.push_back(start.detected);
  data::Frames frames = data::Frames::open(a.frames);
  models::SiamTracker tracker(*network, std::vector(starts.size(), models::track_options(config.tracker)), *device,
                              how);
  Run run(tracker, std::move(starts),
          {.out = a.out,
           .video = a.video,
           .frames_per_second = frames.frames_per_second(),
           .seg_thr = config.tracker.seg_thr,
           .detected = std::move(detected)});
  run.frames(frames);
  if (a.json)
    fmt::print("{}\n", nlohmann::ordered_json{{"frames", run.count()},
                                              {"objects", tracker.lanes()},
                                              {"frames_per_s", run.frames_per_second()},
                                              {"tracked_per_s", run.tracked_per_second()},
                                              {"peak_rss_mb", peak_rss_mb()}}
                           .dump());
  else
    fmt::print("{}: {} frames, {} object{}, {:.2f} frames/s ({:.2f} without reading and writing), {:.0f} MB\n",
               a.frames, run.count(), tracker.lanes(), tracker.lanes() == 1 ? "" : "s", run.frames_per_second(),
               run.tracked_per_second(), peak_rss_mb());
}

}  // namespace

void add_track_command(CLI::App& app) {
  const auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("track", "follow objects through a video or a folder of frames");
  add_config_options(*command, *a);
  command->add_option("FRAMES", a->frames, "folder of frames, video file, or a VOT sequence; with --tune a VOT set")
      ->required();
  command->add_option("--weights", a->weights, "weights file or run folder")->required();
  add_start_options(*command, a->start);
  command->add_option("--out", a->out, "folder for masks/*.png, boxes*.txt, rotated*.txt and track.json");
  command->add_option("--video", a->video, "overlay video: .mp4, .mkv, .mov or .gif");
  command->add_flag("--json", a->json, "one JSON object on stdout");
  command->add_flag("--tune", a->tuning,
                    "try a grid of settings on a VOT set, as the reference does; the best is named");
  add_tune_options(*command, a->tune);
  command->callback([a] {
    a->tune.json = a->json;
    a->tune.out = a->out;
    run(*a);
  });
}

}  // namespace az::cli
