#include "cli/eval.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/eval_tracking.h"
#include "cli/polarmask.h"
#include "cli/siammask.h"
#include "eval/polarmask_run.h"
#include "eval/ray_ceiling.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "train/checkpoint.h"

namespace az::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments : ConfigArguments {
  std::string out, show, results;
  std::vector<std::string> weights;
  TrackEvalOptions tracking;
  double show_score = 0.3;
  bool json = false, on_train = false, no_ceiling = false;
};

Json stats_json(const eval::CocoScores& scores) {
  Json json;
  for (size_t i = 0; i < scores.stats.size(); ++i) json[eval::kCocoStatNames[i]] = scores.stats[i];
  return json;
}

Json run_json(const eval::PolarRun& run, const std::string& weights) {
  Json json{{"weights", weights}, {"segm", stats_json(run.segm)}, {"bbox", stats_json(run.bbox)}};
  Json& categories = json["per_category"] = Json::object();
  for (size_t i = 0; i < run.segm.categories.size(); ++i)
    categories[run.segm.categories[i].name] = {{"segm", run.segm.categories[i].ap},
                                               {"bbox", run.bbox.categories[i].ap}};
  json["images"] = run.images;
  json["seconds"] = run.seconds;
  return json;
}

void run_polarmask(const Arguments& a) {
  const auto device = make_device(a);
  LoadedConfig loaded = load_config(a.config, a.overrides);
  models::PolarMaskConfig& config = loaded.polarmask;
  const models::PolarDataset set = models::read_dataset(config.data, !a.on_train);
  const auto network = make_network(config, static_cast<int64_t>(set.annotations.categories.size()), *device);
  std::vector<std::filesystem::path> files;
  for (const std::string& w : a.weights)
    for (auto& file : train::find_weights(w)) files.push_back(std::move(file));

  Json all = Json::array();
  size_t best = 0;
  for (const auto& file : files) {
    load_weights(*network, read_weights(file.string(), *device), file.string());
    models::PolarDetector detector(*network, config, config.model.head.classes, *device,
                                   {.activations = activation_dtype(a.dtype, *device, DType::f32), .graphs = !a.eager});
    const auto run = eval::run_polarmask(detector, config, set,
                                         {.workers = config.data.workers, .show = a.show, .show_score = a.show_score});
    all.push_back(run_json(run, file.string()));
    if (run.segm.ap() > all[best]["segm"]["AP"].get<double>()) best = all.size() - 1;
    if (!a.results.empty()) data::write_coco_results(a.results, run.results, data::CocoFields::masks);
    if (!a.json) {
      fmt::print("{}: {} pictures in {:.1f} s\nsegm\n{}bbox\n{}\n{}", file.string(), run.images, run.seconds,
                 eval::coco_summary(run.segm), eval::coco_summary(run.bbox), eval::coco_category_table(run.segm));
    }
  }
  Json out = all[best];
  if (!a.no_ceiling) {
    const auto ceiling =
        eval::ray_ceiling(set.annotations, static_cast<int>(config.model.head.rays), config.labels.mode);
    out["ray_ceiling_AP"] = ceiling.ap();
    if (!a.json)
      fmt::print("ray ceiling: AP {:.4f}, AP50 {:.4f}; share reached {:.3f}\n", ceiling.ap(), ceiling.ap50(),
                 out["segm"]["AP"].get<double>() / ceiling.ap());
  }
  if (files.size() > 1) {
    out["all"] = all;
    if (!a.json) fmt::print("best: {}\n", out["weights"].get<std::string>());
  }
  if (!a.out.empty()) write_file(a.out, out.dump(1) + "\n");
  if (a.json) fmt::print("{}\n", out.dump());
}

void run(Arguments& a) {
  if (config_system(a.config, a.overrides) == "siammask") {
    a.tracking.weights = a.weights;
    a.tracking.out = a.out;
    a.tracking.results = a.results;
    a.tracking.show = a.show;
    a.tracking.json = a.json;
    return eval_tracker(a, a.tracking);
  }
  run_polarmask(a);
}

void add_tracking_options(CLI::App& command, TrackEvalOptions& o) {
  command.add_option("--data", o.data, "tracker: VOT folder or JSON, OTB folder, DAVIS or YouTube-VOS folder");
  command.add_option("--dset", o.dset,
                     "tracker: VOT2016, VOT2018, OTB, DAVIS2016, DAVIS2017 or YouTube-VOS; else by what --data holds");
  command.add_option("--list", o.list, "tracker: file with the names of a segmentation set's videos");
  command.add_flag("--first-box", o.first_box,
                   "tracker, VOT set: also what the first box scores that stays where it is");
  command.add_option("--interval", o.interval, "tracker: of EAO, LOW,HIGH in frames or a VOT set's name");
}

}  // namespace

void add_eval_command(CLI::App& app) {
  const auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("eval", "run a whole data set and score it");
  add_config_options(*command, *a);
  command->add_option("--weights", a->weights, "weights files, run folders or globs; the best of several is named")
      ->required();
  command->add_option("--out", a->out, "JSON file with all figures");
  command->add_option("--results", a->results,
                      "COCO result file with the masks (of the last weights); tracker: folder for result files");
  add_tracking_options(*command, a->tracking);
  command->add_option("--show", a->show,
                      "folder for pictures of truth beside predictions; tracker: some frames of a VOT set");
  command->add_option("--show-score", a->show_score, "detections below it are not drawn");
  command->add_flag("--train", a->on_train, "on the training part");
  command->add_flag("--no-ceiling", a->no_ceiling, "leave out what perfect rays would reach");
  command->add_flag("--json", a->json, "one JSON object on stdout");
  command->callback([a] { run(*a); });
}

}  // namespace az::cli
