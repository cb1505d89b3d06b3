#include "train/onnx_file.h"

#include "tensor/error.h"
#include "tensor/file.h"
#include "train/protobuf.h"

namespace az::train {
namespace {

using autograd::OnnxAttribute;
using autograd::OnnxConstant;
using autograd::OnnxGraph;
using autograd::OnnxNode;
using autograd::OnnxValue;

constexpr int64_t kIrVersion = 7, kOperatorSet = 13;

/// TensorProto.DataType
int64_t onnx_type(const std::string& name, DType dtype) {
  switch (dtype) {
    case DType::f32: return 1;
    case DType::i32: return 6;
    case DType::i64: return 7;
    default: fail("onnx: {} is {}, want f32, i32 or i64", name, dtype_name(dtype));
  }
}

/// AttributeProto {string name = 1; float f = 2; int64 i = 3; bytes s = 4; repeated int64 ints = 8; type = 20}
std::string attribute_proto(const OnnxAttribute& attribute) {
  enum AttributeType : int64_t { kFloat = 1, kInt = 2, kString = 3, kInts = 7 };
  std::string out;
  put_bytes(out, 1, attribute.name);
  AttributeType type = kInts;
  if (const auto* f = std::get_if<float>(&attribute.value)) {
    type = kFloat;
    put_float(out, 2, *f);
  } else if (const auto* i = std::get_if<int64_t>(&attribute.value)) {
    type = kInt;
    put_integer(out, 3, *i);
  } else if (const auto* s = std::get_if<std::string>(&attribute.value)) {
    type = kString;
    put_bytes(out, 4, *s);
  } else {
    for (const int64_t v : std::get<std::vector<int64_t>>(attribute.value)) put_integer(out, 8, v);
  }
  put_integer(out, 20, type);
  return out;
}

/// NodeProto {repeated string input = 1, output = 2; string name = 3, op_type = 4; repeated AttributeProto = 5}
std::string node_proto(const OnnxNode& node) {
  std::string out;
  for (const std::string& input : node.inputs) put_bytes(out, 1, input);
  put_bytes(out, 2, node.output);
  put_bytes(out, 3, node.name);
  put_bytes(out, 4, node.type);
  for (const OnnxAttribute& attribute : node.attributes) put_bytes(out, 5, attribute_proto(attribute));
  return out;
}

/// TensorProto {repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9}
std::string tensor_proto(const OnnxConstant& constant) {
  const Tensor& t = constant.value;
  std::string out;
  for (const int64_t d : t.shape().dims()) put_integer(out, 1, d);
  put_integer(out, 2, onnx_type(constant.name, t.dtype()));
  put_bytes(out, 8, constant.name);
  put_bytes(out, 9, {static_cast<const char*>(t.raw()), static_cast<size_t>(t.bytes())});
  return out;
}

/// ValueInfoProto {string name = 1; TypeProto type = 2 {Tensor tensor_type = 1 {int32 elem_type = 1; TensorShapeProto
/// shape = 2 {repeated Dimension dim = 1 {int64 dim_value = 1}}}}}
std::string value_proto(const OnnxValue& value) {
  std::string shape;
  for (const int64_t d : value.shape.dims()) {
    std::string dim;
    put_integer(dim, 1, d);
    put_bytes(shape, 1, dim);
  }
  std::string tensor, type, out;
  put_integer(tensor, 1, onnx_type(value.name, value.dtype));
  put_bytes(tensor, 2, shape);
  put_bytes(type, 1, tensor);
  put_bytes(out, 1, value.name);
  put_bytes(out, 2, type);
  return out;
}

/// GraphProto {NodeProto node = 1; string name = 2; TensorProto initializer = 5; ValueInfoProto input = 11, output =
/// 12}
std::string graph_proto(const OnnxGraph& graph) {
  std::string out;
  for (const OnnxNode& node : graph.nodes) put_bytes(out, 1, node_proto(node));
  put_bytes(out, 2, graph.name);
  for (const OnnxConstant& constant : graph.constants) put_bytes(out, 5, tensor_proto(constant));
  for (const OnnxValue& value : graph.inputs) put_bytes(out, 11, value_proto(value));
  for (const OnnxValue& value : graph.outputs) put_bytes(out, 12, value_proto(value));
  return out;
}

}  // namespace

std::string encode_onnx(const OnnxGraph& graph) {
  constexpr int64_t kMost = (int64_t{1} << 31) - (1 << 20);  // leaves room for what is not a constant
  int64_t bytes = 0;
  for (const OnnxConstant& constant : graph.constants) bytes += constant.value.bytes();
  AZ_CHECK(bytes < kMost, "onnx: the constants of {} are {} bytes; one file holds less than 2 GB", graph.name, bytes);
  // ModelProto {int64 ir_version = 1; string producer_name = 2; GraphProto graph = 7; OperatorSetIdProto
  // opset_import = 8 {string domain = 1; int64 version = 2}}
  std::string operators, model;
  put_bytes(operators, 1, "");
  put_integer(operators, 2, kOperatorSet);
  put_integer(model, 1, kIrVersion);
  put_bytes(model, 2, "azimuth");
  put_bytes(model, 7, graph_proto(graph));
  put_bytes(model, 8, operators);
  return model;
}

void write_onnx(const std::filesystem::path& file, const OnnxGraph& graph) { write_file(file, encode_onnx(graph)); }

}  // namespace az::train
