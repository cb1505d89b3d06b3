// What the commands share for PolarMask: configuration, network and weights from the command line.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/polarmask/config.h"
#include "tensor/device.h"
#include "tensor/safetensors.h"

namespace CLI {
class App;
}

namespace az::cli {

/// The device that --device names: cpu, cuda, or auto, which is a GPU where there is one. `exact`: no Winograd
/// convolutions on the CPU, no TF32 on a GPU.
/// Error: cuda, where the build or the machine has none: one line that says what is missing.
std::unique_ptr<Device> make_device(const std::string& name, bool exact = false);

/// What --dtype asks of activations: f32, bf16, f16, or auto: `on_gpu` on the CUDA device, f32 elsewhere.
/// Error: another name.
DType activation_dtype(const std::string& name, const Device& device, DType on_gpu);
/// The same to train, where auto is bf16 on the CUDA device. Error: f16 too, which would want its losses scaled.
DType training_dtype(const std::string& name, const Device& device);

/// --exact, of every command that runs a network.
void add_exact_option(CLI::App& command, bool& exact);

/// What every command that reads a configuration takes: CONFIG, --set, --device, --dtype, --tf32, --eager, --exact.
struct ConfigArguments {
  std::string config, device = "auto", dtype = "auto";
  std::vector<std::string> overrides;
  bool eager = false, exact = false, tf32 = false;
};
void add_config_options(CLI::App& command, ConfigArguments& arguments);

/// --tf32: f32 convolutions and products of the device may round their factors to 10 bits of mantissa.
/// Error: not a CUDA device, or one made `exact`.
void allow_tf32(Device& device);
/// The device of --device, with --exact and --tf32 where they were given.
std::unique_ptr<Device> make_device(const ConfigArguments& arguments);

/// A configuration with its text as it took effect.
struct LoadedConfig {
  models::PolarMaskConfig polarmask;
  std::string text;
};

/// Reads FILE with --set overrides. Error: a system other than polarmask, or what the reader says.
LoadedConfig load_config(const std::string& file, const std::vector<std::string>& overrides = {});

/// The network of a name: polarmask-r50, polarmask-r101 (strides on the first 1x1, as published) or polarmask-x101; the
/// stem and stage 1 frozen. Error: another name.
models::PolarMaskOptions named_model(const std::string& name);

/// The network of a configuration, initialised from its seed, or blank: convolution weights are left unset until a
/// load. `classes` stands in where the configuration leaves the number to the annotation file.
std::unique_ptr<models::PolarMask> make_network(models::PolarMaskConfig& config, int64_t classes, Device& device,
                                                bool blank = false);

/// The tensors of weights: a checkpoint of ours, other safetensors, or .pth, under the file's names and in its layouts.
StateDict read_weights(const std::string& file, Device& device);
/// Gives them to the network (names mapped as `import` does). Says on stderr what was missing or unused.
/// Errors: nothing fits; `whole`, and the network has a tensor that the file lacks.
void load_weights(nn::Module& network, StateDict weights, const std::string& file, bool whole = false);

}  // namespace az::cli
