// Multi-tensor optimiser kernels: parameters of odd sizes, many of them, unaligned, and in a graph.
#include "cuda/build.h"

#ifdef AZ_CUDA_BUILT
#include <doctest/doctest.h>

#include <cmath>

#include "autograd/node.h"
#include "cuda/device.h"
#include "cuda/graph.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"
#include "train/optimizer.h"

namespace az::test {
namespace {

using train::Optimizer;
using train::OptimizerKind;

/// Leaves of one device whose gradients are set by hand.
struct Leaves {
  std::vector<Tensor> values;

  Leaves(const std::vector<int64_t>& counts, DType dtype, Device& device) {
    uint64_t seed = 0;
    for (const int64_t n : counts) {
      values.push_back(uniform({n + 1}, -1, 1, dtype, device, seed).narrowed(static_cast<int64_t>(seed % 2), n));
      ++seed;
      autograd::set_requires_grad(values.back(), true);
    }
  }
  Optimizer optimizer(OptimizerKind kind) {
    std::vector<train::Parameter> parameters;
    for (size_t i = 0; i < values.size(); ++i)
      parameters.push_back({"p" + std::to_string(i), &values[i], {1.0 + 0.1 * static_cast<double>(i % 3), 1}});
    return Optimizer({.kind = kind, .weight_decay = 0.01, .clip_norm = 1}, std::move(parameters));
  }
  /// Every third leaf gets none.
  void backward(uint64_t step) {
    for (size_t i = 0; i < values.size(); ++i) {
      const Tensor& x = values[i];
      if (i % 3 == 2) continue;
      autograd::backward(ops::weighted_sum(x, uniform(x.shape(), -1, 1, x.dtype(), x.device(), 1000 * step + i)));
    }
  }
};

/// The largest difference between the values of two devices' leaves.
double difference(const Leaves& a, const Leaves& b) {
  double worst = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    const auto x = a.values[i].to(DType::f64).to_vector<double>(), y = b.values[i].to(DType::f64).to_vector<double>();
    for (size_t k = 0; k < x.size(); ++k) worst = std::max(worst, std::abs(x[k] - y[k]));
  }
  return worst;
}

}  // namespace

TEST_CASE("optimisers update parameters of all sizes as the CPU does") {
  Device* device = cuda();
  if (!device) return;
  const Compared compared(Against::cpu);
  const Sizes sizes{0, 1, 31, 32, 33, 257};
  const std::vector<int64_t> counts = {0, 1, 31, 32, 33, 257, 8191, 8192, 8193, 16385};
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adam, OptimizerKind::adamw})
    for (const DType dtype : {DType::f32, DType::f64}) {
      Leaves here(counts, dtype, cpu()), there(counts, dtype, *device);
      Optimizer on_host = here.optimizer(kind), on_device = there.optimizer(kind);
      for (uint64_t step = 0; step < 3; ++step) {
        here.backward(step);
        there.backward(step);
        // The sums of squares are in double and differ by their order only.
        CHECK(on_device.step(0.01) == doctest::Approx(on_host.step(0.01)).epsilon(1e-13));
        on_host.zero_grad();
        on_device.zero_grad();
      }
      // The same formulas: a clip factor off by its last bit, and libm's pow, leave a rounding or two.
      CHECK(difference(here, there) <= (dtype == DType::f32 ? 2.4e-7 : 1e-14));
      CHECK(on_host.state().size() == on_device.state().size());
    }
}

TEST_CASE("more parameters than pointers fit one launch") {
  Device* device = cuda();
  if (!device) return;
  const std::vector<int64_t> counts(600, 3);
  Leaves here(counts, DType::f32, cpu()), there(counts, DType::f32, *device);
  Optimizer on_host = here.optimizer(OptimizerKind::sgd), on_device = there.optimizer(OptimizerKind::sgd);
  here.backward(0);
  there.backward(0);
  on_host.step(0.1);
  on_device.step(0.1);
  CHECK(difference(here, there) <= 1.2e-7);
  autograd::backward(ops::scale(ops::sum(there.values[520]), NAN));
  CHECK_THROWS_WITH(on_device.step(0.1), doctest::Contains("gradient of 'p520' is not finite"));
}

TEST_CASE("a captured step replays with new rates and step counts") {
  Device* device = cuda();
  if (!device) return;
  cuda::CudaDevice& gpu = cuda::device_of(*device);
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adamw}) {
    Tensor x = uniform({300}, -1, 1, DType::f32, gpu, 1), y = uniform({300}, -1, 1, DType::f32, cpu(), 1);
    const Tensor input = Tensor::zeros({300}, DType::f32, gpu);
    autograd::set_requires_grad(x, true);
    autograd::set_requires_grad(y, true);
    Optimizer captured({.kind = kind, .weight_decay = 0.01, .clip_norm = 1}, {{"x", &x, {}}});
    Optimizer eager({.kind = kind, .weight_decay = 0.01, .clip_norm = 1}, {{"x", &y, {}}});
    cuda::GraphCache graphs(gpu.stream(), gpu.allocator());
    int replays = 0;
    for (uint64_t step = 0; step < 6; ++step) {
      const double lr = 0.1 / static_cast<double>(step + 1);
      const Tensor now = uniform({300}, -1, 1, DType::f32, cpu(), 50 + step);
      Tensor(input).copy_from(now.to(gpu));
      captured.prepare(lr);
      replays += graphs.run(7, [&] {
        autograd::backward(ops::weighted_sum(x, input));
        captured.enqueue();
        captured.zero_grad();
      });
      autograd::backward(ops::weighted_sum(y, now));
      CHECK(captured.norm() == doctest::Approx(eager.step(lr)).epsilon(1e-13));
      eager.zero_grad();
      const auto got = x.to_vector<float>(), want = y.to_vector<float>();
      for (size_t i = 0; i < got.size(); ++i) CHECK(std::abs(got[i] - want[i]) <= 2.4e-7F);
    }
    CHECK_MESSAGE(replays >= 2, graphs.failure());
    if (kind == OptimizerKind::adamw) CHECK(captured.state().at("step/x").to_vector<int64_t>()[0] == 6);
  }
}

}  // namespace az::test
#endif
