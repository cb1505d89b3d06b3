// ONNX files as tests see them: decoded field by field, apart from the code that writes them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace az::test {

struct OnnxFileNode {
  std::string type, name;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, std::vector<int64_t>> integers;  ///< of attributes INT and INTS
  std::map<std::string, float> numbers;                  ///< FLOAT
  std::map<std::string, std::string> texts;              ///< STRING
};

struct OnnxFileTensor {
  std::vector<int64_t> dims;
  int64_t type = 0;  ///< TensorProto.DataType: 1 f32, 6 i32, 7 i64
  std::string bytes;
};

struct OnnxFile {
  int64_t ir_version = 0, operator_set = 0;
  std::string producer, graph;
  std::vector<OnnxFileNode> nodes;
  std::map<std::string, OnnxFileTensor> constants;
  std::map<std::string, OnnxFileTensor> inputs, outputs;  ///< without bytes
};

/// Error: a field that is not of onnx.proto3 or that ends beyond its message, a name given twice, a constant whose
/// bytes do not fill its shape.
OnnxFile read_onnx(std::string_view bytes);

/// What is wrong with the graph, a line each: a node's input that nothing before it gives, an output that nothing
/// gives, two values of one name, a Transpose.
std::vector<std::string> onnx_faults(const OnnxFile& file);

}  // namespace az::test
