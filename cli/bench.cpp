#include "cli/bench.h"

#include <fmt/format.h>
#include <omp.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <tuple>

#include "cli/arguments.h"
#include "cli/bench_coco_eval.h"
#include "cli/bench_kernels.h"
#include "cli/bench_labels.h"
#include "cli/bench_loader.h"
#include "cli/bench_model.h"
#include "cli/bench_overhead.h"
#include "cli/bench_peak.h"
#include "cli/bench_scaling.h"
#include "cli/bench_siammask_command.h"
#include "cli/polarmask.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::cli {

void print_figures(const nlohmann::ordered_json& result, bool json) {
  if (json) {
    fmt::print("{}\n", result.dump());
    return;
  }
  for (const auto& [key, value] : result.items())
    fmt::print("{:<18} {}\n", key, value.is_number_float() ? fmt::format("{:.4g}", value.get<double>()) : value.dump());
}

namespace {

struct Arguments {
  BenchOptions options;
  std::string mode, size, device = "auto", dtype = "auto", masks;
  int threads = 0;
  int repeats = 200;
  bool json = false, exact = false, eager = false, tf32 = false;
};

void run_model(const Arguments& a) {
  const auto device = make_device(a.device, a.exact);
  if (a.tf32) allow_tf32(*device);
  BenchOptions options = a.options;
  options.activations =
      options.train ? training_dtype(a.dtype, *device) : activation_dtype(a.dtype, *device, DType::f32);
  options.graphs = !a.eager;
  const BenchResult r = bench_model(options, *device);
  const double peak =
      matmul_gflops(*device, device->kind() == DeviceKind::cpu ? DType::f32 : options.activations, /*seconds=*/2);
  nlohmann::ordered_json result{{"model", a.options.model},
                                {"mode", a.mode},
                                {"size", a.size},
                                {"batch", a.options.batch},
                                {"threads", a.threads},
                                {"runs", r.runs},
                                {"ms", r.ms},
                                {"ms_min", r.ms_min},
                                {"images_per_s", r.images_per_s},
                                {"peak_rss_mb", r.peak_rss_mb},
                                {"gflops", r.gflops},
                                {"gflops_per_s", r.gflops / r.ms * 1000},
                                {"share_of_peak", r.gflops / r.ms * 1000 / peak}};
  if (r.postprocess_ms >= 0) result["postprocess_ms"] = r.postprocess_ms;
  if (device->kind() != DeviceKind::cpu) {
    result["device"] = device->name();
    result["dtype"] = dtype_name(options.activations);
    if (a.tf32) result["tf32"] = true;
    result["graphs"] = r.graphs;
    result["device_peak_mb"] = r.device_peak_mb;
    result["device_reserved_mb"] = r.device_reserved_mb;
    if (!r.graph_failure.empty()) result["graph_failure"] = r.graph_failure;
  }
  print_figures(result, a.json);
}

void run_labels(const Arguments& a) {
  const BenchLabels r = bench_labels({.repeats = a.repeats, .masks = a.masks});
  print_figures({{"ms", r.ms},
                 {"ms_min", r.ms_min},
                 {"find_ms", r.find_ms},
                 {"contours_ms", r.contours_ms},
                 {"rays_ms", r.rays_ms},
                 {"dense_ms", r.dense_ms},
                 {"objects", r.objects},
                 {"positives", r.positives},
                 {"contour_points", r.contour_points},
                 {"locations", r.locations},
                 {"ray_sum", r.ray_sum}},
                a.json);
}

void run_peak(const Arguments& a) {
  const auto device = make_device(a.device);
  print_figures(peaks_json(measure_peaks(*device, a.options.seconds)), a.json);
}

void run_coco_eval(const CocoEvalBenchOptions& options, bool json) {
  const CocoEvalBench r = bench_coco_eval(options);
  print_figures({{"images", options.images},
                 {"detections", options.detections},
                 {"ms", r.total_ms},
                 {"read_ms", r.read_ms},
                 {"evaluate_ms", r.evaluate_ms},
                 {"peak_rss_mb", r.peak_rss_mb},
                 {"stats", r.stats}},
                json);
}

void add_coco_eval(CLI::App& bench) {
  struct CocoEvalArguments {
    CocoEvalBenchOptions options;
    std::string type = "segm";
    bool json = false;
  };
  const auto a = std::make_shared<CocoEvalArguments>();
  CLI::App* command = bench.add_subcommand(
      "coco-eval", "COCO evaluation of a made-up set (bench/peers/coco_eval_peer.py: others on it)");
  command->add_option("--images", a->options.images, "pictures")->check(CLI::Range(1, 100000))->capture_default_str();
  command->add_option("--detections", a->options.detections, "detections a picture")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--type", a->type, "bbox or segm")->check(CLI::IsMember({"bbox", "segm"}))->capture_default_str();
  command->add_option("--threads", a->options.threads, "OpenMP threads; 0: all")->check(CLI::Range(0, 1024));
  command->add_option("--runs", a->options.runs, "evaluations timed")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--from", a->options.from, "time annotations.json and results.json of this folder");
  command->add_option("--out", a->options.out, "leave annotations.json and results.json in this folder");
  command->add_flag("--json", a->json, "one JSON object on stdout");
  command->callback([a] {
    a->options.masks = a->type == "segm";
    run_coco_eval(a->options, a->json);
  });
}

void run_loader(const LoaderBenchOptions& options, bool json) {
  const LoaderBench r = bench_loader(options);
  print_figures({{"ms", r.ms},
                 {"ms_min", r.ms_min},
                 {"images_per_s_per_core", r.images_per_s_per_core},
                 {"images_per_s", r.images_per_s},
                 {"workers", options.workers},
                 {"decode_ms", r.stages.decode},
                 {"masks_ms", r.stages.masks},
                 {"resize_normalise_ms", r.stages.image},
                 {"targets_ms", r.stages.targets},
                 {"collate_ms", r.stages.collate},
                 {"pictures", r.pictures},
                 {"objects", r.objects},
                 {"megapixels", r.megapixels},
                 {"file_kb", r.file_kb}},
                json);
}

void add_loader(CLI::App& bench) {
  struct LoaderArguments {
    LoaderBenchOptions options;
    std::string size;
    bool json = false;
  };
  const auto a = std::make_shared<LoaderArguments>();
  CLI::App* command =
      bench.add_subcommand("loader", "the training loader, stage by stage: JPEG files to a batch of 1280x768");
  command->add_option("--coco", a->options.coco, "annotation file; without it 640x480 pictures are made up");
  command->add_option("--images", a->options.images, "folder of its pictures");
  command->add_option("--pictures", a->options.pictures, "pictures of a round")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_option("--rounds", a->options.rounds, "rounds timed")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--batch", a->options.batch, "pictures a batch")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_flag("--jpeg-scale", a->options.data.jpeg_scale, "decode at a fraction where the size allows it");
  command->add_option("--size", a->size, "HxW of the input")->default_str("768x1280");
  command->add_option("--workers", a->options.workers, "threads, each makes whole batches")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_flag("--json", a->json, "one JSON object on stdout");
  command->callback([a] {
    if (!a->size.empty()) {
      const auto [height, width] = parse_size("bench loader", a->size);
      a->options.data.input.scale.scales = {{static_cast<int>(width), static_cast<int>(height)}};
    }
    run_loader(a->options, a->json);
  });
}

void print_kernels(const KernelBench& bench, const std::string& device, bool json) {
  if (json) {
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const KernelTime& t : bench.kernels)
      rows.push_back({{"family", t.family},
                      {"what", t.what},
                      {"dtype", t.dtype},
                      {"shape", t.shape},
                      {"kernels", t.kernels},
                      {"us", t.us},
                      {"gb_s", t.gb_s},
                      {"gflop_s", t.gflop_s},
                      {"share", t.share}});
    fmt::print("{}\n",
               nlohmann::ordered_json{{"device", device}, {"copy_gb_s", bench.copy_gb_s}, {"kernels", rows}}.dump());
    return;
  }
  fmt::print("{}: a copy moves {:.0f} GB/s (bytes read and written); share is of that\n", device, bench.copy_gb_s);
  fmt::print("{:<14} {:<24} {:<5} {:<22} {:>10} {:>9} {:>9} {:>6}\n", "family", "what", "dtype", "shape", "us", "GB/s",
             "GFLOP/s", "share");
  for (const KernelTime& t : bench.kernels)
    fmt::print("{:<14} {:<24} {:<5} {:<22} {:>10.2f} {:>9.1f} {:>9} {:>5.0f}%\n", t.family, t.what, t.dtype, t.shape,
               t.us, t.gb_s, t.gflop_s > 0 ? fmt::format("{:.0f}", t.gflop_s) : "-", t.share * 100);
}

