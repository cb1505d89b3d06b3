#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/eval.h"
#include "cli/image_model.h"
#include "cpu/rle.h"
#include "eval/overlay_item.h"
#include "tensor/file.h"

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
  ImageModel model(a, a.weights, a.names, *device);
  fs::create_directories(a.out);
  Json all = Json::array();
  for (const std::string& file : a.images) {
    const data::Image image = data::read_image(file);
    auto found = model.detect(image);
    std::erase_if(found, [&](const models::Instance& one) { return static_cast<double>(one.score) < a.score; });
    std::vector<eval::OverlayItem> items;
    Json instances = Json::array();
    for (const auto& one : found) {
      const std::string& name = model.name(one);
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
