#include "ops/siam_loss.h"

#include "autograd/node.h"
#include "cpu/siam_loss.h"
#include "cuda/siam_loss.h"
#include "ops/dispatch.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;
using math::AnchorShape;

Tensor like(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype(), x.device()); }
Tensor scalar_like(const Tensor& x) { return Tensor::empty({1}, x.dtype(), x.device()); }
[[maybe_unused]] Tensor parts_for(int64_t count, Device& device) {
  return Tensor::empty({cuda::siam_loss_parts(count)}, DType::f64, device);
}

/// The anchors of a map with `per_anchor` channels for each; errors name `op` and `name`.
AnchorShape anchor_shape(const char* op, const char* name, const Tensor& x, int64_t per_anchor) {
  check_float(op, name, x);
  AZ_CHECK(x.rank() == 4 && x.dim(0) > 0 && x.dim(3) > 0 && x.dim(3) % per_anchor == 0,
           "{}: {} is {}, want [n, h, w, {} a] with n and a of 1 or more", op, name, x.str(), per_anchor);
  return {x.dim(0), x.dim(1) * x.dim(2), x.dim(3) / per_anchor};
}

void check_like(const char* op, const char* name, const Tensor& t, const Shape& shape, DType dtype, const Tensor& x) {
  AZ_CHECK(t.defined() && t.shape() == shape && t.dtype() == dtype, "{}: {} is {}, want {} {}", op, name, t.str(),
           dtype_name(dtype), shape.str());
  check_same_device(op, x, t);
}

struct ClassNode final : Node {
  Saved logits, labels, counts;
  AnchorShape shape;
  ClassNode(const Tensor& z, const Tensor& l, const Tensor& c, const AnchorShape& s)
      : Node("anchor_class_loss"), logits(z), labels(l), counts(c), shape(s) {}
  Grads backward(const Grads& dy) override {
    const Tensor &z = logits.get(name()), &l = labels.get(name()), &c = counts.get(name());
    Tensor dx = like(z);
    on_device(
        name(), z,
        [&](auto t) {
          using T = decltype(t);
          cpu::anchor_class_loss_backward(shape, z.data<T>(), l.data<int32_t>(), c.data<T>(), dy[0].data<T>(),
                                          dx.mutable_data<T>());
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda::anchor_class_loss_backward(device.stream(), shape, z.data<T>(), l.data<int32_t>(), c.data<T>(),
                                           dy[0].data<T>(), dx.mutable_data<T>());
        });
    return {dx};
  }
};

struct BoxNode final : Node {
  Saved x, target, weight;
  AnchorShape shape;
  BoxNode(const Tensor& v, const Tensor& t, const Tensor& w, const AnchorShape& s)
      : Node("anchor_box_loss"), x(v), target(t), weight(w), shape(s) {}
  Grads backward(const Grads& dy) override {
    const Tensor &v = x.get(name()), &want = target.get(name()), &w = weight.get(name());
    Tensor dx = like(v);
    on_device(
        name(), v,
        [&](auto t) {
          using T = decltype(t);
          cpu::anchor_box_loss_backward(shape, v.data<T>(), want.data<T>(), w.data<T>(), dy[0].data<T>(),
                                        dx.mutable_data<T>());
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda::anchor_box_loss_backward(device.stream(), shape, v.data<T>(), want.data<T>(), w.data<T>(),
                                         dy[0].data<T>(), dx.mutable_data<T>());
        });
    return {dx};
  }
};

struct MarginNode final : Node {
  Saved x, target, weight, count;
  MarginNode(const Tensor& v, const Tensor& t, const Tensor& w, const Tensor& c)
      : Node("soft_margin_loss"), x(v), target(t), weight(w), count(c) {}
  Grads backward(const Grads& dy) override {
    const Tensor &v = x.get(name()), &want = target.get(name()), &w = weight.get(name()), &c = count.get(name());
    Tensor dx = like(v);
    const int64_t rows = v.dim(0), columns = v.numel() / std::max<int64_t>(rows, 1);
    on_device(
        name(), v,
        [&](auto t) {
          using T = decltype(t);
          cpu::soft_margin_loss_backward(rows, columns, v.data<T>(), want.data<T>(), w.data<T>(), c.data<T>(),
                                         dy[0].data<T>(), dx.mutable_data<T>());
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda::soft_margin_loss_backward(device.stream(), rows, columns, v.data<T>(), want.data<T>(), w.data<T>(),
                                          c.data<T>(), dy[0].data<T>(), dx.mutable_data<T>());
        });
    return {dx};
  }
};

}  // namespace

