#include "cli/convert_crops.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/convert_crop511.h"
#include "data/progress.h"
#include "data/vot.h"
#include "tensor/error.h"

namespace az::cli {
namespace {

struct CropArguments {
  std::string set;
  data::Crop511Options options;
  data::YoutubeVosOptions youtube;
  std::vector<std::string> parts = {"train2017", "val2017"};
  bool last_run = false;
  bool json = false;
};

data::Crop511Summary convert(const CropArguments& a) {
  if (a.set == "coco") return data::convert_crop511_coco(a.options, a.parts);
  if (a.set == "vid")
    return data::convert_crop511_vid(a.options, a.last_run ? data::VidTracks::last_run : data::VidTracks::all_runs);
  if (a.set == "det") return data::convert_crop511_det(a.options);
  return data::convert_crop511_youtube_vos(a.options, a.youtube);
}

void run_crop511(CropArguments a) {
  std::optional<data::Progress> progress;
  int64_t last_total = -1;
  const char* const unit = a.set == "coco" || a.set == "det" ? "img" : "videos";
  a.options.progress = [&](int64_t done, int64_t total) {
    if (total != last_total || done == 1) progress.emplace("convert crop511", unit, total);
    last_total = total;
    progress->update(done);
  };
  const data::Crop511Summary summary = convert(a);
  progress.reset();
  if (a.json) {
    nlohmann::ordered_json lists = nlohmann::ordered_json::object();
    for (const auto& [file, videos] : summary.lists) lists[file.string()] = videos;
    const nlohmann::ordered_json result{
        {"made", summary.made}, {"kept", summary.kept}, {"skipped", summary.skipped}, {"videos", lists}};
    fmt::print("{}\n", result.dump());
    return;
  }
  for (const auto& [file, videos] : summary.lists) fmt::print("{}: {} videos\n", file.string(), videos);
  fmt::print("{}: {} crops made, {} were there, {} annotations left out\n", (a.options.out / "crop511").string(),
             summary.made, summary.kept, summary.skipped);
}

void run_vot2json(const std::filesystem::path& folder, std::filesystem::path out) {
  const data::VotSet set = data::read_vot(folder);
  int64_t frames = 0;
  for (const data::VotSequence& sequence : set.sequences) {
    AZ_CHECK(sequence.images.size() == sequence.truth.size(), "{}: the frames are not there",
             (folder / sequence.name).string());
    frames += static_cast<int64_t>(sequence.truth.size());
  }
  const std::filesystem::path whole = std::filesystem::absolute(folder / ".").lexically_normal().parent_path();
  if (out.empty()) out = folder / (whole.filename().string() + ".json");
  data::write_vot_json(set, out);
  fmt::print("{}: {} sequences, {} frames\n", out.string(), set.sequences.size(), frames);
}

void add_crop511(CLI::App& convert) {
  CLI::App* crops = convert.add_subcommand(
      "crop511", "training crops of Siamese trackers: 511x511 around every object; goes on where it was interrupted");
  const auto a = std::make_shared<CropArguments>();
  crops->add_option("SET", a->set, "whose layout DIR has: coco, vid and det (ImageNet), youtube-vos")
      ->required()
      ->check(CLI::IsMember({"coco", "vid", "det", "youtube-vos"}));
  crops->add_option("DIR", a->options.root, "folder of the data set")->required();
  crops->add_option("--out", a->options.out, "folder to write: crop511/VIDEO/*, and lists: train.json, ...")
      ->required();
  crops->add_option("--workers", a->options.workers, "threads; 0: one a processor; the files are the same")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  crops->add_option("--parts", a->parts, "coco: which parts of the set")->delimiter(',')->capture_default_str();
  crops->add_option("--min-pixels", a->youtube.min_pixels, "youtube-vos: objects of at most so many are left out")
      ->capture_default_str();
  crops->add_option("--train-videos", a->youtube.train_videos, "youtube-vos: the first by name are for training")
      ->capture_default_str();
  crops->add_flag("--last-run", a->last_run,
                  "vid: of an object that comes and goes keep its last appearance only, as the reference does");
  crops->add_flag("--json", a->json, "one JSON object on stdout");
  crops->callback([a] { run_crop511(*a); });
}

}  // namespace

void add_convert_crops(CLI::App& convert) {
  add_crop511(convert);
  CLI::App* vot = convert.add_subcommand("vot2json", "a VOT set as the one JSON that evaluators share");
  const auto folder = std::make_shared<std::filesystem::path>(), out = std::make_shared<std::filesystem::path>();
  vot->add_option("DIR", *folder, "folder with list.txt and the sequences")->required();
  vot->add_option("--out", *out, "file to write; DIR/NAME.json without it, for frames are found relative to it");
  vot->callback([folder, out] { run_vot2json(*folder, *out); });
}

}  // namespace az::cli
