#include "cli/eval_tracking.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/siammask.h"
#include "cli/timing.h"
#include "cli/tracking.h"
#include "eval/siam_vos.h"
#include "eval/vot_masks.h"
#include "eval/vot_picture.h"
#include "models/siammask/tracker_options.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "train/checkpoint.h"

namespace az::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

enum class SetKind : uint8_t { vot, otb, vos };

/// What --dset says, or else what lies there.
SetKind kind_of(const TrackEvalOptions& o) {
  if (o.dset.starts_with("VOT")) return SetKind::vot;
  if (o.dset.starts_with("OTB")) return SetKind::otb;
  if (o.dset.starts_with("DAVIS") || o.dset == "YouTube-VOS") return SetKind::vos;
  AZ_CHECK(o.dset.empty(), "--dset {}: want VOT2016, VOT2018, OTB, DAVIS2016, DAVIS2017 or YouTube-VOS", o.dset);
  const fs::path path = o.data;
  AZ_CHECK(fs::exists(path), "{}: is missing", o.data);
  if (path.extension() == ".json" || fs::exists(path / "list.txt") || fs::exists(path / "groundtruth.txt"))
    return SetKind::vot;
  if (fs::is_directory(path / "JPEGImages")) return SetKind::vos;
  if (fs::is_directory(path)) {
    if (fs::exists(path / "groundtruth_rect.txt")) return SetKind::otb;
    for (const auto& entry : fs::directory_iterator(path))
      if (fs::exists(entry.path() / "groundtruth_rect.txt")) return SetKind::otb;
  }
  fail(
      "{}: no set that is known: no list.txt or groundtruth.txt (VOT), groundtruth_rect.txt (OTB) or JPEGImages "
      "(DAVIS, YouTube-VOS)",
      o.data);
}

eval::VosProtocol protocol_of(const TrackEvalOptions& o) {
  if (o.dset == "DAVIS2016") return eval::VosProtocol::davis2016;
  if (o.dset == "YouTube-VOS" || (o.dset.empty() && fs::exists(fs::path(o.data) / "meta.json")))
    return eval::VosProtocol::youtube_vos;
  return eval::VosProtocol::davis2017;
}

/// One checkpoint's figures: the table, the JSON, and what checkpoints are compared by.
struct Scored {
  std::string table;
  Json json;
  eval::VotScores vot;
  double figure = 0;
};

/// What scores a network on the set; made once for all weights.
class Evaluation {
 public:
  Evaluation(const models::SiamMaskConfig& config, const ConfigArguments& arguments, const TrackEvalOptions& options,
             Device& device)
      : options_(options),
        device_(device),
        kind_(kind_of(options)),
        track_(models::track_options(config.tracker)),
        how_(models::step_options(config, activation_dtype(arguments.dtype, device, DType::f32), !arguments.eager)) {
    if (kind_ == SetKind::vot) vot_ = data::read_vot(options.data);
    if (kind_ == SetKind::otb) otb_ = data::read_otb(options.data);
    if (kind_ == SetKind::vos) vos_ = data::read_vos(options.data, options.list);
  }

  Scored score(models::SiamMask& network, const std::string& name) {
    eval::TrackTime time;
    Scored scored = kind_ == SetKind::vot   ? score_vot(network, name, time)
                    : kind_ == SetKind::otb ? score_otb(network, name, time)
                                            : score_vos(network, name, time);
    scored.table += fmt::format("{} frames tracked, {:.2f} frames/s ({:.1f} s with reading)\n", time.frames,
                                time.per_second(), time.seconds);
    scored.json["frames"] = time.frames;
    scored.json["frames_per_s"] = time.per_second();
    scored.json["seconds"] = time.seconds;
    scored.json["peak_rss_mb"] = peak_rss_mb();
    return scored;
  }

  /// The region of each start, unmoved. Error: not a VOT set.
  Scored score_first_box() const {
    AZ_CHECK(kind_ == SetKind::vot, "--first-box: {} is no VOT set", options_.data);
    eval::VotMaskMeter masks(vot_);
    const bool has_masks = eval::VotMaskMeter::fits(vot_);
    const auto results = eval::keep_first_box(
        vot_, "first_box", [&](const data::VotSequence& sequence, size_t frame, const cpu::Region& region) {
          if (has_masks) masks.add(sequence, frame, region);
        });
    return vot_figures(results, has_masks ? &masks : nullptr);
  }

  bool better(const Scored& a, const Scored& b) const {
    return kind_ == SetKind::vot ? eval::vot_better(a.vot, b.vot) : a.figure > b.figure || std::isnan(b.figure);
  }

 private:
  Scored score_vot(models::SiamMask& network, const std::string& name, eval::TrackTime& time) {
    models::SiamTracker tracker(network, {track_}, device_, how_);
    eval::VotMaskMeter masks(vot_);
    const bool has_masks = eval::VotMaskMeter::fits(vot_) && tracker.step().mask_side() > 0;
    const auto seen = [&](const data::VotSequence& sequence, size_t frame, const data::Image& picture) {
      if (has_masks) masks.add(sequence, frame, tracker.mask(0), track_.seg_thr);
      if (!options_.show.empty() && shown(sequence, frame))
        eval::write_vot_picture(picture, sequence, frame, tracker, track_.seg_thr, options_.show);
    };
    const auto results = eval::track_vot(tracker, vot_, {name}, time, print_progress(), seen);
    return vot_figures(results[0], has_masks ? &masks : nullptr);
  }

  /// Three pictures of a sequence.
  static bool shown(const data::VotSequence& sequence, size_t frame) {
    const size_t n = sequence.truth.size();
    return frame == n / 4 || frame == n / 2 || frame == n - 1;
  }

