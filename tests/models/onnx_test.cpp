// Networks as ONNX graphs: written, read back, run in plain loops in double and compared with our outputs.
#include <doctest/doctest.h>

#include <algorithm>

#include "models/polarmask/onnx.h"
#include "models/siammask/onnx.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/golden_network.h"
#include "tests/support/onnx_run.h"

using namespace az;
using models::SiamMaskOptions;

namespace {

SiamMaskOptions small(int64_t mask_side, bool refine) {
  SiamMaskOptions o;
  o.backbone.blocks = {1, 2, 2};
  o.backbone.width = 4;
  o.channels = 16;
  o.anchors = 3;
  o.mask_side = mask_side;
  o.refine = refine;
  return o;
}

std::vector<nn::OnnxPart> parts_of(const SiamMaskOptions& options, const models::SiamOnnxOptions& how) {
  models::SiamMask network({test::cpu(), 3}, options);
  golden::fill_network(network, 5);
  return models::onnx_parts(network, how, test::cpu());
}

test::OnnxRound checked(const nn::OnnxPart& part) {
  CAPTURE(part.graph.name);
  test::OnnxRound round = test::check_onnx(part.graph, part.inputs, part.outputs);
  for (const std::string& fault : round.faults) FAIL_CHECK(fault);
  CHECK(round.worst < 2e-5);  // thirty layers in f32 against double; the golden cases allow 1e-4
  CHECK(round.file.ir_version == 7);
  CHECK(round.file.operator_set == 13);
  CHECK(round.file.producer == "azimuth");
  CHECK(round.file.graph == part.graph.name);
  return round;
}

using Dims = std::vector<int64_t>;

std::map<std::string, Dims> shapes(const std::map<std::string, test::OnnxFileTensor>& values) {
  std::map<std::string, Dims> found;
  for (const auto& [name, value] : values) found[name] = value.dims;
  return found;
}

int64_t count(const test::OnnxFile& file, const std::string& type) {
  return std::ranges::count(file.nodes, type, &test::OnnxFileNode::type);
}

}  // namespace

TEST_CASE("sharp is three graphs: template, search with the kernels as inputs, Refine of given cells") {
  const auto parts = parts_of(small(5, true), {.images = 1});
  REQUIRE(parts.size() == 3);
  const test::OnnxFile first = checked(parts[0]).file, search = checked(parts[1]).file, refine = checked(parts[2]).file;
  CHECK(shapes(first.inputs) == std::map<std::string, Dims>{{"template", {1, 3, 127, 127}}});
  const std::map<std::string, Dims> kernels = {
      {"kernel_classes", {1, 16, 5, 5}}, {"kernel_boxes", {1, 16, 5, 5}}, {"kernel_masks", {1, 16, 5, 5}}};
  CHECK(shapes(first.outputs) == kernels);
  auto inputs = kernels;
  inputs["search"] = {1, 3, 255, 255};
  CHECK(shapes(search.inputs) == inputs);
  std::map<std::string, Dims> maps = {
      {"p0", {1, 4, 125, 125}}, {"p1", {1, 16, 63, 63}}, {"p2", {1, 32, 31, 31}}, {"correlation", {1, 16, 25, 25}}};
  auto outputs = maps;
  outputs["classes"] = {1, 6, 25, 25};
  outputs["boxes"] = {1, 12, 25, 25};
  CHECK(shapes(search.outputs) == outputs);
  maps["cells"] = {1, 3};
  CHECK(shapes(refine.inputs) == maps);
  CHECK(refine.inputs.at("cells").type == 6);
  CHECK(shapes(refine.outputs) == std::map<std::string, Dims>{{"masks", {1, 1, 127, 127}}});

  // Stem; three convolutions a block and a shortcut a stage, of 1, 2 and 2 blocks; adjust; a kernel for each head.
  CHECK(count(first, "Conv") == 1 + 3 * 5 + 3 + 1 + 3);
  CHECK(count(first, "Slice") == 1);
  // The searches and correlations of three heads, and the two last convolutions of two.
  CHECK(count(search, "Conv") == 1 + 3 * 5 + 3 + 1 + 3 + 3 + 4);
  CHECK(count(search, "Slice") == 0);
  CHECK(count(refine, "Conv") == 15);
  CHECK(count(refine, "ConvTranspose") == 1);
  CHECK(count(refine, "Gather") == 4);
  CHECK(count(refine, "Resize") == 3);
  // Names and layouts are the checkpoint's; a folded norm shows in the name.
  CHECK(search.constants.at("features.features.conv1.weight.folded").dims == Dims{4, 3, 7, 7});
  CHECK(search.constants.at("features.features.conv1.weight.shift").dims == Dims{4});
  CHECK(search.constants.at("rpn_model.loc.head.3.weight").dims == Dims{12, 16, 1, 1});
  CHECK(refine.constants.at("refine_model.deconv.weight").dims == Dims{16, 32, 15, 15});
}

