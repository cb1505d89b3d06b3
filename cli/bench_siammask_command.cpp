#include "cli/bench_siammask_command.h"

#include <omp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/bench.h"
#include "cli/bench_peak.h"
#include "cli/bench_siammask.h"
#include "cli/bench_siammask_inference.h"
#include "cli/polarmask.h"

namespace az::cli {
namespace {

struct SiamMaskArguments {
  SiamMaskWorkloadOptions options;
  std::string mode, device = "auto", dtype = "auto";
  double seconds = 10;
  int threads = 0, losses = 0;
  bool json = false, exact = false, eager = false;
};

void run_siammask_training(const SiamMaskArguments& a) {
  const auto device = make_device(a.device, a.exact);
  SiamMaskWorkloadOptions options = a.options;
  options.graphs = !a.eager;
  nlohmann::ordered_json result{{"model", "siammask-r50"},
                                {"mode", a.mode},
                                {"batch", options.batch},
                                {"threads", omp_get_max_threads()},
                                {"device", device->name()}};
  if (a.losses > 0) {
    result["lr"] = options.lr;
    result["losses"] = siammask_losses(options, a.losses, *device);
  } else {
    const SiamMaskTrainBench r = bench_siammask_training(options, a.seconds, *device);
    const double peak = matmul_gflops(*device, DType::f32, /*seconds=*/2);
    result.update({{"runs", r.runs},
                   {"ms", r.ms},
                   {"ms_min", r.ms_min},
                   {"images_per_s", r.images_per_s},
                   {"peak_rss_mb", r.peak_rss_mb},
                   {"gflops", r.gflops},
                   {"gflops_per_s", r.gflops / r.ms * 1000},
                   {"share_of_peak", r.gflops / r.ms * 1000 / peak}});
  }
  print_figures(result, a.json);
}

void run_siammask_inference(const SiamMaskArguments& a) {
  const auto device = make_device(a.device, a.exact);
  const SiamMaskInferenceOptions options{.batch = a.options.batch,
                                         .activations = activation_dtype(a.dtype, *device, DType::f32),
                                         .graphs = !a.eager,
                                         .seconds = a.seconds};
  const SiamMaskInferenceBench r = bench_siammask_inference(options, *device);
  const double peak =
      matmul_gflops(*device, device->kind() == DeviceKind::cpu ? DType::f32 : options.activations, /*seconds=*/2);
  nlohmann::ordered_json result{{"model", "siammask-r50"},
                                {"mode", a.mode},
                                {"size", "255x255"},
                                {"batch", options.batch},
                                {"threads", omp_get_max_threads()},
                                {"device", device->name()},
                                {"dtype", dtype_name(options.activations)},
                                {"runs", r.runs},
                                {"ms", r.ms},
                                {"ms_min", r.ms_min},
                                {"images_per_s", static_cast<double>(options.batch) / r.ms * 1000},
                                {"peak_rss_mb", r.peak_rss_mb},
                                {"gflops", r.gflops},
                                {"gflops_per_s", r.gflops / r.ms * 1000},
                                {"share_of_peak", r.gflops / r.ms * 1000 / peak},
                                {"sharp_ms", r.sharp_ms},
                                {"template_ms", r.template_ms},
                                {"frame_ms", r.frame_ms},
                                {"frames_per_s", 1000 / r.frame_ms}};
  if (device->kind() != DeviceKind::cpu) result["graphs"] = r.graphs;
  if (!r.graph_failure.empty()) result["graph_failure"] = r.graph_failure;
  print_figures(result, a.json);
}

}  // namespace

void add_siammask_bench(CLI::App& bench) {
  const auto a = std::make_shared<SiamMaskArguments>();
  CLI::App* command =
      bench.add_subcommand("siammask-r50", "a search step or a training step of SiamMask's base variant");
  command->add_option("MODE", a->mode, "infer or train")->required()->check(CLI::IsMember({"infer", "train"}));
  command->add_option("--batch", a->options.batch, "pairs, or search crops, a step; 1 to infer, 2 to train")
      ->check(CLI::Range(1, 1024));
  command->add_option("--dtype", a->dtype, "to infer: of activations, f32, bf16 or f16");
  command->add_option("--lr", a->options.lr, "of the SGD steps")->check(CLI::Range(0.0, 1.0))->capture_default_str();
  command
      ->add_option("--losses", a->losses,
                   "print the losses of so many steps from filled weights, for bench/peers/siammask_train_peer.py")
      ->check(CLI::Range(1, 1000));
  command->add_option("--seconds", a->seconds, "measure for this long, at least three runs")->capture_default_str();
  command->add_option("--device", a->device, "auto, cpu or cuda");
  command->add_option("--threads", a->threads, "OpenMP threads; 0: all");
  command->add_flag("--json", a->json, "one JSON object on stdout");
  command->add_flag("--eager", a->eager, "on a GPU: no CUDA graphs");
  add_exact_option(*command, a->exact);
  command->callback([a, command] {
    if (a->threads > 0) omp_set_num_threads(a->threads);
    if (a->mode == "infer") {
      if (command->count("--batch") == 0) a->options.batch = 1;
      return run_siammask_inference(*a);
    }
    run_siammask_training(*a);
  });
}

}  // namespace az::cli
