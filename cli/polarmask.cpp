#include "cli/polarmask.h"

#include <fmt/format.h>

#include <filesystem>

#include "cpu/device.h"
#include "models/config.h"
#include "nn/module.h"
#include "tensor/error.h"
#include "tensor/layout.h"
#include "train/checkpoint.h"
#include "train/import_names.h"
#include "train/pth_reader.h"

namespace az::cli {

std::unique_ptr<Device> make_device(const std::string& name, bool exact) {
  AZ_CHECK(name == "auto" || name == "cpu" || name == "cuda", "--device {}: want auto, cpu or cuda", name);
  AZ_CHECK(name != "cuda", "--device cuda: this build has no CUDA device; use --device cpu");
  return std::make_unique<cpu::CpuDevice>(exact);
}

LoadedConfig load_config(const std::string& file, const std::vector<std::string>& overrides) {
  models::Config config = models::Config::load(file, overrides);
  LoadedConfig loaded{models::parse_polarmask_config(config), {}};
  loaded.text = config.dump();
  return loaded;
}

std::unique_ptr<models::PolarMask> make_network(models::PolarMaskConfig& config, int64_t classes, Device& device) {
  if (config.model.head.classes == 0) config.model.head.classes = classes;
  AZ_CHECK(config.model.head.classes == classes,
           "model.head.classes is {}, the annotation file has {} categories; leave it out or set it to 0",
           config.model.head.classes, classes);
  return std::make_unique<models::PolarMask>(nn::Builder{device, static_cast<uint64_t>(config.train.seed)}, config.model);
}

void load_weights(models::PolarMask& network, const std::string& file, Device& device) {
  const bool pth = file.ends_with(".pth") || file.ends_with(".pt");
  const StateDict state = pth ? train::read_pth(file, device) : train::load_checkpoint(file, device).model;
  const train::Import import = train::import_names(state, nn::state_dict(network));
  nn::load_state_dict(network, import.tensors);
  const std::string notes = import.str();
  if (!notes.empty()) fmt::print(stderr, "{}: {}\n", file, notes);
}

}  // namespace az::cli