void add_kernels(CLI::App& bench) {
  struct KernelArguments {
    KernelBenchOptions options;
    std::string device = "cuda";
    bool json = false;
  };
  const auto a = std::make_shared<KernelArguments>();
  CLI::App* command = bench.add_subcommand("kernels", "every handwritten CUDA kernel at PolarMask-R50's sizes");
  command->add_option("--device", a->device, "cuda")->capture_default_str();
  command->add_option("--seconds", a->options.seconds, "of launches a case")
      ->check(CLI::Range(0.001, 100.0))
      ->capture_default_str();
  command->add_flag("--small", a->options.small, "small sizes, once each: for the emulated device");
  command->add_flag("--json", a->json, "one JSON object on stdout");
  command->callback([a] {
    const auto device = make_device(a->device);
    print_kernels(bench_kernels(a->options, *device), device->name(), a->json);
  });
}

void add_overhead(CLI::App& bench) {
  struct OverheadArguments {
    std::string device = "cpu";
    bool json = false;
  };
  const auto a = std::make_shared<OverheadArguments>();
  CLI::App* command = bench.add_subcommand("overhead", "what an op costs besides its arithmetic: adding 16 floats");
  command->add_option("--device", a->device, "auto, cpu or cuda")->capture_default_str();
  command->add_flag("--json", a->json, "one JSON object on stdout");
  command->callback([a] {
    const auto device = make_device(a->device);
    const OverheadBench r = bench_overhead(*device);
    print_figures({{"no_tape_ns", r.no_tape_ns}, {"tape_ns", r.tape_ns}, {"span_ns", r.span_ns}}, a->json);
  });
}

