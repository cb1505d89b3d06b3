// What makes torchvision's ResNets usable as SiamMask's backbone, which differs from them in two points. Our extension:
// the reference has no use for such weights (specs/siammask.md section 2).
#pragma once

#include <string>

#include "tensor/safetensors.h"

namespace az::train {

/// A shortcut's 1x1 kernel [out, in, 1, 1] in the centre of a 3x3 one of zeros [out, in, 3, 3], which takes the same
/// pixels: the 3x3 convolution beside it has the same stride and padding. f32. An undefined tensor if `name` is no
/// shortcut's or the shapes are not those.
Tensor centred_shortcut(const std::string& name, const Tensor& kernel, const Shape& wanted);

/// torchvision's networks see RGB, (x / 255 - mean) / std; SiamMask's see BGR, 0 to 255. Rewrites the first convolution
/// [out, 3, k, k] and the running mean [out] of the norm behind it, so that they give for the one what they gave for
/// the other. Exact, since that convolution does not pad.
void fold_normalisation(Tensor& conv, Tensor& running_mean);

}  // namespace az::train
