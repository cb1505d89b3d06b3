#include "cli/image_model.h"

#include <fmt/format.h>

#include "data/coco.h"
#include "tensor/error.h"
#include "train/checkpoint.h"

namespace az::cli {
namespace {

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

}  // namespace

ImageModel::ImageModel(const ConfigArguments& how, const std::string& weights, const std::string& names,
                       Device& device) {
  LoadedConfig loaded = load_config(how.config, how.overrides);
  const std::string file = train::find_weights(weights).front().string();
  StateDict tensors = read_weights(file, device);
  const int64_t classes = classes_of(tensors, file);
  network_ = make_network(loaded.polarmask, classes, device, /*blank=*/true);
  load_weights(*network_, std::move(tensors), file, /*whole=*/true);
  detector_.emplace(
      *network_, loaded.polarmask, classes, device,
      models::DetectorOptions{.activations = activation_dtype(how.dtype, device, DType::f32), .graphs = !how.eager});
  names_ = class_names(names, classes);
}

std::vector<models::Instance> ImageModel::detect(const data::Image& image) { return detector_->detect(image); }

const std::string& ImageModel::name(const models::Instance& one) const {
  return names_.at(static_cast<size_t>(one.label));
}

}  // namespace az::cli
