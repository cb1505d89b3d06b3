#include "cli/track_start.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <filesystem>

#include "cli/image_model.h"
#include "cli/tracking.h"
#include "data/found_objects.h"
#include "data/frames.h"
#include "data/label_map.h"
#include "data/vot.h"
#include "tensor/error.h"

namespace az::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostObjects = 255;  // labels are bytes, 0 is none

/// Where a mask's object begins, as the reference has it: its bounding rectangle, centre x + w / 2.
cpu::InitialBox box_of(const cpu::Rle& mask) {
  const cpu::Box b = cpu::rle_box(mask);
  return {b[0] + b[2] / 2, b[1] + b[3] / 2, b[2], b[3]};
}

std::vector<TrackStart> starts_of_map(const std::string& file) {
  const data::LabelMap map = data::read_label_map(file);
  std::array<bool, 256> present{};
  for (const uint8_t label : map.labels) present[label] = true;
  std::vector<TrackStart> starts;
  cpu::Mask one{map.height, map.width, std::vector<uint8_t>(map.labels.size())};
  for (size_t label = 1; label < present.size(); ++label) {
    if (!present[label]) continue;
    std::ranges::transform(map.labels, one.pixels.begin(), [&](uint8_t l) { return uint8_t{l == label}; });
    const cpu::Rle mask = cpu::rle_encode(one);
    starts.push_back({box_of(mask), mask, {}});
  }
  AZ_CHECK(!starts.empty(), "{}: no object in it", file);
  return starts;
}

/// CONFIG and WEIGHTS of --init.
std::pair<std::string, std::string> parse_init(const std::string& text) {
  const size_t comma = text.find(',');
  AZ_CHECK(comma != std::string::npos && comma > 0 && comma + 1 < text.size(),
           "--init is '{}', want CONFIG,WEIGHTS of an image model, as configs/polarmask/tiny.toml,runs/quickstart",
           text);
  return {text.substr(0, comma), text.substr(comma + 1)};
}

/// The best object, or with --all every one, whose score is high enough; the best first. `source` stands in errors.
std::vector<TrackStart> best_of(const StartOptions& o, std::vector<data::FoundObject> found,
                                const std::string& source) {
  std::ranges::stable_sort(found, std::ranges::greater(), &data::FoundObject::score);
  AZ_CHECK(!found.empty() && found[0].score >= o.score,
           "{} with a score of {} or more in the first frame{}; lower --score, or give --box or --mask", source,
           o.score, found.empty() ? std::string() : fmt::format(" (its best: {:.3f})", found[0].score));
  std::vector<TrackStart> starts;
  for (const data::FoundObject& one : found) {
    if (one.score < o.score || (!o.all && !starts.empty())) break;
    starts.push_back({box_of(one.mask), one.mask, eval::TrackDetection{one.name, one.score}});
    fmt::print(stderr, "object {}: {}, score {:.3f}\n", starts.size(), one.name, one.score);
  }
  return starts;
}

std::vector<TrackStart> starts_of_model(const StartOptions& o, const std::string& frames, ConfigArguments how,
                                        Device& device) {
  const auto [config, weights] = parse_init(o.init);
  how.config = config;
  how.overrides.clear();  // --set is the tracker's
  data::Image first;
  AZ_CHECK(data::Frames::open(frames).next(first), "{}: there is no frame", frames);
  ImageModel model(how, weights, o.names, device);
  std::vector<data::FoundObject> found;
  for (const models::Instance& one : model.detect(first))
    if (cpu::rle_area(one.mask) > 0) found.push_back({model.name(one), static_cast<double>(one.score), one.mask});
  return best_of(o, std::move(found), fmt::format("{}: --init's model finds nothing", frames));
}

/// The first region of a text, as groundtruth.txt and tracked boxes have it.
TrackStart start_of_regions(const std::string& file) {
  const auto regions = data::read_regions(file);
  AZ_CHECK(!regions.empty() && !regions.front().special(), "{}: has no region in line 1", file);
  return {cpu::initial_box(regions.front()), {}, {}};
}

std::vector<TrackStart> starts_of_result(const StartOptions& o) {
  if (fs::path(o.result).extension() == ".json")
    return best_of(o, data::read_found_objects(o.result).objects, fmt::format("{}: has nothing", o.result));
  AZ_CHECK(!o.all, "track: --all takes every object of a .json; {} has one region a frame", o.result);
  return {start_of_regions(o.result)};
}

void check(const StartOptions& o) {
  const int ways = int{!o.boxes.empty()} + int{!o.mask.empty()} + int{!o.result.empty()} + int{!o.init.empty()};
  AZ_CHECK(ways <= 1, "track: give one of --box, --mask, --result and --init");
  AZ_CHECK(!o.all || !o.init.empty() || !o.result.empty(),
           "track: --all takes every object that --init's model finds or --result has; give one of them");
}

}  // namespace

std::vector<TrackStart> find_starts(const StartOptions& o, const std::string& frames, const ConfigArguments& how,
                                    Device& device) {
  check(o);
  std::vector<TrackStart> starts;
  for (const std::string& box : o.boxes) starts.push_back({parse_box(box), {}, {}});
  if (!o.mask.empty()) starts = starts_of_map(o.mask);
  if (!o.result.empty()) starts = starts_of_result(o);
  if (!o.init.empty()) starts = starts_of_model(o, frames, how, device);
  const fs::path truth = fs::path(frames) / "groundtruth.txt";
  if (starts.empty() && fs::is_regular_file(truth)) starts.push_back(start_of_regions(truth));
  AZ_CHECK(
      !starts.empty(),
      "track: what is to be tracked? Give --box x,y,w,h, --mask first.png, --result FILE or --init CONFIG,WEIGHTS");
  AZ_CHECK(starts.size() <= kMostObjects, "track: {} objects, of which {} at most can be tracked; raise --score?",
           starts.size(), kMostObjects);
  return starts;
}

void add_start_options(CLI::App& command, StartOptions& o) {
  command.add_option("--box", o.boxes, "x,y,w,h of an object in the first frame, pixels (repeatable)")
      ->allow_extra_args(false);
  command.add_option("--mask", o.mask, "indexed PNG with the first frame's objects");
  command.add_option("--result", o.result,
                     "what is known of the first frame: NAME.json of predict, or a text with a region a line");
  command.add_option("--init", o.init, "CONFIG,WEIGHTS of an image model, whose best object in the first frame it is");
  command.add_flag("--all", o.all, "of --init's model, or a .json --result, every object, not the best alone");
  command.add_option("--score", o.score, "of --init's model, or a .json --result: objects below it are left out")
      ->capture_default_str();
  command.add_option("--names", o.names, "COCO annotation file that names the classes of --init's model");
}

}  // namespace az::cli
