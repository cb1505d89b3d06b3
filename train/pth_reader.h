// PyTorch checkpoints (.pth, .pt), read by a parser that can only build tensors and runs nothing.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "tensor/safetensors.h"

namespace az::train {

/// The tensors of a checkpoint in PyTorch's layouts (OIHW), whole and dense. They are taken from `state_dict`, `model`,
/// `model_state_dict` or `net`, whichever is there first, else from the top level; a `module.` in front of a name is
/// dropped, entries that are no tensors are left out. Types as tensor/file_type.h has them. Reads both layouts, also
/// checkpoints full of other Python objects. Errors: `FILE: what is wrong, where`.
StateDict read_pth(const std::filesystem::path& file, Device& device);

/// The same from memory; `name` stands for the file in errors.
StateDict decode_pth(std::string_view bytes, const std::string& name, Device& device);

}  // namespace az::train
