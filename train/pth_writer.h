// PyTorch checkpoints that `torch.load(file, weights_only=True)` reads.
#pragma once

#include <filesystem>
#include <string>

#include "tensor/safetensors.h"

namespace az::train {

/// The bytes of a .pth (zip layout) that holds an OrderedDict of these tensors, names in order. The tensors are written
/// as they are: pass PyTorch's layouts (OIHW). The same tensors give the same bytes. Error: an undefined tensor.
std::string encode_pth(const StateDict& state);

/// Writes that file whole or not at all (tensor/file.h).
void write_pth(const std::filesystem::path& file, const StateDict& state);

}  // namespace az::train
