// The safetensors format: a JSON header with a name, dtype, shape and byte range for each tensor, then the bytes.
//
// The reader trusts nothing: header length, JSON, duplicate names, overflowing shapes, ranges that overlap, leave holes
// or disagree with dtype and shape, and bytes at the end are errors that name the file and the tensor. Tensors keep the
// file's shape and order of elements; layouts (OIHW) are the caller's matter.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace az {

/// Tensors by their names.
using StateDict = std::map<std::string, Tensor>;
/// The free text fields of a safetensors header.
using Metadata = std::map<std::string, std::string>;

/// Every tensor of the file. F32, BF16, F64, I32, I64 and U8 keep their types; F16 is read as f32, I16, U16 and I8 as
/// i32, BOOL as u8. Rank at most Shape::kMaxRank. Error: `FILE: what is wrong`.
/// wanted  tensors whose names it refuses are left out, and their bytes are not read; null: all
StateDict read_safetensors(const std::filesystem::path& file, Device& device, Metadata* metadata = nullptr,
                           bool (*wanted)(const std::string& name) = nullptr);

/// The same from memory; `name` stands for the file in errors.
StateDict decode_safetensors(std::string_view bytes, const std::string& name, Device& device,
                             Metadata* metadata = nullptr);

/// The bytes of a file that holds these tensors. The same tensors give the same bytes: wider types first, then by name,
/// so that every tensor is aligned to its type. Error: a name or metadata that is not UTF-8, or an undefined tensor.
std::string encode_safetensors(const StateDict& tensors, const Metadata& metadata = {});

/// Writes that file whole or not at all (tensor/file.h).
void write_safetensors(const std::filesystem::path& file, const StateDict& tensors, const Metadata& metadata = {});

}  // namespace az
