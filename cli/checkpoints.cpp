#include "cli/checkpoints.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/export.h"
#include "cli/polarmask.h"
#include "models/polarmask/model.h"
#include "tensor/error.h"
#include "tensor/safetensors.h"
#include "train/import_names.h"

namespace az::cli {

models::PolarMaskOptions polarmask_options_of(const std::string& model, int64_t classes) {
  models::PolarMaskOptions o = model.ends_with(".toml") ? load_config(model).polarmask.model : named_model(model);
  if (o.head.classes == 0 || !model.ends_with(".toml")) o.head.classes = classes;
  return o;
}

namespace {

void run_import(const std::string& file, const std::string& model, int64_t classes, const std::string& out) {
  const auto device = make_device("cpu");
  models::PolarMask network({*device, 0}, polarmask_options_of(model, classes));
  const train::Import import = train::import_names(read_weights(file, *device), nn::state_shapes(network));
  write_safetensors(out, import.tensors, {{"format", "azimuth"}, {"source", file}});
  if (const std::string notes = import.str(); !notes.empty()) fmt::print("{}\n", notes);
  fmt::print("{}: {} tensors\n", out, import.tensors.size());
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
  add_export_command(app);
}

}  // namespace az::cli
