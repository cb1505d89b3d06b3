// PolarDetector on the CPU and on the CUDA device.
#include "models/polarmask/detector.h"

#include <doctest/doctest.h>

#include <cmath>

#include "models/config.h"
#include "tensor/rng.h"
#include "tests/support/devices.h"
#include "tests/support/shell.h"

using namespace az;

namespace {

constexpr int64_t kClasses = 3;

models::PolarMaskConfig tiny_config() {
  models::Config file =
      models::Config::load((test::source_root() / "configs" / "polarmask" / "tiny.toml").string(),
                           {"model.head.classes=3", "data.test_scale=[128,96]", "data.keep_ratio=true"});
  models::PolarMaskConfig config = models::parse_polarmask_config(file);
  config.model.head.class_prior = 0.02;
  return config;
}

/// An untrained network whose class logits spread, so that some are above the threshold and no two alike.
std::unique_ptr<models::PolarMask> spread_network(const models::PolarMaskConfig& config, Device& device) {
  auto network = std::make_unique<models::PolarMask>(nn::Builder{device, 5}, config.model);
  for (const nn::Entry& e : nn::entries(*network)) {
    if (e.name != "bbox_head.polar_cls.weight" && e.name != "bbox_head.polar_centerness.weight") continue;
    std::vector<float> values = e.tensor->to_vector<float>();
    for (float& v : values) v *= 12;
    e.tensor->copy_from(Tensor::from(values, e.tensor->shape(), device));
  }
  return network;
}

data::Image picture(int width, int height, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  data::Image image(width, height);
  for (uint8_t& v : image.pixels) v = static_cast<uint8_t>(rng.integer(0, 255));
  return image;
}

void check_near(const std::vector<models::Instance>& found, const std::vector<models::Instance>& want, double pixels) {
  REQUIRE(found.size() == want.size());
  for (size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK(found[i].label == want[i].label);
    CHECK(found[i].score == doctest::Approx(want[i].score).epsilon(1e-4));
    CHECK(found[i].centre == want[i].centre);
    for (size_t k = 0; k < 4; ++k) CHECK(std::abs(found[i].box[k] - want[i].box[k]) <= pixels);
    for (size_t k = 0; k < want[i].polygon.size(); ++k)
      for (size_t axis = 0; axis < 2; ++axis)
        CHECK(std::abs(found[i].polygon[k][axis] - want[i].polygon[k][axis]) <= pixels);
  }
}

}  // namespace

TEST_CASE("a detector on the device, eager and from graphs, finds the CPU's objects") {
  const models::PolarMaskConfig config = tiny_config();
  const auto devices = test::exact_devices();
  const auto host_network = spread_network(config, *devices[0]);
  models::PolarDetector host(*host_network, config, kClasses, *devices[0]);
  std::vector<data::Image> pictures;
  for (uint64_t seed = 0; seed < 4; ++seed) pictures.push_back(picture(120 + static_cast<int>(seed), 90, seed));
  pictures.push_back(picture(40, 90, 4));  // another shape, then the first again
  pictures.push_back(pictures[0]);
  std::vector<std::vector<models::Instance>> want;
  for (const data::Image& image : pictures) want.push_back(host.detect(image));
  REQUIRE(want[0].size() > 5);
  if (devices.size() < 2) return;

  const auto network = spread_network(config, *devices[1]);
  for (const bool graphs : {true, false}) {
    CAPTURE(graphs);
    models::PolarDetector detector(*network, config, kClasses, *devices[1], {.graphs = graphs});
    for (size_t i = 0; i < pictures.size(); ++i) {
      CAPTURE(i);
      check_near(detector.detect(pictures[i]), want[i], 0.1);
    }
    CHECK(detector.graph_failure().empty());
    CHECK(detector.graphs() == (graphs ? 1 : 0));
  }
}

TEST_CASE("a detector whose pictures grow reads the new place") {
  if (!test::cuda()) return;
  const models::PolarMaskConfig config = tiny_config();
  const auto network = spread_network(config, *test::cuda());
  const data::Image narrow = picture(40, 90, 6), wide = picture(120, 90, 7);
  models::PolarDetector detector(*network, config, kClasses, *test::cuda());
  const auto first = detector.detect(narrow);
  for (int turn = 0; turn < 3; ++turn) detector.detect(narrow);
  detector.detect(wide);
  for (int turn = 0; turn < 4; ++turn) check_near(detector.detect(narrow), first, 0);
}

TEST_CASE("a detector in 16 bits finds much the same") {
  const models::PolarMaskConfig config = tiny_config();
  for (Device* device : test::devices()) {
    const auto network = spread_network(config, *device);
    models::PolarDetector exact(*network, config, kClasses, *device);
    const data::Image image = picture(120, 90, 8);
    const auto want = exact.detect(image);
    for (const DType half : {DType::bf16, DType::f16}) {
      CAPTURE(dtype_name(half));
      models::PolarDetector coarse(*network, config, kClasses, *device, {.activations = half});
      const auto found = coarse.detect(image);
      CHECK(found.size() > want.size() / 2);
      CHECK(found.size() < want.size() * 2);
    }
  }
}
