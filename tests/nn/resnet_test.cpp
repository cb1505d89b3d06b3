#include "nn/resnet.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "autograd/node.h"
#include "nn/fpn.h"
#include "tensor/error.h"
#include "tests/support/devices.h"

using namespace az;

namespace {

/// A bottleneck network of one block a stage.
nn::ResNetOptions small(nn::NormKind norm) {
  nn::ResNetOptions o;
  o.blocks = {1, 1, 1, 1};
  o.planes = {4, 8, 12, 16};
  o.stem_channels = {6};
  o.norm.kind = norm;
  return o;
}

/// Names of the learned tensors that get a gradient.
std::set<std::string> trainable(nn::Module& module) {
  std::set<std::string> names;
  for (const nn::Entry& e : nn::entries(module))
    if (autograd::requires_grad(*e.tensor)) names.insert(e.name);
  return names;
}

std::map<std::string, Shape> shapes(nn::Module& module) {
  std::map<std::string, Shape> found;
  for (const auto& [name, t] : nn::state_dict(module)) found.emplace(name, t.shape());
  return found;
}

}  // namespace

TEST_CASE("a ResNet's stages have strides 4, 8, 16, 32 and the promised channels") {
  for (const auto block : {nn::Block::basic, nn::Block::bottleneck})
    for (const auto stem : {nn::Stem::one_7x7, nn::Stem::two_3x3}) {
      nn::ResNetOptions o = small(nn::NormKind::frozen);
      o.block = block;
      o.stem = stem;
      if (stem == nn::Stem::two_3x3) o.stem_channels = {4, 6};
      nn::ResNet net({test::cpu(), 0}, o);
      const auto stages = net.forward(Tensor::full({2, 64, 96, 3}, 1, DType::f32, test::cpu()));
      const auto channels = net.out_channels();
      REQUIRE(stages.size() == 4);
      const int64_t factor = block == nn::Block::bottleneck ? 4 : 1;
      for (size_t i = 0; i < 4; ++i) {
        CHECK(channels[i] == factor * o.planes[i]);
        CHECK(stages[i].shape() == Shape{2, 16 >> i, 24 >> i, channels[i]});
      }
    }
}

TEST_CASE("caffe style puts a stage's stride on the first 1x1, pytorch style on the 3x3: same names and shapes") {
  nn::ResNetOptions o = small(nn::NormKind::frozen);
  o.style = nn::Style::caffe;
  nn::ResNet caffe({test::cpu(), 3}, o);
  o.style = nn::Style::pytorch;
  nn::ResNet pytorch({test::cpu(), 3}, o);
  CHECK(shapes(caffe) == shapes(pytorch));
  Tensor image = Tensor::zeros({1, 64, 64, 3}, DType::f32, test::cpu());
  for (int64_t i = 0; i < image.numel(); ++i) image.mutable_data<float>()[i] = static_cast<float>(i % 13) - 6;
  const auto a = caffe.forward(image), b = pytorch.forward(image);
  CHECK(a[0].to_vector<float>() == b[0].to_vector<float>());  // stage 1 has stride 1 in both
  CHECK(a[1].shape() == b[1].shape());
  CHECK(a[1].to_vector<float>() != b[1].to_vector<float>());
}

TEST_CASE("groups of a ResNeXt divide the inner convolutions' inputs") {
  nn::ResNetOptions o;
  o.blocks = {1, 1, 1, 1};
  o.groups = 64;
  o.base_width = 4;
  nn::ResNet net({test::cpu(), 0}, o);
  const auto found = shapes(net);
  for (int64_t stage = 0; stage < 4; ++stage) {
    const int64_t width = 256 << stage;  // floor(planes * 4 / 64) * 64
    const std::string name = "layer" + std::to_string(stage + 1) + ".0.conv";
    CHECK(found.at(name + "1.weight").dims()[0] == width);
    CHECK(found.at(name + "2.weight") == Shape{width, width / 64, 3, 3});
    CHECK(found.at(name + "3.weight") == Shape{256 << stage, width, 1, 1});
  }
}

TEST_CASE("frozen norms never learn; frozen stages take stem and stages out") {
  nn::ResNetOptions o = small(nn::NormKind::frozen);
  for (int frozen = 0; frozen <= 4; ++frozen) {
    CAPTURE(frozen);
    o.frozen_stages = frozen;
    nn::ResNet net({test::cpu(), 0}, o);
    std::set<std::string> want;
    if (frozen == 0) want.insert("conv1.weight");
    for (int stage = frozen + 1; stage <= 4; ++stage) {
      const std::string at = "layer" + std::to_string(stage) + ".0.";
      for (const char* conv : {"conv1", "conv2", "conv3", "downsample.0"}) want.insert(at + conv + ".weight");
    }
    CHECK(trainable(net) == want);
  }
}

