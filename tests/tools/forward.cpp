// Every stage's output of a PolarMask-R50 for given weights and input, as safetensors in PyTorch's layouts, for
// comparisons with other programs (bench/check_pth.py).
//
//   forward caffe|pytorch WEIGHTS.safetensors INPUT.safetensors OUT.safetensors
//
// INPUT holds "input" [n, 3, h, w]. OUT holds c2..c5, and with a whole detector's weights p3..p7, cls3.., ctr3..,
// box3.. and mask3.. too. Weights of a backbone alone leave the rest of the network as it starts, and it is not
// written.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "autograd/node.h"
#include "cpu/device.h"
#include "models/polarmask/model.h"
#include "tensor/error.h"
#include "tensor/layout.h"
#include "tensor/safetensors.h"

namespace {

using namespace az;

void add(StateDict& out, const std::string& name, const std::vector<Tensor>& levels, size_t first) {
  for (size_t i = 0; i < levels.size(); ++i) out[fmt::format("{}{}", name, first + i)] = ohwi_to_oihw(levels[i]);
}

void run(const std::string& style, const std::string& weights, const std::string& input, const std::string& out_file) {
  AZ_CHECK(style == "caffe" || style == "pytorch", "style {}: want caffe or pytorch", style);
  cpu::CpuDevice device(/*exact=*/false);
  const StateDict state = read_safetensors(weights, device);
  const StateDict inputs = read_safetensors(input, device);
  AZ_CHECK(inputs.contains("input"), "{}: no tensor \"input\"", input);

  models::PolarMaskOptions options;
  options.backbone = nn::resnet_depth(50);
  options.backbone.style = style == "caffe" ? nn::Style::caffe : nn::Style::pytorch;
  const auto bias = state.find("bbox_head.polar_cls.bias");
  const bool whole = bias != state.end();
  if (whole) options.head.classes = bias->second.numel();
  models::PolarMask network({device, 0}, options);
  const nn::LoadReport report = nn::load_state_dict(network, state);
  for (const std::string& name : report.missing)
    AZ_CHECK(!whole && !name.starts_with("backbone."), "{}: misses {}", weights, name);
  AZ_CHECK(report.unused.empty(), "{}: {} is not in the network", weights, report.unused[0]);

  const autograd::NoGrad off;
  models::PolarTrace trace;
  const auto outputs = network.forward(oihw_to_ohwi(inputs.at("input")), &trace);
  StateDict out;
  add(out, "c", trace.stages, 2);
  if (whole) {
    add(out, "p", trace.pyramid, 3);
    add(out, "cls", outputs.classes, 3);
    add(out, "ctr", outputs.centerness, 3);
    add(out, "box", outputs.boxes, 3);
    add(out, "mask", outputs.rays, 3);
  }
  write_safetensors(out_file, out);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() != 4) {
    fmt::print(stderr, "usage: forward caffe|pytorch WEIGHTS.safetensors INPUT.safetensors OUT.safetensors\n");
    return 2;
  }
  try {
    run(words[0], words[1], words[2], words[3]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
  return 0;
}