  Scored vot_figures(const data::VotResults& results, const eval::VotMaskMeter* masks) const {
    if (!options_.results.empty()) eval::write_vot_results(vot_, results, options_.results);
    const eval::VotInterval interval =
        parse_interval(options_.interval.empty() ? options_.dset : options_.interval, options_.data);
    Scored s;
    s.vot = eval::evaluate_vot(vot_, results, {.interval = interval});
    s.table = eval::vot_table({s.vot}, /*per_sequence=*/true) +
              fmt::format("EAO over {} to {} frames\n", interval.low, interval.high);
    s.json = vot_json(s.vot);
    if (masks == nullptr) return s;
    s.json["mask_iou"] = masks->mean();
    s.table += fmt::format("mask IoU {:.3f} over {} frames\n", masks->mean(), masks->frames());
    return s;
  }

  Scored score_otb(models::SiamMask& network, const std::string& name, eval::TrackTime& time) {
    models::SiamTracker tracker(network, {track_}, device_, how_);
    const auto boxes = eval::track_otb(tracker, otb_, time, print_progress());
    if (!options_.results.empty()) eval::write_otb_results(otb_, boxes, fs::path(options_.results) / name);
    std::vector<eval::OtbSequenceScores> sequences;
    for (size_t i = 0; i < otb_.size(); ++i)
      sequences.push_back({otb_[i].name, eval::otb_curves(otb_[i].truth, boxes[i])});
    const eval::OtbScores scores = eval::otb_scores(std::move(sequences));
    Scored s;
    s.table = otb_table(scores);
    s.json = otb_json(scores);
    s.figure = scores.success_auc;
    return s;
  }

  Scored score_vos(models::SiamMask& network, const std::string& name, eval::TrackTime& time) {
    eval::VosOptions options;
    options.protocol = protocol_of(options_);
    options.track = track_;
    options.step = how_;
    if (!options_.results.empty()) options.out = fs::path(options_.results) / name;
    const eval::VosScores scores = eval::track_vos(network, vos_, device_, options, time, print_progress());
    Scored s;
    s.figure = scores.best();
    s.table = fmt::format("{:<24} {:>6}", "video", "object");
    for (const double t : scores.thresholds) s.table += fmt::format(" {:>8}", fmt::format("IoU@{:.2f}", t));
    s.json = {{"thresholds", scores.thresholds}, {"mean_iou", Json::array()}, {"videos", Json::array()}};
    for (const auto& video : scores.videos) {
      Json one{{"name", video.name}, {"objects", video.objects}, {"iou", Json::array()}};
      for (size_t o = 0; o < video.objects.size(); ++o) {
        s.table += fmt::format("\n{:<24} {:>6}", video.name, video.objects[o]);
        one["iou"].push_back(Json::array());
        for (const double v : video.overlaps[o]) {
          s.table += fmt::format(" {:>8.3f}", v);
          one["iou"].back().push_back(number(v));
        }
      }
      s.json["videos"].push_back(std::move(one));
    }
    s.table += fmt::format("\n{:<31}", "mean");
    for (const double m : scores.means) {
      s.table += fmt::format(" {:>8.3f}", m);
      s.json["mean_iou"].push_back(number(m));
    }
    s.table += "\n";
    return s;
  }

  const TrackEvalOptions& options_;
  Device& device_;
  SetKind kind_;
  models::SiamTrackOptions track_;
  models::SiamStepOptions how_;
  data::VotSet vot_;
  std::vector<data::OtbSequence> otb_;
  std::vector<data::VosVideo> vos_;
};

/// A name for result files: the file's, with its folder's before it where several files have it.
std::string tracker_name(const fs::path& file, const std::vector<fs::path>& all) {
  const auto same = std::ranges::count_if(all, [&](const fs::path& f) { return f.stem() == file.stem(); });
  const std::string stem = file.stem().string();
  return same > 1 ? fs::absolute(file).parent_path().filename().string() + "_" + stem : stem;
}

}  // namespace

void eval_tracker(const ConfigArguments& arguments, const TrackEvalOptions& o) {
  AZ_CHECK(!o.data.empty(), "eval: which set? Give --data: a VOT folder or JSON, an OTB, DAVIS or YouTube-VOS folder");
  const auto device = make_device(arguments);
  const models::SiamMaskConfig config = load_siammask_config(arguments.config, arguments.overrides).siammask;
  Evaluation evaluation(config, arguments, o, *device);
  std::vector<fs::path> files;
  for (const std::string& w : o.weights)
    for (auto& file : train::find_weights(w)) files.push_back(std::move(file));
  const auto network = make_network(config, *device, /*blank=*/true);
  std::vector<Scored> all;
  size_t best = 0;
  for (const fs::path& file : files) {
    load_weights(*network, read_weights(file.string(), *device), file.string(), /*whole=*/true);
    network->set_training(false);
    Scored scored = evaluation.score(*network, tracker_name(file, files));
    Json json{{"weights", file.string()}};
    json.update(scored.json);
    scored.json = std::move(json);
    if (!o.json) fmt::print("{}\n{}", file.string(), scored.table);
    all.push_back(std::move(scored));
    if (all.size() > 1 && evaluation.better(all.back(), all[best])) best = all.size() - 1;
  }
  Json out = all.at(best).json;
  if (all.size() > 1) {
    for (const Scored& s : all) out["all"].push_back(s.json);
    if (!o.json) fmt::print("best: {}\n", files[best].string());
  }
  if (o.first_box) {
    const Scored kept = evaluation.score_first_box();
    if (!o.json) fmt::print("the first box, unmoved\n{}", kept.table);
    out["first_box"] = kept.json;
  }
  if (!o.out.empty()) write_file(o.out, out.dump(1) + "\n");
  if (o.json) fmt::print("{}\n", out.dump());
}

}  // namespace az::cli
