#include "ops/focal.h"

#include <cmath>

#include "autograd/node.h"
#include "cpu/focal.h"
#include "cuda/focal.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;

/// An exponential, a logarithm, a power and some ten products a logit.
Cost focal_cost(const Tensor& logits, bool backward) {
  const double labels = 4 * static_cast<double>(logits.dim(0));
  return {.flops = 13 * static_cast<double>(logits.numel()),
          .bytes_read = bytes_of(logits) + labels,
          .bytes_written = backward ? bytes_of(logits) : 0};
}

struct FocalNode final : Node {
  Saved logits, labels, norm;
  math::FocalOptions options;
  FocalNode(const Tensor& z, const Tensor& classes, const Tensor& normaliser, const math::FocalOptions& o)
      : Node("sigmoid_focal_loss"), logits(z), labels(classes), norm(normaliser), options(o) {}
  Grads backward(const Grads& dy) override {
    const Tensor& z = logits.get(name());
    Tensor dx = Tensor::empty(z.shape(), z.dtype(), z.device());
    const Tensor &classes = labels.get(name()), &n = norm.get(name());
    on_device(
        name(), z,
        [&](auto t) {
          using T = decltype(t);
          cpu::sigmoid_focal_loss_backward(z.data<T>(), classes.data<int32_t>(), z.dim(0), z.dim(1), options,
                                           n.data<T>(), dy[0].data<T>(), dx.mutable_data<T>());
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda::sigmoid_focal_loss_backward(device.stream(), z.data<T>(), classes.data<int32_t>(), z.dim(0), z.dim(1),
                                            options, n.data<T>(), dy[0].data<T>(), dx.mutable_data<T>());
        });
    return {dx};
  }
  Cost cost(const Grads&) const override { return focal_cost(logits.get(name()), true); }
};

}  // namespace

Tensor sigmoid_focal_loss(const Tensor& logits, const Tensor& labels, double normaliser_extra, double alpha,
                          double gamma) {
  constexpr const char* kOp = "sigmoid_focal_loss";
  check_float(kOp, "logits", logits);
  AZ_CHECK(logits.rank() == 2 && logits.dim(1) > 0, "{}: logits are {}, want [locations, classes]", kOp, logits.str());
  AZ_CHECK(labels.defined() && labels.dtype() == DType::i32 && labels.shape() == Shape({logits.dim(0)}),
           "{}: labels are {}, want i32 [{}]", kOp, labels.str(), logits.dim(0));
  check_same_device(kOp, logits, labels);
  AZ_CHECK(normaliser_extra >= 0 && std::isfinite(normaliser_extra), "{}: normaliser_extra is {}, want >= 0", kOp,
           normaliser_extra);
  AZ_CHECK(alpha >= 0 && alpha <= 1, "{}: alpha is {}, want 0 to 1", kOp, alpha);
  AZ_CHECK(gamma >= 0 && std::isfinite(gamma), "{}: gamma is {}, want >= 0", kOp, gamma);
  const ProfileSpan span(logits.device(), kOp, [&] { return detail(logits, focal_cost(logits, false)); });
  const math::FocalOptions options{alpha, gamma, normaliser_extra};
  Tensor loss = Tensor::empty({1}, logits.dtype(), logits.device());
  Tensor norm = Tensor::empty({1}, logits.dtype(), logits.device());
  on_device(
      kOp, logits,
      [&](auto t) {
        using T = decltype(t);
        cpu::sigmoid_focal_loss(logits.data<T>(), labels.data<int32_t>(), logits.dim(0), logits.dim(1), options,
                                loss.mutable_data<T>(), norm.mutable_data<T>());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        Tensor parts = Tensor::empty({cuda::focal_parts(logits.dim(0), logits.dim(1))}, DType::f64, logits.device());
        cuda::sigmoid_focal_loss(device.stream(), logits.data<T>(), labels.data<int32_t>(), logits.dim(0),
                                 logits.dim(1), options, parts.template mutable_data<double>(), loss.mutable_data<T>(),
                                 norm.mutable_data<T>());
      });
  return autograd::record<FocalNode>(loss, {logits}, logits, labels, norm, options);
}

}  // namespace az::ops