void run_scaling(const ScalingOptions& options, const std::filesystem::path& out, bool json) {
  const ScalingBench bench = bench_scaling(options);
  nlohmann::ordered_json result = nlohmann::ordered_json::array();
  if (!json) fmt::print("{:>6} {:>11} {:>10} {:>12} {:>8}\n", "images", "size", "ms", "tensors MB", "RSS MB");
  for (const auto& points : {bench.batches, bench.sizes})
    for (const ScalingPoint& p : points) {
      const std::string size = fmt::format("{}x{}", p.height, p.width);
      if (!json) fmt::print("{:>6} {:>11} {:>10.1f} {:>12.1f} {:>8.0f}\n", p.batch, size, p.ms, p.tensors_mb, p.rss_mb);
      result.push_back(
          {{"images", p.batch}, {"size", size}, {"ms", p.ms}, {"tensors_mb", p.tensors_mb}, {"peak_rss_mb", p.rss_mb}});
    }
  if (json) fmt::print("{}\n", result.dump());
  if (out.empty()) return;
  const auto [time, memory] = scaling_charts(bench, options.model + (options.train ? " train" : " infer"));
  std::filesystem::create_directories(out);
  const std::string stem = options.train ? "train" : "infer";
  write_file(out / ("scaling_" + stem + "_time.svg"), time);
  write_file(out / ("scaling_" + stem + "_memory.svg"), memory);
}