TEST_CASE("base gives the masks of every cell, box none") {
  const auto base = parts_of(small(5, false), {.images = 1, .search_side = 191});
  REQUIRE(base.size() == 2);
  checked(base[0]);
  const auto with_masks = shapes(checked(base[1]).file.outputs);
  CHECK(with_masks == std::map<std::string, Dims>{
                          {"classes", {1, 6, 17, 17}}, {"boxes", {1, 12, 17, 17}}, {"masks", {1, 25, 17, 17}}});
  const auto box = parts_of(small(0, false), {.images = 1, .search_side = 191});
  REQUIRE(box.size() == 2);
  CHECK(checked(box[0]).file.outputs.size() == 2);
  CHECK(checked(box[1]).file.outputs.size() == 2);
}

TEST_CASE("several images have kernels and cells of their own") {
  const auto parts = parts_of(small(5, true), {.images = 2, .search_side = 191});
  REQUIRE(parts.size() == 3);
  for (const nn::OnnxPart& part : parts) {
    const auto outputs = shapes(checked(part).file.outputs);
    for (const auto& [name, dims] : outputs) CHECK_MESSAGE(dims[0] == 2, name);
  }
}

TEST_CASE("PolarMask is one graph with the head's outputs of each level") {
  models::PolarMaskOptions options;
  options.backbone.blocks = {1, 1, 1, 1};
  options.backbone.planes = {4, 4, 8, 8};
  options.backbone.stem_channels = {4};
  options.fpn.channels = 8;
  options.head.channels = 8;
  options.head.norm_groups = 4;
  options.head.stacked_convs = 2;
  options.head.classes = 3;
  options.head.rays = 12;
  for (const bool boxes : {false, true}) {
    options.head.box_branch = boxes;
    options.head.max_exponent = boxes ? 2 : 0;
    models::PolarMask network({test::cpu(), 3}, options);
    golden::fill_network(network, 5);
    const nn::OnnxPart part = models::onnx_part(network, 2, 64, 96, 3, test::cpu());
    const test::OnnxFile file = checked(part).file;
    const auto outputs = shapes(file.outputs);
    CHECK(outputs.size() == (boxes ? 20 : 15));
    CHECK(outputs.at("classes_p3") == Dims{2, 3, 8, 12});
    CHECK(outputs.at("rays_p5") == Dims{2, 12, 2, 3});
    CHECK(outputs.at("centerness_p7") == Dims{2, 1, 1, 1});
    CHECK(count(file, "InstanceNormalization") == (boxes ? 3 : 2) * 2 * 5);
    CHECK(count(file, "Min") == (boxes ? 10 : 0));
    // The levels share the weights.
    CHECK(file.constants.contains("bbox_head.polar_cls.weight"));
    CHECK(!file.constants.contains("bbox_head.polar_cls.weight_2"));
  }
}

TEST_CASE("a network in training mode is not exported") {
  models::SiamMask network({test::cpu(), 3}, small(0, false));
  network.set_training(true);
  CHECK_THROWS_WITH_AS(models::onnx_parts(network, {}, test::cpu()), "onnx: template is in training mode", Error);
}

TEST_CASE("the shapes of weights say which SiamMask they are of") {
  for (const auto& [side, refine] : {std::pair<int64_t, bool>{5, true}, {7, false}, {0, false}}) {
    models::SiamMask network({test::cpu(), 3}, small(side, refine));
    const auto shapes = nn::state_shapes(network);
    const SiamMaskOptions found = models::siammask_options_of(shapes);
    CHECK(found.backbone.blocks == std::vector{1, 2, 2});
    CHECK(found.backbone.width == 4);
    CHECK(found.channels == 16);
    CHECK(found.anchors == 3);
    CHECK(found.mask_side == side);
    CHECK(found.refine == refine);
    std::map<std::string, Shape> pysot;
    for (const auto& [name, shape] : shapes) {
      std::string other = "module." + name;
      for (const auto& [ours, theirs] : {std::pair<std::string, std::string>{"features.features", "backbone"},
                                         {"rpn_model", "rpn_head"},
                                         {"mask_model.mask", "mask_head"},
                                         {"refine_model", "refine_head"}})
        if (const size_t at = other.find(ours); at != std::string::npos) other.replace(at, ours.size(), theirs);
      pysot[other] = shape;
    }
    const SiamMaskOptions same = models::siammask_options_of(pysot);
    CHECK(same.mask_side == side);
    CHECK(same.refine == refine);
    CHECK(same.anchors == 3);
  }
  CHECK_THROWS_WITH_AS(models::siammask_options_of({{"layer1.0.conv1.weight", {4, 4, 1, 1}}}),
                       doctest::Contains("lack the head of the classes"), Error);
  CHECK_THROWS_WITH_AS(models::siammask_options_of({{"rpn_model.cls.head.3.weight", {6, 8, 1, 1}}}),
                       doctest::Contains("lack a stage of the backbone"), Error);
}
