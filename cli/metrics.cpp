#include "cli/metrics.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/metrics_tracking.h"
#include "eval/coco.h"

namespace az::cli {
namespace {

struct CocoArguments {
  std::string annotations, results, type = "segm";
  bool no_categories = false, id_zero_matches = false, json = false;
  int threads = 0;
};

nlohmann::ordered_json to_json(const eval::CocoScores& scores, const CocoArguments& a) {
  nlohmann::ordered_json json = {{"type", a.type}};
  for (size_t i = 0; i < scores.stats.size(); ++i) json[eval::kCocoStatNames[i]] = scores.stats[i];
  nlohmann::ordered_json& categories = json["categories"] = nlohmann::ordered_json::array();
  for (const eval::CocoCategoryScores& c : scores.categories)
    categories.push_back({{"id", c.category_id},
                          {"name", c.name},
                          {"AP", c.ap},
                          {"AP50", c.ap50},
                          {"AP75", c.ap75},
                          {"APs", c.ap_small},
                          {"APm", c.ap_medium},
                          {"APl", c.ap_large},
                          {"AR100", c.ar100}});
  return json;
}

// What makes figures other than one would think; each is a question in the public issue lists.
void warn(const data::CocoDataset& set, const data::CocoResults& results, const CocoArguments& a) {
  if (results.detections.empty()) fmt::print(stderr, "note: {} holds no detections: recall is 0\n", a.results);
  if (!a.id_zero_matches && std::ranges::any_of(set.annotations, [](const auto& x) { return x.id == 0; }))
    fmt::print(stderr,
               "note: an annotation has id 0; as in pycocotools, what matches it counts as a false positive "
               "(--id-zero-matches: as a match)\n");
  if (a.type == "segm" && results.area_from_boxes && !results.detections.empty())
    fmt::print(stderr,
               "note: the results carry boxes; as in pycocotools, small, medium and large go by box area "
               "(leave \"bbox\" out to go by mask area)\n");
  const auto unknown =
      std::ranges::count_if(results.detections, [&](const auto& d) { return !set.find_category(d.category_id); });
  if (unknown > 0)
    fmt::print(stderr, "note: {} detections are of categories that {} lacks; they are left out\n", unknown,
               a.annotations);
}

void run_coco(const CocoArguments& a) {
  const data::CocoDataset set = data::read_coco(a.annotations);
  fmt::print(stderr, "{}: {} images, {} annotations, {} categories\n", a.annotations, set.images.size(),
             set.annotations.size(), set.categories.size());
  const data::CocoResults results = data::read_coco_results(a.results, set);
  fmt::print(stderr, "{}: {} detections\n", a.results, results.detections.size());
  warn(set, results, a);
  const eval::CocoScores scores =
      eval::evaluate_coco(set, results,
                          {.type = a.type == "bbox" ? eval::CocoType::bbox : eval::CocoType::segm,
                           .use_categories = !a.no_categories,
                           .id_zero_matches = a.id_zero_matches,
                           .threads = a.threads});
  if (a.json)
    fmt::print("{}\n", to_json(scores, a).dump());
  else
    fmt::print("{}\n{}", eval::coco_summary(scores), eval::coco_category_table(scores));
}

}  // namespace

void add_metrics_command(CLI::App& app) {
  CLI::App* metrics = app.add_subcommand("metrics", "scores result files against a data set's annotations");
  metrics->require_subcommand(1);
  const auto a = std::make_shared<CocoArguments>();
  CLI::App* coco = metrics->add_subcommand("coco", "COCO box and mask AP and AR, as pycocotools to the last bit");
  coco->add_option("GT", a->annotations, "annotation file (instances_*.json)")->required();
  coco->add_option("RESULTS", a->results, "result file: a list of detections")->required();
  coco->add_option("--type", a->type, "what is compared: bbox or segm")
      ->check(CLI::IsMember({"bbox", "segm"}))
      ->capture_default_str();
  coco->add_flag("--no-categories", a->no_categories, "take all objects and detections as of one category");
  coco->add_flag("--id-zero-matches", a->id_zero_matches,
                 "let an annotation with id 0 be matched (pycocotools does not)");
  coco->add_option("--threads", a->threads, "OpenMP threads; 0: all")->check(CLI::Range(0, 1024));
  coco->add_flag("--json", a->json, "one JSON object on stdout");
  coco->callback([a] { run_coco(*a); });
  add_tracking_metrics(*metrics);
}

}  // namespace az::cli