void add_scaling(CLI::App& bench) {
  struct ScalingArguments {
    ScalingOptions options;
    std::string mode, sizes, out;
    int threads = 0;
    bool json = false;
  };
  const auto a = std::make_shared<ScalingArguments>();
  CLI::App* command =
      bench.add_subcommand("scaling", "how time and memory of PolarMask grow with the pictures' number and size");
  command->add_option("MODE", a->mode, "infer or train")->required()->check(CLI::IsMember({"infer", "train"}));
  command->add_option("--batches", a->options.batches, "pictures a step, of the second size")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->default_str("1,2,4,8");
  command->add_option("--sizes", a->sizes, "HxW,HxW,… of one picture")
      ->default_str("200x336,400x672,800x1344,1600x2688; to train 96x160,192x320,384x640,768x1280");
  command->add_option("--seconds", a->options.seconds, "a measurement, at least three runs")->capture_default_str();
  command->add_option("--threads", a->threads, "OpenMP threads; 0: all")->check(CLI::Range(0, 1024));
  command->add_option("--out", a->out, "DIR for two charts with the fitted exponents");
  command->add_flag("--json", a->json, "a JSON array on stdout");
  command->callback([a] {
    if (a->threads > 0) omp_set_num_threads(a->threads);
    a->options.train = a->mode == "train";
    if (a->sizes.empty())
      a->sizes = a->options.train ? "96x160,192x320,384x640,768x1280" : "200x336,400x672,800x1344,1600x2688";
    a->options.sizes = parse_sizes(a->sizes);
    run_scaling(a->options, a->out, a->json);
  });
}

void set_threads(Arguments& a) {
  if (a.threads > 0) omp_set_num_threads(a.threads);
  a.threads = omp_get_max_threads();
}

}  // namespace

void add_bench_command(CLI::App& app) {
  const auto a = std::make_shared<Arguments>();
  CLI::App* bench = app.add_subcommand("bench", "median time of a network, or of one part");
  bench->require_subcommand(1);
  const auto common = [&](CLI::App* command) {
    command->add_option("--threads", a->threads, "OpenMP threads; 0: all");
    command->add_flag("--json", a->json, "one JSON object on stdout");
    return command;
  };
  for (const char* model : {"polarmask-r50", "polarmask-r101", "polarmask-x101"}) {
    CLI::App* command = common(bench->add_subcommand(model, "inference or a training step of this network"));
    command->add_option("MODE", a->mode, "infer or train")->required()->check(CLI::IsMember({"infer", "train"}));
    command->add_option("--size", a->size, "HxW in pixels; padded to multiples of 32")->default_str("800x1333");
    command->add_option("--batch", a->options.batch, "pictures a step")->check(CLI::Range(1, 1024));
    command->add_option("--seconds", a->options.seconds, "measure for this long, at least three runs");
    command->add_option("--device", a->device, "auto, cpu or cuda");
    command->add_option("--dtype", a->dtype,
                        "of activations: f32, bf16, f16 (not to train), or auto (bf16 to train on a GPU, else f32)");
    command->add_flag("--tf32", a->tf32, "on a GPU: f32 convolutions may round their factors to 10 bits (TF32)");
    command->add_flag("--eager", a->eager, "on a GPU: no CUDA graphs");
    command->add_option("--plans", a->options.plans,
                        "with --tune: keep the plans in this file, which AZ_CUDNN_PLANS names");
    command->add_flag("--tune", a->options.tune, "on a GPU: the first run times cuDNN's plans and keeps the fastest");
    add_exact_option(*command, a->exact);
    command->callback([a, model] {
      a->options.model = model;
      a->options.train = a->mode == "train";
      if (a->size.empty()) a->size = "800x1333";
      std::tie(a->options.height, a->options.width) = parse_size("bench", a->size);
      set_threads(*a);
      run_model(*a);
    });
  }
  add_siammask_bench(*bench);
  CLI::App* labels =
      common(bench->add_subcommand("labels", "ray labels of one 800x1333 picture with 7 objects, one thread"));
  labels->add_option("--repeats", a->repeats, "pictures timed")->check(CLI::Range(1, 100000));
  labels->add_option("--masks", a->masks,
                     "leave the objects' masks in this folder, for bench/peers/ray_labels_peer.py");
  labels->callback([a] { run_labels(*a); });
  add_coco_eval(*bench);
  add_loader(*bench);
  add_kernels(*bench);
  add_overhead(*bench);
  add_scaling(*bench);
  CLI::App* peak = common(bench->add_subcommand(
      "peak", "what this machine reaches: multiply-adds, matrix product, copies in caches and memory"));
  peak->add_option("--device", a->device, "auto, cpu or cuda");
  peak->add_option("--seconds", a->options.seconds, "measure for about this long")->check(CLI::Range(0.1, 100.0));
  peak->callback([a] {
    set_threads(*a);
    run_peak(*a);
  });
}

}  // namespace az::cli
