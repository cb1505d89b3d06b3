// PolarMask's network as a file sees it: names, shapes, and what learns.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <map>

#include "autograd/node.h"
#include "models/config.h"
#include "models/polarmask/config.h"
#include "tensor/error.h"
#include "tensor/safetensors.h"
#include "tests/support/devices.h"
#include "tests/support/shell.h"

using namespace az;

namespace {

models::PolarMaskConfig read_config(const std::string& name) {
  models::Config file = models::Config::load((test::source_root() / "configs" / "polarmask" / name).string(), {});
  return models::parse_polarmask_config(file);
}

/// Every name that specification section 11 lists for R50, with the shape of the file.
std::map<std::string, Shape> r50_entries() {
  std::map<std::string, Shape> all;
  const auto norm = [&](const std::string& name, int64_t c) {
    for (const char* part : {"weight", "bias", "running_mean", "running_var"}) all.emplace(name + "." + part, Shape{c});
    all.emplace(name + ".num_batches_tracked", Shape{});
  };
  const auto conv = [&](const std::string& name, int64_t k, int64_t c, int64_t r, bool bias = false) {
    all.emplace(name + ".weight", Shape{k, c, r, r});
    if (bias) all.emplace(name + ".bias", Shape{k});
  };
  conv("backbone.conv1", 64, 3, 7);
  norm("backbone.bn1", 64);
  const std::vector<int> blocks = {3, 4, 6, 3};
  int64_t in = 64;
  for (int stage = 1; stage <= 4; ++stage) {
    const int64_t planes = 32 << stage;
    for (int b = 0; b < blocks[static_cast<size_t>(stage - 1)]; ++b) {
      const std::string at = fmt::format("backbone.layer{}.{}.", stage, b);
      conv(at + "conv1", planes, in, 1);
      conv(at + "conv2", planes, planes, 3);
      conv(at + "conv3", 4 * planes, planes, 1);
      norm(at + "bn1", planes);
      norm(at + "bn2", planes);
      norm(at + "bn3", 4 * planes);
      if (b == 0) {
        conv(at + "downsample.0", 4 * planes, in, 1);
        norm(at + "downsample.1", 4 * planes);
      }
      in = 4 * planes;
    }
  }
  for (int i = 0; i < 3; ++i) conv(fmt::format("neck.lateral_convs.{}.conv", i), 256, 512 << i, 1, true);
  for (int i = 0; i < 5; ++i) conv(fmt::format("neck.fpn_convs.{}.conv", i), 256, 256, 3, true);
  for (const char* tower : {"cls", "reg", "mask"})
    for (int i = 0; i < 4; ++i) {
      const std::string at = fmt::format("bbox_head.{}_convs.{}.", tower, i);
      conv(at + "conv", 256, 256, 3);
      all.emplace(at + "gn.weight", Shape{256});
      all.emplace(at + "gn.bias", Shape{256});
    }
  conv("bbox_head.polar_cls", 80, 256, 3, true);
  conv("bbox_head.polar_reg", 4, 256, 3, true);
  conv("bbox_head.polar_mask", 36, 256, 3, true);
  conv("bbox_head.polar_centerness", 1, 256, 3, true);
  for (const char* branch : {"bbox", "mask"})
    for (int i = 0; i < 5; ++i) all.emplace(fmt::format("bbox_head.scales_{}.{}.scale", branch, i), Shape{});
  return all;
}

std::unique_ptr<models::PolarMask> r50(models::PolarMaskConfig& config) {
  config.model.head.classes = 80;
  return std::make_unique<models::PolarMask>(nn::Builder{test::cpu(), 0}, config.model);
}

}  // namespace

TEST_CASE("the published R50 has the reference's 388 state-dict entries, and gives them back as it took them") {
  models::PolarMaskConfig config = read_config("r50_1x_4gpu.toml");
  const auto network = r50(config);
  const auto state = nn::state_dict(*network);
  const auto want = r50_entries();
  CHECK(want.size() == 388);  // the sum of the specification's list, which says 387
  CHECK(state.size() == 388);
  for (const auto& [name, shape] : want) {
    CAPTURE(name);
    const auto found = state.find(name);
    REQUIRE(found != state.end());
    CHECK(found->second.shape() == shape);
    CHECK(found->second.dtype() == (name.ends_with("num_batches_tracked") ? DType::i64 : DType::f32));
  }
  config.train.seed = 1;
  models::PolarMask other({test::cpu(), 1}, config.model);
  const auto report = nn::load_state_dict(other, state);
  CHECK(report.missing.empty());
  CHECK(report.unused.empty());
  const auto copy = nn::state_dict(other);
  for (const auto& [name, t] : state)
    if (t.dtype() == DType::f32) REQUIRE(copy.at(name).to_vector<float>() == t.to_vector<float>());
}

