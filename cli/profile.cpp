#include "cli/profile.h"

#include <fmt/format.h>
#include <omp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <tuple>

#include "cli/arguments.h"
#include "cli/bench_peak.h"
#include "cli/polarmask.h"
#include "cli/profile_files.h"
#include "cli/profile_kernels.h"
#include "cli/profile_table.h"
#include "cli/profile_work.h"
#include "cli/workload.h"
#include "cuda/build.h"
#include "cuda/kernel_records.h"
#include "eval/roofline_chart.h"
#include "nn/module.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::cli {
namespace {

struct Arguments {
  std::string model, mode, size = "800x1333", device = "auto", dtype = "auto", by = "op", out, peak;
  std::vector<std::string> compare, overrides;
  int64_t batch = 1;
  int threads = 0, steps = 5, rows = 30;
  bool exact = false;
};

/// Names of the layers by their weights: "backbone.layer1.0.conv1" of "backbone.layer1.0.conv1.weight".
LayerNames layer_names(nn::Module& network) {
  LayerNames names;
  for (const nn::Entry& e : nn::entries(network)) names[e.tensor->storage_id()] = e.name.substr(0, e.name.rfind('.'));
  return names;
}

double median_ms(ProfileWork& work, int count) {
  std::vector<double> times;
  work.begin();
  for (int i = 0; i < 2; ++i) work.run();  // to warm up
  for (int i = 0; i < count; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work.run();
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  work.end();
  std::ranges::sort(times);
  return times[times.size() / 2];
}

/// Records a GPU's kernels, or says once why not.
std::unique_ptr<cuda::KernelRecorder> kernel_recorder(const Device& device) {
  if (device.kind() == DeviceKind::cpu || cuda::kEmulated) return nullptr;
  try {
    return std::make_unique<cuda::KernelRecorder>();
  } catch (const Error& error) {
    fmt::print(stderr, "note: {}; the profile has ops but no kernels\n", error.what());
    return nullptr;
  }
}

std::vector<ProfiledStep> profiled(ProfileWork& work, Device& device, int count,
                                   std::vector<cuda::KernelRecord>& kernels) {
  Profiler profiler(device);
  const auto recorder = kernel_recorder(device);
  std::vector<ProfiledStep> found;
  work.begin();
  for (int i = 0; i < count; ++i) {
    ProfiledStep step;
    step.begin_ns = profiler.now_ns();
    work.run();
    step.end_ns = profiler.now_ns();
    step.spans = profiler.take();
    found.push_back(std::move(step));
  }
  work.end();
  if (recorder) kernels = recorder->take();
  return found;
}

std::vector<eval::RooflineDot> dots_of(const std::vector<ProfileRow>& rows) {
  std::vector<eval::RooflineDot> dots;
  for (const ProfileRow& r : rows)
    if (r.track == 0 && r.executed_flops > 0 && r.bytes > 0 && r.ms > 0)
      dots.push_back({r.algorithm.empty() ? r.name : fmt::format("{} ({})", r.name, r.algorithm), r.phase,
                      r.executed_flops, r.bytes, r.ms});
  return dots;
}

std::vector<eval::Roof> roofs_of(const Peaks& p) {
  std::vector<eval::Roof> roofs;
  const auto add = [&](const char* name, double value, bool bandwidth) {
    if (value > 0) roofs.push_back({name, value, bandwidth});
  };
  add("f32", p.f32_gflops, false);
  add("bf16", p.bf16_gflops, false);
  add("memory", p.memory_gb_s, true);
  add("level 3 cache", p.level3_gb_s, true);
  add("level 2 cache", p.level2_gb_s, true);
  return roofs;
}

void write_files(const std::filesystem::path& folder, const ProfileSubject& subject, const Peaks& peaks,
                 const nlohmann::ordered_json& trace, const std::vector<ProfileRow>& rows) {
  std::filesystem::create_directories(folder);
  write_file(folder / "ops.json", ops_json(subject, peaks, rows).dump(1) + "\n");
  write_file(folder / "trace.json", trace.dump() + "\n");
  write_file(folder / "roofline.svg",
             eval::roofline_chart(dots_of(regrouped(rows, GroupBy::op)), roofs_of(peaks), subject.title()));
  fmt::print(stderr, "wrote {}: ops.json, trace.json, roofline.svg\n", folder.string());
}

GroupBy group_by(const std::string& name) {
  if (name == "layer") return GroupBy::layer;
  if (name == "shape") return GroupBy::shape;
  return GroupBy::op;
}

void run_profile(const Arguments& a) {
  if (a.threads > 0) omp_set_num_threads(a.threads);
  const auto device = make_device(a.device, a.exact);
  WorkloadOptions options{.model = a.model, .train = a.mode == "train", .batch = a.batch, .graphs = false};
  std::tie(options.height, options.width) = parse_size("profile", a.size);
  options.activations =
      options.train ? training_dtype(a.dtype, *device) : activation_dtype(a.dtype, *device, DType::f32);
  if (a.peak.empty()) fmt::print(stderr, "measuring the machine's peaks\n");
  // On a device of their own, whose buffers are gone before the step's memory is looked at.
  const Peaks peaks = a.peak.empty() ? measure_peaks(*make_device(a.device), /*seconds=*/1) : read_peaks(a.peak);
  fmt::print(stderr, "running {} {} {}: two steps to warm up, {} without the profiler, {} with it\n", a.model, a.mode,
             a.size, a.steps, a.steps);
  const bool configured = a.model.ends_with(".toml");
  AZ_CHECK(!configured || options.train, "profile: {} is a configuration, which is for train", a.model);
  const auto work = configured ? configured_training(a.model, a.overrides, *device, options.activations)
                               : made_up_work(options, *device);
  const double plain_ms = median_ms(*work, a.steps);
  std::vector<cuda::KernelRecord> kernels;
  const auto found = profiled(*work, *device, a.steps, kernels);
  work->check();
  const LayerNames layers = layer_names(work->network());
  const auto rows = profile_rows(found, layers, GroupBy::everything);
  ProfileSubject subject{
      .model = a.model,
      .mode = a.mode,
      .dtype = dtype_name(options.activations),
      .device = device->name(),
      .size = work->size(),
      .threads = omp_get_max_threads(),
      .steps = a.steps,
      .step_ms = mean_step_ms(found),
      .plain_ms = plain_ms,
      .peak_tensor_mb = static_cast<double>(device->allocator().stats().peak_live_bytes) / (1 << 20)};
  fmt::print("{}\nstep {:.1f} ms (mean of {}; median without the profiler {:.1f} ms), tensors at most {:.0f} MB\n",
             subject.title(), subject.step_ms, a.steps, plain_ms, subject.peak_tensor_mb);
  fmt::print("peaks: f32 {:.0f} GFLOP/s, bf16 {:.0f}, memory {:.1f} GB/s, level 3 {:.1f}, level 2 {:.1f}\n\n",
             peaks.f32_gflops, peaks.bf16_gflops, peaks.memory_gb_s, peaks.level3_gb_s, peaks.level2_gb_s);
  fmt::print("{}", profile_table(regrouped(rows, group_by(a.by)), subject.step_ms, peaks, static_cast<size_t>(a.rows)));
  if (!kernels.empty()) fmt::print("\n{}", kernel_table(kernel_rows(kernels, a.steps), subject.step_ms));
  if (a.out.empty()) return;
  auto trace = trace_json(subject.title(), found, layers);
  if (!kernels.empty()) add_kernels(trace, kernels);
  write_files(a.out, subject, peaks, trace, rows);
}

}  // namespace

void add_profile_command(CLI::App& app) {
  const auto a = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("profile", "where a step's time goes, op by op, beside what the machine can do");
  command->add_option("MODEL", a->model,
                      "polarmask-r50, polarmask-r101, polarmask-x101, siammask-r50 (crops of 255); or to train a "
                      "configuration, FILE.toml, with its data");
  command->add_option("MODE", a->mode, "infer or train")->check(CLI::IsMember({"infer", "train"}));
  command->add_option("--size", a->size, "HxW in pixels; padded to multiples of 32")->capture_default_str();
  command->add_option("--batch", a->batch, "pictures a step")->check(CLI::Range(1, 1024))->capture_default_str();
  command->add_option("--set", a->overrides, "with a configuration: key=value, as train takes them (repeatable)")
      ->allow_extra_args(false);
  command->add_option("--steps", a->steps, "steps profiled, and as many timed without the profiler")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--threads", a->threads, "OpenMP threads; 0: all")->check(CLI::Range(0, 1024));
  command->add_option("--device", a->device, "auto, cpu or cuda")->capture_default_str();
  command->add_option("--dtype", a->dtype, "of activations: f32, bf16, or auto (bf16 to train on a GPU, else f32)");
  add_exact_option(*command, a->exact);
  command->add_option("--by", a->by, "rows of the table: op, layer or shape")
      ->check(CLI::IsMember({"op", "layer", "shape"}))
      ->capture_default_str();
  command->add_option("--rows", a->rows, "of the table, at most")->check(CLI::Range(1, 100000))->capture_default_str();
  command->add_option("--peak", a->peak, "FILE of `azimuth bench peak --json`; else measured first, in a second");
  command->add_option("--out", a->out, "DIR for ops.json, trace.json (Perfetto, chrome://tracing) and roofline.svg");
  command->add_option("--compare", a->compare, "A.json B.json: two profiles side by side, by op; runs nothing")
      ->expected(2);
  command->callback([a] {
    if (!a->compare.empty()) {
      fmt::print("{}", comparison_table(read_ops(a->compare[0]), read_ops(a->compare[1])));
      return;
    }
    if (a->mode.empty()) throw CLI::RequiredError("MODEL and infer or train, or --compare A.json B.json");
    run_profile(*a);
  });
}

}  // namespace az::cli
