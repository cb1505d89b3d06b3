#include "cli/polarmask.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <utility>

#include "cpu/device.h"
#include "cuda/build.h"
#include "cuda/device.h"
#include "cuda/library.h"
#include "models/config.h"
#include "nn/module.h"
#include "tensor/error.h"
#include "tensor/layout.h"
#include "train/checkpoint.h"
#include "train/import_names.h"
#include "train/pth_reader.h"

namespace az::cli {

namespace {

/// A template, so that a build without CUDA leaves the device out.
template <bool kBuilt>
std::unique_ptr<Device> make_cuda_device(bool exact) {
  if constexpr (kBuilt) return std::make_unique<cuda::CudaDevice>(0, exact);
  fail("--device cuda: this build has no CUDA device (AZ_CUDA=off, or no toolkit was found); use --device cpu");
}

/// Whether the device now rounds to TF32.
template <bool kBuilt>
bool take_tf32(Device& device) {
  if constexpr (kBuilt) {
    if (device.kind() != DeviceKind::cuda) return false;
    cuda::Library& library = cuda::device_of(device).library();
    library.allow_tf32(true);
    return library.tf32();
  }
  return false;
}

/// Whether `auto` means the GPU.
template <bool kBuilt>
bool has_gpu() {
  if constexpr (kBuilt) return !cuda::kEmulated && cuda::unavailable().empty();
  return false;
}

}  // namespace

std::unique_ptr<Device> make_device(const std::string& name, bool exact) {
  AZ_CHECK(name == "auto" || name == "cpu" || name == "cuda", "--device {}: want auto, cpu or cuda", name);
  if (name == "cuda" || (name == "auto" && has_gpu<cuda::kBuilt>())) return make_cuda_device<cuda::kBuilt>(exact);
  auto device = std::make_unique<cpu::CpuDevice>();
  device->set_winograd(!exact);
  return device;
}

void allow_tf32(Device& device) {
  AZ_CHECK(take_tf32<cuda::kBuilt>(device),
           "--tf32: {} computes f32 products in f32; leave it out, or use --device cuda without --exact",
           device.name());
}

std::unique_ptr<Device> make_device(const ConfigArguments& a) {
  auto device = make_device(a.device, a.exact);
  if (a.tf32) allow_tf32(*device);
  return device;
}

DType activation_dtype(const std::string& name, const Device& device, DType on_gpu) {
  if (name == "auto") return device.kind() == DeviceKind::cuda ? on_gpu : DType::f32;
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16})
    if (name == dtype_name(dtype)) return dtype;
  fail("--dtype {}: want auto, f32, bf16 or f16", name);
}

DType training_dtype(const std::string& name, const Device& device) {
  const DType dtype = activation_dtype(name, device, DType::bf16);
  AZ_CHECK(
      dtype != DType::f16,
      "--dtype f16: gradients leave its range, which ends at 65504 and 6e-8; train with --dtype bf16, and predict, "
      "evaluate or bench inference with f16");
  return dtype;
}

void add_exact_option(CLI::App& command, bool& exact) {
  command.add_flag("--exact", exact, "convolutions without Winograd's transforms on a CPU, without TF32 on a GPU");
}

void add_config_options(CLI::App& command, ConfigArguments& a) {
  command.add_option("CONFIG", a.config, "configuration, e.g. configs/polarmask/tiny.toml")->required();
  command.add_option("--set", a.overrides, "key=value that goes before the file, e.g. data.root=coco (repeatable)")
      ->allow_extra_args(false);
  command.add_option("--device", a.device, "auto (a GPU where there is one), cpu or cuda");
  command.add_option("--dtype", a.dtype,
                     "of activations: f32, bf16, f16 (not to train), or auto (bf16 to train on a GPU, else f32)");
  command.add_flag("--tf32", a.tf32, "on a GPU: f32 convolutions may round their factors to 10 bits (TF32), for speed");
  command.add_flag("--eager", a.eager, "on a GPU: no CUDA graphs");
  add_exact_option(command, a.exact);
}

models::PolarMaskOptions named_model(const std::string& name) {
  models::PolarMaskOptions o;
  if (name == "polarmask-x101") {
    o.backbone = nn::resnet_depth(101);
    o.backbone.groups = 64;
    o.backbone.base_width = 4;
  } else if (name == "polarmask-r50" || name == "polarmask-r101") {
    o.backbone = nn::resnet_depth(name == "polarmask-r50" ? 50 : 101);
    o.backbone.style = nn::Style::caffe;
  } else {
    fail("unknown model '{}', want polarmask-r50, polarmask-r101 or polarmask-x101", name);
  }
  o.backbone.frozen_stages = 1;
  return o;
}

LoadedConfig load_config(const std::string& file, const std::vector<std::string>& overrides) {
  models::Config config = models::Config::load(file, overrides);
  LoadedConfig loaded{models::parse_polarmask_config(config), {}};
  loaded.text = config.dump();
  return loaded;
}

std::unique_ptr<models::PolarMask> make_network(models::PolarMaskConfig& config, int64_t classes, Device& device,
                                                bool blank) {
  if (config.model.head.classes == 0) config.model.head.classes = classes;
  AZ_CHECK(config.model.head.classes == classes,
           "model.head.classes is {}, the annotation file has {} categories; leave it out or set it to 0",
           config.model.head.classes, classes);
  return std::make_unique<models::PolarMask>(nn::Builder{device, static_cast<uint64_t>(config.train.seed), blank},
                                             config.model);
}

StateDict read_weights(const std::string& file, Device& device) {
  const bool pth = file.ends_with(".pth") || file.ends_with(".pt");
  return pth ? train::read_pth(file, device) : train::load_model(file, device);
}

void load_weights(nn::Module& network, StateDict weights, const std::string& file, bool whole) {
  Device& device = nn::entries(network).front().tensor->device();
  {
    train::Import import = train::import_names(std::exchange(weights, {}), nn::state_shapes(network));
    const std::string notes = import.str();
    AZ_CHECK(!whole || (import.missing.empty() && import.mismatched.empty()),
             "{}: not all of this network's weights:\n{}", file, notes);
    nn::load_state_dict(network, std::move(import.tensors));
    if (!notes.empty()) fmt::print(stderr, "{}: {}\n", file, notes);
  }
  device.allocator().trim();  // what the file's tensors took
}

}  // namespace az::cli