TEST_CASE("the published R50 learns all but stem, stage 1 and the backbone's norms") {
  models::PolarMaskConfig config = read_config("r50_1x_4gpu.toml");
  const auto network = r50(config);
  for (const nn::Entry& e : nn::entries(*network)) {
    CAPTURE(e.name);
    const bool later_stage = e.name.starts_with("backbone.layer") && !e.name.starts_with("backbone.layer1.");
    const bool convolution = e.name.find("conv") < e.name.size() || e.name.find("downsample.0") < e.name.size();
    const bool want = e.name.starts_with("backbone.") ? later_stage && convolution : true;
    CHECK(autograd::requires_grad(*e.tensor) == want);
  }
}

TEST_CASE("the head's biases and scales start where the specification says") {
  models::PolarMaskConfig config = read_config("r50_1x_4gpu.toml");
  const auto network = r50(config);
  const auto state = nn::state_dict(*network);
  for (const float v : state.at("bbox_head.polar_cls.bias").to_vector<float>())
    REQUIRE(v == doctest::Approx(-std::log(99.0)));
  for (const char* name :
       {"bbox_head.polar_reg.bias", "bbox_head.polar_mask.bias", "bbox_head.polar_centerness.bias",
        "neck.lateral_convs.0.conv.bias", "neck.fpn_convs.4.conv.bias", "bbox_head.cls_convs.0.gn.bias"})
    for (const float v : state.at(name).to_vector<float>()) REQUIRE(v == 0);
  CHECK(state.at("bbox_head.scales_bbox.0.scale").item() == 1);
  CHECK(state.at("bbox_head.scales_mask.4.scale").item() == 1);
}

TEST_CASE("a checkpoint of f16 or bf16 loads into f32 parameters, value for value") {
  models::PolarMaskConfig config = read_config("tiny.toml");
  config.model.head.classes = 2;
  models::PolarMask network({test::cpu(), 3}, config.model);
  for (const DType half : {DType::f16, DType::bf16}) {
    StateDict narrow;
    for (const auto& [name, t] : nn::state_dict(network)) narrow[name] = t.dtype() == DType::f32 ? t.to(half) : t;
    const StateDict file = decode_safetensors(encode_safetensors(narrow), "half.safetensors", test::cpu());
    models::PolarMask other({test::cpu(), 4}, config.model);
    CHECK(nn::load_state_dict(other, file).missing.empty());
    for (const auto& [name, t] : nn::state_dict(other)) {
      CAPTURE(name);
      REQUIRE(t.dtype() != half);
      REQUIRE(t.to(DType::f64).to_vector<double>() == narrow.at(name).to(DType::f64).to_vector<double>());
    }
  }
}

TEST_CASE("loading names what is missing, unknown or of another shape") {
  models::PolarMaskConfig config = read_config("tiny.toml");
  config.model.head.classes = 2;
  models::PolarMask network({test::cpu(), 0}, config.model);
  auto state = nn::state_dict(network);
  state.erase("neck.fpn_convs.0.conv.bias");
  state.erase("backbone.bn1.num_batches_tracked");  // older files have none
  state["surplus"] = Tensor::zeros({1}, DType::f32, test::cpu());
  const auto report = nn::load_state_dict(network, state);
  CHECK(report.missing == std::vector<std::string>{"neck.fpn_convs.0.conv.bias"});
  CHECK(report.unused == std::vector<std::string>{"surplus"});
  state["bbox_head.polar_cls.bias"] = Tensor::zeros({3}, DType::f32, test::cpu());
  CHECK_THROWS_WITH_AS(nn::load_state_dict(network, state),
                       "load: shapes differ: bbox_head.polar_cls.bias is [3] in the file and [2] in the network",
                       Error);
}
