// Names of published checkpoints -> names of our networks, which are the references' own.
#pragma once

#include <string>
#include <vector>

#include "tensor/safetensors.h"

namespace az::train {

/// What an import found. Texts are "name [shape]".
struct Import {
  StateDict tensors;                    ///< by the network's names, in the file's layouts
  std::vector<std::string> missing;     ///< in the network, not in the file (batch counters are not asked for)
  std::vector<std::string> unused;      ///< in the file, not in the network
  std::vector<std::string> mismatched;  ///< of another shape in the file: left out of `tensors`
  std::vector<std::string> dropped;     ///< known to have no use here: the ImageNet classifier of a backbone
  std::vector<std::string> centred;     ///< 1x1 shortcuts that became 3x3 ones (train/import_torchvision.h)
  std::vector<std::string> folded;      ///< rewritten for pictures without torchvision's normalisation (same file)

  /// A line for each list that is not empty, for people; long lists are cut.
  std::string str() const;
};

/// Matches a file's tensors with a network's. A name matches as it is, or after the first of these that fits: without
/// `module.`; mmdetection's older `fcos_cls`, `fcos_reg`, `fcos_mask`, `fcos_centerness` as `polar_*`; with `backbone.`
/// in front (torchvision's ResNets and ResNeXts), or without it (a backbone alone from a whole detector); for SiamMask
/// with pysot's names of its parts, or with `features.` or `features.features.` in front of a backbone's. A usual
/// ResNet fits SiamMask's backbone but for its shortcuts, whose kernels are widened; one with torchvision's classifier
/// is one of torchvision's, so its normalisation of pictures goes into conv1 and bn1. `network` has the names and
/// shapes wanted, in PyTorch's layouts (nn::state_shapes). Errors: two tensors of the file get the same name, or none
/// fits.
Import import_names(const StateDict& file, const std::map<std::string, Shape>& network);

}  // namespace az::train
