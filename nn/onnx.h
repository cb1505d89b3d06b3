// Parts of networks as ONNX graphs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/onnx.h"
#include "nn/module.h"

namespace az::nn {

/// A graph, and an example of what goes in and what our network gives for it.
struct OnnxPart {
  autograd::OnnxGraph graph;
  autograd::NamedTensors inputs, outputs;  ///< in our layouts, NHWC
};

/// Runs `forward` once on the example inputs and writes down what it did. Constants are named as in the state dict;
/// norms with fixed statistics are folded into their convolutions.
///
/// module   the network, whose parameters are frozen by this, in evaluation mode on the CPU
/// inputs   f32 maps, or i32 tables that ops keep; in the order of `forward`'s arguments
/// Error: what autograd::onnx_graph says
OnnxPart onnx_part(Module& module, const std::string& name, const autograd::NamedTensors& inputs,
                   const std::function<autograd::NamedTensors(const std::vector<Tensor>&)>& forward);

/// An example map of uniform values, the same in every run.
Tensor onnx_example(const Shape& shape, double low, double high, Device& device);

}  // namespace az::nn