TEST_CASE("batch norms learn weight and bias, running statistics never") {
  nn::ResNetOptions o = small(nn::NormKind::batch);
  o.frozen_stages = 1;
  nn::ResNet net({test::cpu(), 0}, o);
  const auto learned = trainable(net);
  CHECK(learned.contains("layer2.0.bn1.weight"));
  CHECK(learned.contains("layer4.0.downsample.1.bias"));
  CHECK(!learned.contains("layer2.0.bn1.running_mean"));
  CHECK(!learned.contains("bn1.weight"));
  CHECK(!learned.contains("layer1.0.bn2.bias"));
}

TEST_CASE("with zero_last_norm every block starts as its shortcut") {
  nn::ResNetOptions o = small(nn::NormKind::batch);
  o.zero_last_norm = true;
  nn::ResNet net({test::cpu(), 0}, o);
  for (auto& [name, t] : nn::state_dict(net)) {
    if (!name.ends_with(".weight") || t.rank() != 1) continue;
    const float want = name.ends_with("bn3.weight") ? 0.0f : 1.0f;
    CAPTURE(name);
    for (const float v : t.to_vector<float>()) REQUIRE(v == want);
  }
}

TEST_CASE("frozen norms do not change in training mode, batch norms do and count their batches") {
  const Tensor image = Tensor::full({2, 32, 32, 3}, 3, DType::f32, test::cpu());
  for (const auto kind : {nn::NormKind::frozen, nn::NormKind::batch}) {
    nn::ResNet net({test::cpu(), 0}, small(kind));
    const auto before = nn::state_dict(net);
    net.set_training(true);
    net.forward(image);
    net.forward(image);
    const auto after = nn::state_dict(net);
    const bool batch = kind == nn::NormKind::batch;
    CHECK(after.at("bn1.num_batches_tracked").item() == (batch ? 2 : 0));
    CHECK((after.at("bn1.running_mean").to_vector<float>() != before.at("bn1.running_mean").to_vector<float>()) ==
          batch);
    net.set_training(false);
    net.forward(image);
    CHECK(nn::state_dict(net).at("bn1.running_var").to_vector<float>() ==
          after.at("bn1.running_var").to_vector<float>());
  }
}

TEST_CASE("a pyramid has five levels, the extra ones halved and rounded up") {
  nn::FpnOptions o;
  o.in_channels = {4, 8, 12, 16};
  o.channels = 6;
  nn::Fpn fpn({test::cpu(), 0}, o);
  std::vector<Tensor> stages;
  for (const int64_t i : {0, 1, 2, 3})
    stages.push_back(Tensor::full({1, 40 >> i, 24 >> i, 4 * (i + 1)}, 1, DType::f32, test::cpu()));
  const auto levels = fpn.forward(stages);
  REQUIRE(levels.size() == 5);
  const std::vector<Shape> want = {{1, 20, 12, 6}, {1, 10, 6, 6}, {1, 5, 3, 6}, {1, 3, 2, 6}, {1, 2, 1, 6}};
  for (size_t i = 0; i < 5; ++i) CHECK(levels[i].shape() == want[i]);
}

TEST_CASE("messages of the backbone and the pyramid") {
  CHECK_THROWS_WITH_AS(nn::resnet_depth(51), "resnet: depth 51, want 18, 34, 50 or 101", Error);
  nn::ResNetOptions o = small(nn::NormKind::frozen);
  o.stem = nn::Stem::two_3x3;
  CHECK_THROWS_WITH_AS(nn::ResNet({test::cpu(), 0}, o),
                       "resnet: the stem has 2 convolutions, 1 channel counts are given", Error);
  nn::Fpn fpn({test::cpu(), 0}, {.in_channels = {2, 2, 2, 2}, .channels = 2});
  std::vector<Tensor> stages;
  for (const int64_t side : {40, 20, 10, 4})
    stages.push_back(Tensor::zeros({1, side, side, 2}, DType::f32, test::cpu()));
  CHECK_THROWS_WITH_AS(fpn.forward(stages),
                       "fpn: stages [1, 10, 10, 2] and [1, 4, 4, 2] do not differ by a factor of 2; pad the picture's "
                       "sides to multiples of 32",
                       Error);
}
