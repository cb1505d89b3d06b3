// ONNX graphs run in plain loops and double precision, written from docs/Operators.md.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "autograd/onnx.h"
#include "tests/support/onnx_reader.h"

namespace az::test {

struct OnnxArray {
  std::vector<int64_t> dims;
  std::vector<double> values;

  int64_t count() const { return static_cast<int64_t>(values.size()); }
};

/// The graph's outputs for these inputs. Error: an operator or an attribute that it does not know, shapes other than
/// the file's.
std::map<std::string, OnnxArray> run_onnx(const OnnxFile& file, std::map<std::string, OnnxArray> values);

/// A tensor as a graph has it: NCHW.
OnnxArray onnx_array(const Tensor& t);

/// A graph, written, read back and run.
struct OnnxRound {
  OnnxFile file;
  std::vector<std::string> faults;
  double worst = 0;  ///< largest deviation from our outputs, relative to the largest value of each
};
OnnxRound check_onnx(const autograd::OnnxGraph& graph, const autograd::NamedTensors& inputs,
                     const autograd::NamedTensors& outputs);

}  // namespace az::test
