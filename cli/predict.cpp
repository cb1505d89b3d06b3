#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/eval.h"
#include "cli/polarmask.h"
#include "cpu/rle.h"
#include "data/coco.h"
#include "eval/overlay_item.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "train/checkpoint.h"

namespace az::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct Arguments : ConfigArguments {
  std::string weights, out = "predictions", names;
  std::vector<std::string> images;
  double score = 0.3;
  bool json = false;
};

/// Class names: of a COCO file where one is given, else class 1, class 2, ...
std::vector<std::string> class_names(const std::string& annotations, int64_t classes) {
  std::vector<std::string> names;
  if (!annotations.empty())
    for (const auto& category : data::read_coco(annotations).categories) names.push_back(category.name);
  AZ_CHECK(names.empty() || static_cast<int64_t>(names.size()) == classes,
           "{}: {} categories, the network has {} classes", annotations, names.size(), classes);
  for (auto i = static_cast<int64_t>(names.size()); i < classes; ++i) names.push_back(fmt::format("class {}", i + 1));
  return names;
}

/// The number of classes that the weights were trained with: rows of the class convolution.
int64_t classes_of(const StateDict& weights, const std::string& file) {
  for (const char* name : {"bbox_head.polar_cls.weight", "bbox_head.fcos_cls.weight"})
    if (const auto found = weights.find(name); found != weights.end() && found->second.rank() == 4)
      return found->second.dim(0);
  fail("{}: no bbox_head.polar_cls.weight; not a PolarMask checkpoint (import it first?)", file);
}

Json instance_json(const models::Instance& one, const std::string& name) {
  return {{"class", name},
          {"label", one.label},
          {"score", one.score},
          {"bbox", one.box},
          {"centre", one.centre},
          {"polygon", one.polygon},
          {"segmentation", {{"size", {one.mask.height, one.mask.width}}, {"counts", cpu::rle_to_string(one.mask)}}}};
}

void run(const Arguments& a) {
  const auto device = make_device(a);
  LoadedConfig loaded = load_config(a.config, a.overrides);
  models::PolarMaskConfig& config = loaded.polarmask;
  const std::string weights_file = train::find_weights(a.weights).front().string();
  StateDict weights = read_weights(weights_file, *device);
  const int64_t classes = classes_of(weights, weights_file);
  const auto network = make_network(config, classes, *device, /*blank=*/true);
  load_weights(*network, std::move(weights), weights_file, /*whole=*/true);
  models::PolarDetector detector(*network, config, classes, *device,
                                 {.activations = activation_dtype(a.dtype, *device, DType::f32), .graphs = !a.eager});
  const auto names = class_names(a.names, classes);
  fs::create_directories(a.out);
  Json all = Json::array();
  for (const std::string& file : a.images) {
    const data::Image image = data::read_image(file);
    auto found = detector.detect(image);
    std::erase_if(found, [&](const models::Instance& one) { return static_cast<double>(one.score) < a.score; });
    std::vector<eval::OverlayItem> items;
    Json instances = Json::array();
    for (const auto& one : found) {
      const std::string& name = names[static_cast<size_t>(one.label)];
      items.push_back(eval::overlay_item(one, name));
      instances.push_back(instance_json(one, name));
    }
    const fs::path picture = fs::path(a.out) / (fs::path(file).stem().string() + ".jpg");
    data::write_jpeg(picture, eval::draw_overlay(image, items));
    const Json result{{"image", file}, {"width", image.width}, {"height", image.height}, {"instances", instances}};
    write_file(fs::path(picture).replace_extension(".json"), result.dump() + "\n");
    all.push_back(result);
    if (!a.json) fmt::print("{}: {} objects -> {}\n", file, found.size(), picture.string());
  }
  if (a.json) fmt::print("{}\n", all.dump());
}

}  // namespace

void add_predict_command(CLI::App& app) {
  const auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("predict", "find the objects of photographs: JSON and overlay pictures");
  add_config_options(*command, *a);
  command->add_option("--weights", a->weights, "weights file or run folder")->required();
  command->add_option("IMAGE", a->images, "photographs")->required();
  command->add_option("--out", a->out, "folder for NAME.jpg and NAME.json")->capture_default_str();
  command->add_option("--names", a->names, "COCO annotation file that names the classes");
  command->add_option("--score", a->score, "objects below it are left out");
  command->add_flag("--json", a->json, "one JSON array on stdout");
  command->callback([a] { run(*a); });
}

}  // namespace az::cli
