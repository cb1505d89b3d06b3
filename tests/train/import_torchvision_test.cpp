#include "train/import_names.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "nn/module.h"
#include "nn/resnet.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/devices.h"
#include "tests/support/shell.h"

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
