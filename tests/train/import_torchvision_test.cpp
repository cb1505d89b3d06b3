#include "train/import_names.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "models/siammask/model.h"
#include "nn/module.h"
#include "nn/resnet.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"
#include "tests/support/shell.h"
#include "train/import_torchvision.h"

using namespace az;

namespace {

Tensor of_shape(const Shape& shape) { return Tensor::zeros(shape, DType::u8, test::cpu()); }

/// Names and shapes that torchvision 0.29 has, "name [a, b]" a line.
StateDict torchvision(const std::string& model) {
  std::istringstream lines(read_file(test::source_root() / "tests/data_files/torchvision" / (model + ".txt")));
  StateDict state;
  for (std::string name; lines >> name;) {
    std::string list;
    std::getline(lines, list);
    std::ranges::replace_if(
        list, [](char c) { return c == '[' || c == ']' || c == ','; }, ' ');
    std::istringstream numbers(list);
    std::vector<int64_t> dims;
    for (int64_t dim = 0; numbers >> dim;) dims.push_back(dim);
    state[name] = of_shape(Shape(dims));
  }
  return state;
}

/// A detector that is only a backbone.
struct Detector final : nn::Module {
  explicit Detector(const nn::ResNetOptions& options) : backbone({test::cpu(), 0}, options) {}
  void visit(nn::Visitor& v) override { v.module("backbone", backbone); }
  nn::ResNet backbone;
};

/// A backbone's entries as torchvision has them: bare names, 1x1 shortcuts, a classifier.
StateDict torchvision_like(const std::map<std::string, Shape>& siammask) {
  constexpr std::string_view kPrefix = "features.features.";
  StateDict file;
  uint64_t seed = 0;
  for (const auto& [name, shape] : siammask) {
    if (!name.starts_with(kPrefix)) continue;
    const bool shortcut = name.ends_with("downsample.0.weight");
    const Shape theirs = shortcut ? Shape{shape[0], shape[1], 1, 1} : shape;
    file[name.substr(kPrefix.size())] = test::uniform(theirs, -1, 1, DType::f32, test::cpu(), ++seed);
  }
  for (const char* name : {"fc.weight", "fc.bias"}) file[name] = Tensor::zeros({2}, DType::f32, test::cpu());
  return file;
}

}  // namespace

TEST_CASE("import: torchvision's names and shapes are those of our backbones") {
  struct Case {
    const char* name;
    int depth;
    int64_t groups, base_width;
  };
  for (const Case& c : {Case{"resnet18", 18, 1, 64}, Case{"resnet34", 34, 1, 64}, Case{"resnet50", 50, 1, 64},
                        Case{"resnet101", 101, 1, 64}, Case{"resnext101_64x4d", 101, 64, 4}}) {
    CAPTURE(c.name);
    nn::ResNetOptions options = nn::resnet_depth(c.depth);
    options.groups = c.groups;
    options.base_width = c.base_width;
    Detector detector(options);
    const StateDict file = torchvision(c.name);
    const train::Import import = train::import_names(file, nn::state_shapes(detector));
    CHECK(import.tensors.size() == file.size() - 2);
    CHECK(import.missing.empty());
    CHECK(import.unused.empty());
    CHECK(import.mismatched.empty());
    CHECK(import.dropped.size() == 2);
  }
}

