#include "models/polarmask/onnx.h"

#include <fmt/format.h>

namespace az::models {

nn::OnnxPart onnx_part(PolarMask& network, int64_t images, int64_t h, int64_t w, int first_level, Device& device) {
  // A normalised picture lies in about -2..2.
  const autograd::NamedTensors inputs = {{"image", nn::onnx_example({images, h, w, 3}, -2, 2, device)}};
  return nn::onnx_part(network, "polarmask", inputs, [&](const std::vector<Tensor>& x) {
    const PolarOutputs out = network.forward(x[0]);
    autograd::NamedTensors named;
    const auto add = [&](const char* name, const std::vector<Tensor>& levels) {
      for (size_t i = 0; i < levels.size(); ++i)
        named.emplace_back(fmt::format("{}_p{}", name, static_cast<size_t>(first_level) + i), levels[i]);
    };
    add("classes", out.classes);
    add("centerness", out.centerness);
    add("rays", out.rays);
    add("boxes", out.boxes);
    return named;
  });
}

}  // namespace az::models
