// A trained image model as commands run it: `predict` on photographs, `track --init` on a video's first frame.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/polarmask.h"
#include "models/polarmask/detector.h"

namespace az::cli {

/// PolarMask with its weights and its classes' names.
class ImageModel {
 public:
  /// CONFIG, overrides, --dtype and --eager are those of `how`; `weights` is a file or a run's folder; `names` a COCO
  /// annotation file that names the classes, or empty: class 1, class 2, … The device outlives the model.
  /// Errors: those of the configuration and the weights; another number of names than of classes.
  ImageModel(const ConfigArguments& how, const std::string& weights, const std::string& names, Device& device);

  /// The objects of a picture, in the detector's order.
  std::vector<models::Instance> detect(const data::Image& image);
  /// The class of an object.
  const std::string& name(const models::Instance& one) const;

 private:
  std::vector<std::string> names_;
  std::unique_ptr<models::PolarMask> network_;
  std::optional<models::PolarDetector> detector_;
};

}  // namespace az::cli