TEST_CASE("import: a torchvision ResNet gives SiamMask's backbone what it gave itself on normalised pictures") {
  models::SiamMaskOptions o;
  o.backbone.blocks = {1, 1, 1};
  o.backbone.width = 4;
  o.channels = 8;
  o.refine = false;
  models::SiamMask network({test::cpu(), 1}, o);
  StateDict file = torchvision_like(nn::state_shapes(network));
  const Tensor conv = file.at("conv1.weight"), mean = file.at("bn1.running_mean"),
               shortcut = file.at("layer2.0.downsample.0.weight");
  const train::Import import = train::import_names(file, nn::state_shapes(network));
  CHECK(import.centred == std::vector<std::string>{"layer2.0.downsample.0.weight [32, 16, 1, 1]",
                                                   "layer3.0.downsample.0.weight [64, 32, 1, 1]"});
  CHECK(import.folded ==
        std::vector<std::string>{"features.features.conv1.weight", "features.features.bn1.running_mean"});
  CHECK(import.dropped.size() == 2);
  CHECK(import.mismatched.empty());
  CHECK(import.str().find("2 1x1, put in the centre of a 3x3 kernel of zeros: layer2.0") != std::string::npos);
  for (const std::string& name : import.missing) CHECK_FALSE(name.starts_with("features.features"));

  const auto wide = import.tensors.at("features.features.layer2.0.downsample.0.weight").to_vector<float>();
  const auto narrow = shortcut.to_vector<float>();
  REQUIRE(wide.size() == 9 * narrow.size());
  for (size_t i = 0; i < wide.size(); ++i) CHECK(wide[i] == (i % 9 == 4 ? narrow[i / 9] : 0));

  // One position of the first convolution and its norm, in doubles, both ways.
  const auto w = conv.to_vector<float>(), m = mean.to_vector<float>(),
             folded = import.tensors.at("features.features.conv1.weight").to_vector<float>(),
             folded_mean = import.tensors.at("features.features.bn1.running_mean").to_vector<float>();
  const std::array<double, 3> means = {0.485, 0.456, 0.406}, stds = {0.229, 0.224, 0.225};
  const size_t area = 49;
  for (size_t out = 0; out < m.size(); ++out) {
    double want = -static_cast<double>(m[out]), got = -static_cast<double>(folded_mean[out]);
    for (size_t c = 0; c < 3; ++c)
      for (size_t k = 0; k < area; ++k) {
        const auto red_first = static_cast<double>((out * 31 + c * 57 + k * 13) % 256);
        want += static_cast<double>(w[(out * 3 + c) * area + k]) * (red_first / 255 - means[c]) / stds[c];
        got += static_cast<double>(folded[(out * 3 + 2 - c) * area + k]) * red_first;
      }
    CHECK(got == doctest::Approx(want).epsilon(1e-5));
  }

  file.erase("fc.weight");
  file.erase("fc.bias");  // somebody else's ResNet, whose pictures nobody knows
  const train::Import other = train::import_names(file, nn::state_shapes(network));
  CHECK(other.folded.empty());
  CHECK(other.centred.size() == 2);
  CHECK(other.tensors.at("features.features.conv1.weight").to_vector<float>() == w);
}

TEST_CASE("import: kernels that are no 1x1 shortcut are not widened") {
  const Shape wide{4, 2, 3, 3};
  const Tensor kernel = Tensor::zeros({4, 2, 1, 1}, DType::f32, test::cpu());
  CHECK(train::centred_shortcut("layer2.0.downsample.0.weight", kernel, wide).defined());
  CHECK_FALSE(train::centred_shortcut("layer2.0.conv1.weight", kernel, wide).defined());
  CHECK_FALSE(train::centred_shortcut("layer2.0.downsample.0.weight", kernel, {4, 3, 3, 3}).defined());
  CHECK_FALSE(train::centred_shortcut("layer2.0.downsample.0.weight", kernel, {4, 2, 5, 5}).defined());
  CHECK_FALSE(
      train::centred_shortcut("layer2.0.downsample.0.weight", Tensor::zeros(wide, DType::f32, test::cpu()), wide)
          .defined());
}

TEST_CASE("import: torchvision's ResNet-50 has all of the published SiamMask's backbone") {
  models::SiamMask network({test::cpu(), 0, /*blank=*/true}, {});
  const train::Import import = train::import_names(torchvision("resnet50"), nn::state_shapes(network));
  for (const std::string& name : import.missing) CHECK_FALSE(name.starts_with("features.features"));
  for (const std::string& name : import.unused) CHECK(name.starts_with("layer4."));
  CHECK(import.mismatched.empty());
  CHECK(import.centred == std::vector<std::string>{"layer2.0.downsample.0.weight [512, 256, 1, 1]",
                                                   "layer3.0.downsample.0.weight [1024, 512, 1, 1]"});
  CHECK(import.folded.size() == 2);
}
