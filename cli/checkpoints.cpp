#include "cli/checkpoints.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/polarmask.h"
#include "models/polarmask/model.h"
#include "tensor/error.h"
#include "tensor/safetensors.h"
#include "train/checkpoint.h"
#include "train/import_names.h"
#include "train/pth_reader.h"
#include "train/pth_writer.h"

namespace az::cli {
namespace {

StateDict read_any(const std::string& file, Device& device) {
  if (file.ends_with(".pth") || file.ends_with(".pt")) return train::read_pth(file, device);
  return train::load_checkpoint(file, device).model;
}

/// The network that a name or a configuration file stands for.
models::PolarMaskOptions options_of(const std::string& model, int64_t classes) {
  models::PolarMaskOptions o = model.ends_with(".toml") ? load_config(model).polarmask.model : named_model(model);
  if (o.head.classes == 0 || !model.ends_with(".toml")) o.head.classes = classes;
  return o;
}

void run_import(const std::string& file, const std::string& model, int64_t classes, const std::string& out) {
  const auto device = make_device("cpu");
  models::PolarMask network({*device, 0}, options_of(model, classes));
  const train::Import import = train::import_names(read_any(file, *device), nn::state_shapes(network));
  write_safetensors(out, import.tensors, {{"format", "azimuth"}, {"source", file}});
  if (const std::string notes = import.str(); !notes.empty()) fmt::print("{}\n", notes);
  fmt::print("{}: {} tensors\n", out, import.tensors.size());
}

void run_export(const std::string& weights, const std::string& out) {
  const auto device = make_device("cpu");
  const StateDict state = read_any(train::find_weights(weights).front().string(), *device);
  train::write_pth(out, state);
  fmt::print("{}: {} tensors\n", out, state.size());
}

}  // namespace

void add_checkpoint_commands(CLI::App& app) {
  struct Arguments {
    std::string file, model = "polarmask-r50", out;
    int64_t classes = 80;
  };
  const auto a = std::make_shared<Arguments>();
  CLI::App* import_command =
      app.add_subcommand("import", "convert a .pth or safetensors checkpoint (torchvision, mmdetection) to ours");
  import_command->add_option("FILE", a->file, "checkpoint: .pth (zip or legacy layout) or .safetensors")->required();
  import_command->add_option("--model", a->model, "polarmask-r50, -r101, -x101 or a configuration file");
  import_command->add_option("--classes", a->classes, "classes of the head where the model leaves it open");
  import_command->add_option("--out", a->out, "safetensors file to write")->required();
  import_command->callback([a] { run_import(a->file, a->model, a->classes, a->out); });

  CLI::App* out = app.add_subcommand("export", "write weights as a .pth that torch.load reads");
  out->add_option("WEIGHTS", a->file, "weights file or run folder")->required();
  out->add_option("--pth", a->out, "file to write")->required();
  out->callback([a] { run_export(a->file, a->out); });
}

}  // namespace az::cli
