// What the tests of `azimuth track` share: the built binary, generated videos, a small network of fresh weights.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "data/image.h"
#include "data/video.h"
#include "data/vot.h"
#include "models/siammask/model.h"
#include "nn/reference_fill.h"
#include "tensor/error.h"
#include "tensor/safetensors.h"
#include "tests/support/devices.h"
#include "tests/support/shell.h"
#include "tests/support/temporary.h"

namespace az::test {

/// Runs the binary with these arguments in the repository's root.
inline ShellResult azimuth(const std::string& arguments) {
  const char* binary = std::getenv("AZIMUTH_BINARY");
  AZ_CHECK(binary != nullptr, "AZIMUTH_BINARY must name the binary; ctest sets it");
  return shell(fmt::format("cd {} && {} {}", quoted(source_root()), quoted(binary), arguments), 300);
}

/// A VOT set of two generated sequences, weights for configs/siammask/tiny.toml, a video of the first sequence.
struct Scene {
  TemporaryFolder folder;
  std::filesystem::path set = folder.path() / "set", weights = folder.path() / "w.safetensors",
                        video = folder.path() / "v.mkv";
  std::string config = "configs/siammask/tiny.toml --device cpu";

  Scene() {
    const ShellResult made = azimuth(fmt::format(
        "synth vot --out {} --seed 3 --sequences 2 --frames 12 --width 96 --height 72 --workers 1", quoted(set)));
    AZ_CHECK(made.status == 0, "synth vot: {}", made.output);
    models::SiamMaskOptions o;
    o.backbone.blocks = {1, 1, 1};
    o.backbone.width = 16;
    o.channels = 64;
    o.refine = false;
    models::SiamMask network(nn::Builder{cpu(), 1}, o);
    nn::reference_fill(network, 0);
    for (const nn::Entry& e : nn::entries(network)) {
      // Outputs as small as a trained network's.
      const float factor = e.name == "features.features.conv1.weight"   ? 0.01F
                           : e.name.starts_with("rpn_model.cls.head.3") ? 0.05F
                           : e.name.starts_with("rpn_model.loc.head.3") ? 0.002F
                                                                        : 1;
      if (factor == 1) continue;
      auto values = e.tensor->to_vector<float>();
      for (float& v : values) v *= factor;
      e.tensor->copy_from(Tensor::from(values, e.tensor->shape(), cpu()));
    }
    write_safetensors(weights, nn::state_dict(network), {});
    const data::VotSet read = data::read_vot(set);
    const auto& images = read.sequences.at(0).images;
    data::VideoWriter writer(video, data::image_size(set / images[0]), 25);
    for (const std::string& image : images) writer.add(data::read_image(set / image));
    writer.finish();
  }
};

/// Made once for all cases.
inline Scene& scene() {
  static Scene made;
  return made;
}

}  // namespace az::test
