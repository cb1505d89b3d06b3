#include "cli/synth.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/synth_videos.h"
#include "data/progress.h"
#include "data/synth_coco.h"
#include "eval/ray_ceiling.h"

namespace az::cli {
namespace {

constexpr int kRays = 36;

struct SynthArguments {
  data::SynthCocoOptions options;
  bool json = false;
};

// Segm AP of perfect rays, as the network would be taught them; compat rays miss some.
struct Ceiling {
  double filled = -1, filled_50 = -1, compat = -1;
};

Ceiling measure_ceiling(const std::filesystem::path& annotations) {
  const data::CocoDataset dataset = data::read_coco(annotations);
  const eval::CocoScores filled = eval::ray_ceiling(dataset, kRays, cpu::LabelMode::filled);
  const eval::CocoScores compat = eval::ray_ceiling(dataset, kRays, cpu::LabelMode::compat);
  return {filled.ap(), filled.ap50(), compat.ap()};
}

double share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

nlohmann::ordered_json to_json(const data::SynthStatistics& s) {
  nlohmann::ordered_json classes;
  for (size_t k = 0; k < s.kinds.size(); ++k) classes[std::string(data::synth::kKindNames[k])] = s.kinds[k];
  return {{"pictures", s.pictures},
          {"objects", s.objects},
          {"small", share(s.ranges[0], s.objects)},
          {"medium", share(s.ranges[1], s.objects)},
          {"large", share(s.ranges[2], s.objects)},
          {"concave", share(s.concave, s.objects)},
          {"own_shape_concave", share(s.whole_concave, s.objects)},
          {"multi_part", share(s.multi_part, s.objects)},
          {"occluded", share(s.occluded, s.objects)},
          {"classes", classes},
          {"pictures_with_n_objects", s.pictures_with}};
}

void print_row(const char* name, const data::SynthStatistics& s) {
  const auto percent = [&](int64_t part) { return 100 * share(part, s.objects); };
  fmt::print("{:<6}{:>9}{:>9}   {:>3.0f} / {:.0f} / {:.0f} %{:>9.0f} %{:>9.0f} %{:>9.1f} %{:>9.0f} %\n", name,
             s.pictures, s.objects, percent(s.ranges[0]), percent(s.ranges[1]), percent(s.ranges[2]),
             percent(s.concave), percent(s.whole_concave), percent(s.multi_part), percent(s.occluded));
}

void print_counts(const data::SynthStatistics& train, const data::SynthStatistics& val) {
  fmt::print("objects by class (train, val):");
  for (size_t k = 0; k < train.kinds.size(); ++k)
    fmt::print("{} {} {}, {}", k > 0 ? ";" : "", data::synth::kKindNames[k], train.kinds[k], val.kinds[k]);
  fmt::print("\npictures by objects in them:");
  for (size_t n = 3; n < train.pictures_with.size(); ++n)
    fmt::print("{} {}: {}", n > 3 ? "," : "", n, train.pictures_with[n] + val.pictures_with[n]);
  fmt::print("\n");
}

void run(SynthArguments arguments) {
  data::SynthCocoOptions& options = arguments.options;
  data::SynthCocoSummary summary;
  {
    data::Progress progress("synth coco", "img", options.train + options.val);
    options.progress = [&](int done, int) { progress.update(done); };
    summary = data::write_synth_coco(options);
  }
  Ceiling ceiling;
  if (summary.val.objects > 0) ceiling = measure_ceiling(options.out / "annotations" / "instances_val2017.json");
  if (arguments.json) {
    const nlohmann::ordered_json result{{"out", options.out.string()},
                                        {"seed", options.seed},
                                        {"train", to_json(summary.train)},
                                        {"val", to_json(summary.val)},
                                        {"ray_ceiling_AP", ceiling.filled},
                                        {"ray_ceiling_AP50", ceiling.filled_50},
                                        {"ray_ceiling_AP_compat", ceiling.compat},
                                        {"seconds", summary.seconds}};
    fmt::print("{}\n", result.dump());
    return;
  }
  fmt::print("       pictures  objects   small/medium/large    concave  own shape  multi-part  occluded\n");
  print_row("train", summary.train);
  print_row("val", summary.val);
  print_counts(summary.train, summary.val);
  if (ceiling.filled >= 0)
    fmt::print(
        "AP that perfect {}-ray masks reach on val: {:.3f} (AP50 {:.3f}); with the reference's missing rays {:.3f}\n",
        kRays, ceiling.filled, ceiling.filled_50, ceiling.compat);
  fmt::print("{}: {} pictures in {:.1f} s\n", options.out.string(), summary.train.pictures + summary.val.pictures,
             summary.seconds);
}

}  // namespace

void add_synth_command(CLI::App& app) {
  CLI::App* synth = app.add_subcommand("synth", "write a generated set in a real format");
  synth->require_subcommand(1);
  CLI::App* coco = synth->add_subcommand("coco", "pictures of textured, overlapping objects as JPEG and COCO JSON");
  const auto arguments = std::make_shared<SynthArguments>();
  data::SynthCocoOptions& options = arguments->options;
  coco->add_option("--out", options.out, "folder to write: train2017/, val2017/, annotations/")->required();
  coco->add_option("--seed", options.seed, "another seed, other pictures")->capture_default_str();
  coco->add_option("--train", options.train, "training pictures")->capture_default_str()->check(CLI::Range(0, 900000));
  coco->add_option("--val", options.val, "validation pictures")->capture_default_str()->check(CLI::Range(0, 900000));
  coco->add_option("--workers", options.workers, "threads; 0: one a processor; the files are the same")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  coco->add_flag("--polygons", options.polygons,
                 "segmentations as polygons in place of run lengths; the masks are the same");
  coco->add_flag("--force", options.force, "write into a folder that is not empty");
  coco->add_flag("--json", arguments->json, "one JSON object on stdout");
  coco->callback([arguments] { run(*arguments); });
  add_synth_videos(*synth);
}

}  // namespace az::cli
