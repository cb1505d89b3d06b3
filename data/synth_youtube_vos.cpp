#include "data/synth_youtube_vos.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

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
using nlohmann::ordered_json;

constexpr uint64_t kFirstTrain = uint64_t{1} << 29, kFirstValid = kFirstTrain + (uint64_t{1} << 28);
constexpr int kStride = 3;            // steps of the motion: annotated frames lie further apart than a film's
constexpr int kFrameNumbers = 5;      // from one to the next
constexpr int64_t kLeastPixels = 50;  // of an annotated object
constexpr int kMostVideos = 99999;

struct Part {
  fs::path folder, truth;  // truth: where all annotations go if the part's own are the first ones only
  uint64_t first_number = 0;
  bool first_only = false;
};

/// One video's entry of meta.json.
struct Written {
  std::string name;
  std::map<int, std::vector<std::string>> frames;  // by object
  std::map<int, std::string> categories;
};

/// Clears objects that are too small to be annotated, and notes the rest.
void annotate(synth::VideoFrame& frame, const std::string& stem, Written& written) {
  for (size_t s = 0; s < frame.subjects.size(); ++s) {
    const int id = static_cast<int>(s) + 1;
    if (frame.subjects[s].area >= kLeastPixels) {
      written.frames[id].push_back(stem);
    } else {
      for (uint8_t& label : frame.labels)
        if (label == id) label = 0;
    }
  }
}

/// The labels of objects that this frame shows first; empty if there are none.
std::vector<uint8_t> first_seen(const synth::VideoFrame& frame, const Written& written) {
  std::vector<uint8_t> labels = frame.labels;
  bool any = false;
  for (uint8_t& label : labels) {
    if (label != 0 && written.frames.at(label).size() > 1) label = 0;
    any = any || label != 0;
  }
  if (!any) labels.clear();
  return labels;
}

Written write_video(const SynthYoutubeVosOptions& options, const Part& part, int64_t index) {
  const uint64_t number = part.first_number + static_cast<uint64_t>(index);
  Rng rng(options.seed, Purpose::synth, number, 1);
  synth::VideoOptions look{
      .width = options.width, .height = options.height, .frames = options.frames, .stride = kStride};
  look.subjects = static_cast<int>(rng.integer(1, 4));
  look.leave = true;
  const synth::Video video(options.seed, number, look);
  Written written;
  written.name = fmt::format("synth{:05}", index + 1);
  const fs::path images = part.folder / "JPEGImages" / written.name;
  const fs::path annotations = part.folder / "Annotations" / written.name;
  const fs::path truth = part.truth / "Annotations" / written.name;
  for (const fs::path& folder : {images, annotations}) make_folder(folder);
  if (part.first_only) make_folder(truth);
  for (int f = 0; f < options.frames; ++f) {
    synth::VideoFrame frame = video.frame(f);
    const std::string stem = fmt::format("{:05}", f * kFrameNumbers);
    annotate(frame, stem, written);
    write_jpeg(images / (stem + ".jpg"), frame.image, video.jpeg_quality(), Flush::later);
    const auto save = [&](const fs::path& folder, const std::vector<uint8_t>& labels) {
      write_label_map(folder / (stem + ".png"), {options.width, options.height, labels}, Flush::later);
    };
    save(part.first_only ? truth : annotations, frame.labels);
    if (!part.first_only) continue;
    if (const std::vector<uint8_t> first = first_seen(frame, written); !first.empty()) save(annotations, first);
  }
  for (const auto& [id, frames] : written.frames)
    written.categories[id] = synth::kKindNames[static_cast<size_t>(video.kind(static_cast<size_t>(id) - 1))];
  return written;
}

void write_meta(const fs::path& file, const std::vector<Written>& videos) {
  ordered_json document;
  ordered_json& list = document["videos"] = ordered_json::object();
  for (const Written& video : videos) {
    ordered_json objects = ordered_json::object();
    for (const auto& [id, frames] : video.frames)
      objects[std::to_string(id)] = {{"category", video.categories.at(id)}, {"frames", frames}};
    list[video.name] = {{"objects", std::move(objects)}};
  }
  write_file(file, document.dump());
}

}  // namespace

SynthYoutubeVosSummary write_synth_youtube_vos(const SynthYoutubeVosOptions& options) {
  AZ_CHECK(!options.out.empty(), "synth youtube-vos: no folder given to write to (--out DIR)");
  AZ_CHECK(options.train >= 0 && options.train <= kMostVideos && options.valid >= 0 && options.valid <= kMostVideos,
           "synth youtube-vos: {} training and {} validation videos, want 0 to {}", options.train, options.valid,
           kMostVideos);
  AZ_CHECK(options.frames >= 1 && options.frames <= 10000, "synth youtube-vos: {} frames, want 1 to 10000",
           options.frames);
  Stopwatch watch;
  prepare_output(options.out, options.force);
  const Part train{options.out / "train", {}, kFirstTrain, false};
  const Part valid{options.out / "valid", options.out / "valid_truth", kFirstValid, true};
  // Each part's meta.json goes first and comes last: an interrupted run never looks like a whole set.
  for (const Part* part : {&train, &valid}) remove_old(part->folder / "meta.json");
  std::vector<Written> written(static_cast<size_t>(options.train) + static_cast<size_t>(options.valid));
  for_each_item(static_cast<int64_t>(written.size()), {options.workers, options.progress}, [&](int64_t i) {
    written[static_cast<size_t>(i)] =
        i < options.train ? write_video(options, train, i) : write_video(options, valid, i - options.train);
  });
  if (!written.empty()) flush_files(options.out);
  const auto middle = written.begin() + options.train;
  if (options.train > 0) write_meta(train.folder / "meta.json", {written.begin(), middle});
  if (options.valid > 0) write_meta(valid.folder / "meta.json", {middle, written.end()});
  SynthYoutubeVosSummary summary;
  summary.train = options.train;
  summary.valid = options.valid;
  summary.frames = static_cast<int64_t>(written.size()) * options.frames;
  for (const Written& video : written) summary.objects += static_cast<int64_t>(video.frames.size());
  summary.seconds = watch.lap_ms() / 1000;
  return summary;
}

}  // namespace az::data
