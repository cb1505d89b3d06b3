#include "nn/onnx.h"

#include "tensor/error.h"
#include "tensor/rng.h"

namespace az::nn {

using autograd::NamedTensors;

OnnxPart onnx_part(Module& module, const std::string& name, const NamedTensors& inputs,
                   const std::function<NamedTensors(const std::vector<Tensor>&)>& forward) {
  AZ_CHECK(!module.training(), "onnx: {} is in training mode", name);
  freeze(module);
  std::map<uint64_t, std::string> weights;
  for (const Entry& e : entries(module)) weights[e.tensor->storage_id()] = e.name;
  OnnxPart part;
  std::vector<Tensor> arguments;
  for (const auto& [input, tensor] : inputs) {
    Tensor leaf = tensor.detached();
    if (leaf.dtype() == DType::f32) autograd::set_requires_grad(leaf, true);
    part.inputs.emplace_back(input, leaf);
    arguments.push_back(leaf);
  }
  const NamedTensors outputs = forward(arguments);
  part.graph = autograd::onnx_graph(name, part.inputs, outputs, weights);
  for (auto& [input, tensor] : part.inputs) tensor = tensor.detached();
  for (const auto& [output, tensor] : outputs) part.outputs.emplace_back(output, tensor.detached());
  return part;
}

Tensor onnx_example(const Shape& shape, double low, double high, Device& device) {
  Rng rng(0, Purpose::test);
  std::vector<float> values(static_cast<size_t>(shape.numel()));
  for (float& v : values) v = static_cast<float>(rng.uniform(low, high));
  return Tensor::from(values, shape, device);
}

}  // namespace az::nn