Tensor anchor_class_loss(const Tensor& logits, const Tensor& labels) {
  constexpr const char* kOp = "anchor_class_loss";
  const AnchorShape shape = anchor_shape(kOp, "logits", logits, 2);
  check_like(kOp, "labels", labels, {logits.dim(0), logits.dim(1), logits.dim(2), shape.anchors}, DType::i32, logits);
  Tensor loss = scalar_like(logits), counts = Tensor::empty({2}, logits.dtype(), logits.device());
  on_device(
      kOp, logits,
      [&](auto t) {
        using T = decltype(t);
        cpu::anchor_class_loss(shape, logits.data<T>(), labels.data<int32_t>(), loss.mutable_data<T>(),
                               counts.mutable_data<T>());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        Tensor parts = parts_for(shape.count(), device);
        cuda::anchor_class_loss(device.stream(), shape, logits.data<T>(), labels.data<int32_t>(),
                                parts.mutable_data<double>(), loss.mutable_data<T>(), counts.mutable_data<T>());
      });
  return autograd::record<ClassNode>(loss, {logits}, logits, labels, counts, shape);
}

Tensor anchor_box_loss(const Tensor& x, const Tensor& target, const Tensor& weight) {
  constexpr const char* kOp = "anchor_box_loss";
  const AnchorShape shape = anchor_shape(kOp, "x", x, 4);
  check_like(kOp, "target", target, x.shape(), x.dtype(), x);
  check_like(kOp, "weight", weight, {x.dim(0), x.dim(1), x.dim(2), shape.anchors}, x.dtype(), x);
  Tensor loss = scalar_like(x);
  on_device(
      kOp, x,
      [&](auto t) {
        using T = decltype(t);
        cpu::anchor_box_loss(shape, x.data<T>(), target.data<T>(), weight.data<T>(), loss.mutable_data<T>());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        Tensor parts = parts_for(shape.count(), device);
        cuda::anchor_box_loss(device.stream(), shape, x.data<T>(), target.data<T>(), weight.data<T>(),
                              parts.mutable_data<double>(), loss.mutable_data<T>());
      });
  return autograd::record<BoxNode>(loss, {x}, x, target, weight, shape);
}

Tensor soft_margin_loss(const Tensor& x, const Tensor& target, const Tensor& weight) {
  constexpr const char* kOp = "soft_margin_loss";
  check_float(kOp, "x", x);
  AZ_CHECK(x.rank() >= 1, "{}: x is {}, want rows", kOp, x.str());
  check_like(kOp, "target", target, x.shape(), x.dtype(), x);
  check_like(kOp, "weight", weight, {x.dim(0)}, x.dtype(), x);
  Tensor loss = scalar_like(x), count = scalar_like(x);
  const int64_t rows = x.dim(0), columns = x.numel() / std::max<int64_t>(rows, 1);
  on_device(
      kOp, x,
      [&](auto t) {
        using T = decltype(t);
        cpu::soft_margin_loss(rows, columns, x.data<T>(), target.data<T>(), weight.data<T>(), loss.mutable_data<T>(),
                              count.mutable_data<T>());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        Tensor parts = parts_for(rows, device);
        cuda::soft_margin_loss(device.stream(), rows, columns, x.data<T>(), target.data<T>(), weight.data<T>(),
                               parts.mutable_data<double>(), loss.mutable_data<T>(), count.mutable_data<T>());
      });
  return autograd::record<MarginNode>(loss, {x}, x, target, weight, count);
}

}  // namespace az::ops
