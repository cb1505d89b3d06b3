#include "cli/track_start.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <filesystem>

#include "cli/image_model.h"
#include "cli/tracking.h"
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

/// Above the score, best first.
std::vector<TrackStart> starts_of_model(const StartOptions& o, const std::string& frames, ConfigArguments how,
                                        Device& device) {
  const auto [config, weights] = parse_init(o.init);
  how.config = config;
  how.overrides.clear();  // --set is the tracker's
  data::Image first;
  AZ_CHECK(data::Frames::open(frames).next(first), "{}: there is no frame", frames);
  ImageModel model(how, weights, o.names, device);
  auto found = model.detect(first);
  std::erase_if(found, [](const models::Instance& one) { return cpu::rle_area(one.mask) == 0; });
  std::ranges::stable_sort(found, std::ranges::greater(), &models::Instance::score);
  AZ_CHECK(!found.empty() && static_cast<double>(found[0].score) >= o.score,
           "{}: --init's model finds nothing with a score of {} or more in the first frame{}; lower --score, or give "
           "--box or --mask",
           frames, o.score, found.empty() ? std::string() : fmt::format(" (its best: {:.3f})", found[0].score));
  std::vector<TrackStart> starts;
  for (const models::Instance& one : found) {
    if (static_cast<double>(one.score) < o.score || (!o.all && !starts.empty())) break;
    const auto score = static_cast<double>(one.score);
    starts.push_back({box_of(one.mask), one.mask, eval::TrackDetection{model.name(one), score}});
    fmt::print(stderr, "object {}: {}, score {:.3f}\n", starts.size(), model.name(one), score);
  }
  return starts;
}

void check(const StartOptions& o) {
  const int ways = int{!o.boxes.empty()} + int{!o.mask.empty()} + int{!o.init.empty()};
  AZ_CHECK(ways <= 1, "track: give one of --box, --mask and --init");
  AZ_CHECK(!o.all || !o.init.empty(), "track: --all takes every object that --init's model finds; give --init");
}

}  // namespace

std::vector<TrackStart> find_starts(const StartOptions& o, const std::string& frames, const ConfigArguments& how,
                                    Device& device) {
  check(o);
  std::vector<TrackStart> starts;
  for (const std::string& box : o.boxes) starts.push_back({parse_box(box), {}, {}});
  if (!o.mask.empty()) starts = starts_of_map(o.mask);
  if (!o.init.empty()) starts = starts_of_model(o, frames, how, device);
  const fs::path truth = fs::path(frames) / "groundtruth.txt";
  if (starts.empty() && fs::is_regular_file(truth)) {
    const auto regions = data::read_regions(truth);
    AZ_CHECK(!regions.empty(), "{}: no region in it", truth.string());
    starts.push_back({cpu::initial_box(regions.front()), {}, {}});
  }
  AZ_CHECK(!starts.empty(),
           "track: what is to be tracked? Give --box x,y,w,h, --mask first.png or --init CONFIG,WEIGHTS");
  AZ_CHECK(starts.size() <= kMostObjects, "track: {} objects, of which {} at most can be tracked; raise --score?",
           starts.size(), kMostObjects);
  return starts;
}

void add_start_options(CLI::App& command, StartOptions& o) {
  command.add_option("--box", o.boxes, "x,y,w,h of an object in the first frame, pixels (repeatable)")
      ->allow_extra_args(false);
  command.add_option("--mask", o.mask, "indexed PNG with the first frame's objects");
  command.add_option("--init", o.init, "CONFIG,WEIGHTS of an image model, whose best object in the first frame it is");
  command.add_flag("--all", o.all, "of --init's model every object, not the best alone");
  command.add_option("--score", o.score, "of --init's model: objects below it are left out")->capture_default_str();
  command.add_option("--names", o.names, "COCO annotation file that names the classes of --init's model");
}

}  // namespace az::cli
