// ONNX files.
//
// Half a dozen message types of onnx.proto3 are written by hand (train/protobuf.h): ModelProto, GraphProto, NodeProto,
// AttributeProto, TensorProto, ValueInfoProto. IR version 7 with operator set 13, which onnx 1.8 (2020) and all later
// tools read.
#pragma once

#include <filesystem>
#include <string>

#include "autograd/onnx.h"

namespace az::train {

/// The bytes of the graph's file, constants inline. Error: they would pass 2 GB, which protobuf cannot hold.
std::string encode_onnx(const autograd::OnnxGraph& graph);

/// Writes that file whole or not at all (tensor/file.h).
void write_onnx(const std::filesystem::path& file, const autograd::OnnxGraph& graph);

}  // namespace az::train
