// How far PolarMask-R50 in bf16 on the CPU is from itself in f32.
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "autograd/node.h"
#include "cpu/device.h"
#include "models/config.h"
#include "models/polarmask/config.h"
#include "ops/cast.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"
#include "tests/support/shell.h"

using namespace az;

namespace {

/// In units of the f32 outputs' spread, of all levels together; a constant bias is not part of it.
struct Deviation {
  double rms = 0, worst = 0;
};

Deviation deviation(const std::vector<Tensor>& got, const std::vector<Tensor>& want, bool logarithms) {
  double error = 0, worst = 0, sum = 0, square = 0, count = 0;
  for (size_t level = 0; level < got.size(); ++level) {
    const auto a = got[level].to_vector<float>(), b = want[level].to_vector<float>();
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      const auto value = [&](float v) { return logarithms ? std::log(static_cast<double>(v)) : double(v); };
      const double e = std::abs(value(a[i]) - value(b[i]));
      error += e * e;
      worst = std::max(worst, e);
      sum += value(b[i]);
      square += value(b[i]) * value(b[i]);
      ++count;
    }
  }
  const double spread = std::sqrt(square / count - (sum / count) * (sum / count));
  return {std::sqrt(error / count) / spread, worst / spread};
}

}  // namespace

TEST_CASE("PolarMask-R50 in bf16 stays near f32, with products of bf16 and through f32 copies") {
  models::Config file =
      models::Config::load((test::source_root() / "configs" / "polarmask" / "r50_1x_4gpu.toml").string(), {});
  models::PolarMaskConfig config = models::parse_polarmask_config(file);
  config.model.head.classes = 80;
  cpu::CpuDevice device;
  models::PolarMask network({device, 3}, config.model);
  const autograd::NoGrad no_grad;
  const Tensor image = test::uniform({1, 160, 224, 3}, -2, 2, DType::bf16, device, 1);
  const models::PolarOutputs want = network.forward(ops::cast(image, DType::f32));
  for (const bool products : {true, false}) {
    device.set_bf16_products(products);
    const models::PolarOutputs got = network.forward(image);
    const auto check = [&](const std::string& what, const std::vector<Tensor>& a, const std::vector<Tensor>& b,
                           bool log) {
      const Deviation d = deviation(a, b, log);
      const std::string way = device.bf16_products() ? "bf16 products" : "f32 copies";
      MESSAGE(what << ", " << way << ": rms " << d.rms << ", worst " << d.worst);
      // About 70 layers, each of which rounds its weights and its outputs, by 2^-9 at most and 0.17 % rms. Seen on two
      // ways to compute it: 0.035 and 0.16.
      CHECK(d.rms < 0.05);
      CHECK(d.worst < 0.25);
    };
    check("classes", got.classes, want.classes, false);
    check("centerness", got.centerness, want.centerness, false);
    check("rays", got.rays, want.rays, true);
  }
}
