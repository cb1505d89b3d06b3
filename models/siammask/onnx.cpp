#include "models/siammask/onnx.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "autograd/node.h"
#include "tensor/error.h"

namespace az::models {

using autograd::NamedTensors;

namespace {

NamedTensors kernels_of(const SiamTemplate& t) {
  NamedTensors kernels = {{"kernel_classes", t.classes}, {"kernel_boxes", t.boxes}};
  if (t.masks.defined()) kernels.emplace_back("kernel_masks", t.masks);
  return kernels;
}

/// What Refine takes of a search.
NamedTensors refine_inputs(const SiamSearch& found) {
  return {{"p0", found.early[0]}, {"p1", found.early[1]}, {"p2", found.early[2]}, {"correlation", found.correlation}};
}

NamedTensors outputs_of(SiamMask& network, const SiamSearch& found) {
  NamedTensors outputs = {{"classes", found.classes}, {"boxes", found.boxes}};
  if (network.options().refine) {
    for (auto& named : refine_inputs(found)) outputs.push_back(std::move(named));
  } else if (network.options().mask_side > 0) {
    outputs.emplace_back("masks", network.masks(found));
  }
  return outputs;
}

/// Cells all over the map, the corners first.
Tensor example_cells(int64_t count, int64_t images, int64_t side, Device& device) {
  std::vector<int32_t> cells;
  for (int64_t k = 0; k < count; ++k) {
    const int64_t row = k == 0 ? 0 : k == 1 ? side - 1 : k * 7 % side, column = k == 0 ? side - 1 : k * 5 % side;
    for (const int64_t v : {k % images, row, column}) cells.push_back(static_cast<int32_t>(v));
  }
  return Tensor::from(cells, {count, 3}, device);
}

nn::OnnxPart refine_part(SiamMask& network, const NamedTensors& searched, const SiamOnnxOptions& o) {
  const auto at = [&](const char* name) {
    return *std::ranges::find(searched, name, &std::pair<std::string, Tensor>::first);
  };
  NamedTensors inputs = {at("p0"), at("p1"), at("p2"), at("correlation")};
  const Tensor& correlation = inputs.back().second;
  inputs.emplace_back("cells", example_cells(o.images, o.images, correlation.dim(1), correlation.device()));
  return nn::onnx_part(network, "refine", inputs, [&](const std::vector<Tensor>& x) -> NamedTensors {
    const SiamSearch found{.classes = {}, .boxes = {}, .correlation = x[3], .early = {x[0], x[1], x[2]}};
    return {{"masks", network.refine(found, x[4], /*padded=*/true)}};
  });
}

/// The text behind the last `part` in the name, or nothing.
std::string_view after(std::string_view name, std::string_view part) {
  const size_t at = name.rfind(part);
  return at == std::string_view::npos ? std::string_view() : name.substr(at + part.size());
}

}  // namespace

std::vector<nn::OnnxPart> onnx_parts(SiamMask& network, const SiamOnnxOptions& o, Device& device) {
  const auto image = [&](int64_t side) { return nn::onnx_example({o.images, side, side, 3}, 0, 255, device); };
  std::vector<nn::OnnxPart> parts;
  parts.push_back(nn::onnx_part(network, "template", {{"template", image(o.template_side)}},
                                [&](const std::vector<Tensor>& x) { return kernels_of(network.make_template(x[0])); }));
  NamedTensors inputs = {{"search", image(o.search_side)}};
  inputs.insert(inputs.end(), parts[0].outputs.begin(), parts[0].outputs.end());
  parts.push_back(nn::onnx_part(network, "search", inputs, [&](const std::vector<Tensor>& x) {
    const SiamTemplate kernels{x[1], x[2], x.size() > 3 ? x[3] : Tensor()};
    return outputs_of(network, network.search(x[0], kernels));
  }));
  if (network.options().refine) parts.push_back(refine_part(network, parts[1].outputs, o));
  return parts;
}

SiamMaskOptions siammask_options_of(const std::map<std::string, Shape>& state) {
  SiamMaskOptions o;
  o.mask_side = 0;
  o.refine = false;
  o.backbone.blocks = {0, 0, 0};
  o.anchors = o.backbone.width = 0;
  for (const auto& [name, shape] : state) {
    if (name.ends_with("cls.head.3.weight") && shape.rank() == 4) o.anchors = shape[0] / 2, o.channels = shape[1];
    if ((name.ends_with("mask.head.3.weight") || name.ends_with("mask_head.head.3.weight")) && shape.rank() == 4)
      o.mask_side = std::lround(std::sqrt(static_cast<double>(shape[0])));
    if (name.ends_with(".deconv.weight")) o.refine = true;
    if (name.ends_with("layer1.0.conv1.weight") && shape.rank() == 4) o.backbone.width = shape[0];
    const std::string_view block = after(name, "layer");  // "3.5.conv1.weight"
    if (block.size() < 3 || block[0] < '1' || block[0] > '3' || block[1] != '.') continue;
    int number = 0;
    const auto read = std::from_chars(block.data() + 2, block.data() + block.size(), number);
    if (read.ec != std::errc() || number < 0 || number > 1000) continue;
    int& count = o.backbone.blocks[static_cast<size_t>(block[0] - '1')];
    count = std::max(count, number + 1);
  }
  AZ_CHECK(
      o.anchors > 0 && o.backbone.width > 0 && std::ranges::min(o.backbone.blocks) > 0,
      "siammask: the weights lack {}; want those of a SiamMask, as rpn_model.cls.head.3.weight and layer1 to layer3",
      o.anchors > 0 ? "a stage of the backbone" : "the head of the classes");
  return o;
}

}  // namespace az::models
