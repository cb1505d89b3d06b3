#include "ops/polar_loss.h"

#include "autograd/node.h"
#include "cpu/polar_loss.h"
#include "ops/dispatch.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;

cpu::PolarIouKind kernel_kind(PolarIou kind) {
  switch (kind) {
    case PolarIou::v1: return cpu::PolarIouKind::v1;
    case PolarIou::v2: return cpu::PolarIouKind::v2;
    case PolarIou::v3: break;
  }
  return cpu::PolarIouKind::v3;
}

template <class T>
cpu::Rows<T> rows_of(const Tensor& labels, const Tensor& weight) {
  return {labels.data<int32_t>(), weight.defined() ? weight.data<T>() : nullptr, labels.numel()};
}

/// Error unless `t` is `reference`'s dtype and device, of this shape.
void check_like(const char* op, const char* name, const Tensor& t, const Shape& shape, const Tensor& reference) {
  AZ_CHECK(t.defined() && t.dtype() == reference.dtype() && t.shape() == shape, "{}: {} is {}, want {} {}", op, name,
           t.str(), dtype_name(reference.dtype()), shape.str());
  check_same_device(op, reference, t);
}

void check_labels(const char* op, const Tensor& labels, const Tensor& reference) {
  AZ_CHECK(labels.defined() && labels.dtype() == DType::i32 && labels.shape() == Shape({reference.dim(0)}),
           "{}: labels are {}, want i32 [{}]", op, labels.str(), reference.dim(0));
  check_same_device(op, reference, labels);
}

/// What the three losses keep: `weight` is undefined where every positive row counts the same.
struct RowLossNode : Node {
  Saved pred, target, weight, labels, norm;
  RowLossNode(const char* name, const Tensor& p, const Tensor& t, const Tensor& w, const Tensor& l, const Tensor& n)
      : Node(name), pred(p), target(t), labels(l), norm(n) {
    if (w.defined()) weight = Saved(w);
  }
  template <class F>
  Grads gradient(const F& kernel) {
    const Tensor& p = pred.get(name());
    Tensor dx = Tensor::empty(p.shape(), p.dtype(), p.device());
    on_cpu(name(), p, [&](auto t) {
      using T = decltype(t);
      const auto rows = rows_of<T>(labels.get(name()), weight.defined() ? weight.get(name()) : Tensor());
      kernel(p.data<T>(), target.get(name()).template data<T>(), rows, norm.get(name()).template data<T>(),
             dx.mutable_data<T>());
    });
    return {dx};
  }
};

struct PolarIouNode final : RowLossNode {
  cpu::PolarIouKind kind;
  PolarIouNode(cpu::PolarIouKind k, const Tensor& p, const Tensor& t, const Tensor& w, const Tensor& l, const Tensor& n)
      : RowLossNode("polar_iou_loss", p, t, w, l, n), kind(k) {}
  Grads backward(const Grads& dy) override {
    return gradient([&]<class T>(const T* p, const T* t, const cpu::Rows<T>& rows, const T* n, T* dx) {
      cpu::polar_iou_loss_backward(kind, p, t, rows, columns(), n, dy[0].data<T>(), dx);
    });
  }
  int64_t columns() const { return pred.get(name()).dim(1); }
};

struct BoxIouNode final : RowLossNode {
  Saved points;
  BoxIouNode(const Tensor& at, const Tensor& p, const Tensor& t, const Tensor& w, const Tensor& l, const Tensor& n)
      : RowLossNode("box_iou_loss", p, t, w, l, n), points(at) {}
  Grads backward(const Grads& dy) override {
    const Tensor& at = points.get(name());
    return gradient([&]<class T>(const T* p, const T* t, const cpu::Rows<T>& rows, const T* n, T* dx) {
      cpu::box_iou_loss_backward(at.data<T>(), at.dim(0), p, t, rows, n, dy[0].data<T>(), dx);
    });
  }
};

struct CenternessNode final : RowLossNode {
  CenternessNode(const Tensor& p, const Tensor& t, const Tensor& l, const Tensor& n)
      : RowLossNode("centerness_bce", p, t, Tensor(), l, n) {}
  Grads backward(const Grads& dy) override {
    return gradient([&]<class T>(const T* p, const T* t, const cpu::Rows<T>& rows, const T* n, T* dx) {
      cpu::centerness_bce_backward(p, t, rows, n, dy[0].data<T>(), dx);
    });
  }
};

/// One element of x's dtype on its device.
Tensor one_like(const Tensor& x) { return Tensor::empty({1}, x.dtype(), x.device()); }

}  // namespace

Tensor polar_centerness(const Tensor& rays, const Tensor& labels) {
  constexpr const char* kOp = "polar_centerness";
  check_float(kOp, "rays", rays);
  AZ_CHECK(rays.rank() == 2 && rays.dim(1) > 0, "{}: rays are {}, want [locations, rays]", kOp, rays.str());
  check_labels(kOp, labels, rays);
  Tensor centerness = Tensor::empty({rays.dim(0)}, rays.dtype(), rays.device());
  on_cpu(kOp, rays, [&](auto t) {
    using T = decltype(t);
    cpu::polar_centerness(rays.data<T>(), labels.data<int32_t>(), rays.dim(0), rays.dim(1),
                          centerness.mutable_data<T>());
  });
  return centerness;
}

Tensor polar_iou_loss(const Tensor& pred, const Tensor& target, const Tensor& weight, const Tensor& labels,
                      PolarIou kind) {
  constexpr const char* kOp = "polar_iou_loss";
  check_float(kOp, "pred", pred);
  AZ_CHECK(pred.rank() == 2 && pred.dim(1) > 0, "{}: pred is {}, want [locations, rays]", kOp, pred.str());
  check_like(kOp, "target", target, pred.shape(), pred);
  check_like(kOp, "weight", weight, {pred.dim(0)}, pred);
  check_labels(kOp, labels, pred);
  Tensor loss = one_like(pred), norm = one_like(pred);
  on_cpu(kOp, pred, [&](auto t) {
    using T = decltype(t);
    cpu::polar_iou_loss(kernel_kind(kind), pred.data<T>(), target.data<T>(), rows_of<T>(labels, weight), pred.dim(1),
                        loss.mutable_data<T>(), norm.mutable_data<T>());
  });
  return autograd::record<PolarIouNode>(loss, {pred}, kernel_kind(kind), pred, target, weight, labels, norm);
}

Tensor box_iou_loss(const Tensor& points, const Tensor& pred, const Tensor& target, const Tensor& weight,
                    const Tensor& labels) {
  constexpr const char* kOp = "box_iou_loss";
  check_float(kOp, "pred", pred);
  AZ_CHECK(pred.rank() == 2 && pred.dim(1) == 4, "{}: pred is {}, want [locations, 4]", kOp, pred.str());
  AZ_CHECK(points.defined() && points.rank() == 2 && points.dim(0) > 0 && pred.dim(0) % points.dim(0) == 0,
           "{}: points are {}, want [l, 2] with {} rows a multiple of l", kOp, points.str(), pred.dim(0));
  check_like(kOp, "points", points, {points.dim(0), 2}, pred);
  check_like(kOp, "target", target, pred.shape(), pred);
  check_like(kOp, "weight", weight, {pred.dim(0)}, pred);
  check_labels(kOp, labels, pred);
  Tensor loss = one_like(pred), norm = one_like(pred);
  on_cpu(kOp, pred, [&](auto t) {
    using T = decltype(t);
    cpu::box_iou_loss(points.data<T>(), points.dim(0), pred.data<T>(), target.data<T>(), rows_of<T>(labels, weight),
                      loss.mutable_data<T>(), norm.mutable_data<T>());
  });
  return autograd::record<BoxIouNode>(loss, {pred}, points, pred, target, weight, labels, norm);
}

Tensor centerness_bce(const Tensor& logits, const Tensor& target, const Tensor& labels) {
  constexpr const char* kOp = "centerness_bce";
  check_float(kOp, "logits", logits);
  AZ_CHECK(logits.rank() == 1 || (logits.rank() == 2 && logits.dim(1) == 1),
           "{}: logits are {}, want [locations] or [locations, 1]", kOp, logits.str());
  check_like(kOp, "target", target, {logits.dim(0)}, logits);
  check_labels(kOp, labels, logits);
  Tensor loss = one_like(logits), norm = one_like(logits);
  on_cpu(kOp, logits, [&](auto t) {
    using T = decltype(t);
    cpu::centerness_bce(logits.data<T>(), target.data<T>(), rows_of<T>(labels, Tensor()), loss.mutable_data<T>(),
                        norm.mutable_data<T>());
  });
  return autograd::record<CenternessNode>(loss, {logits}, logits, target, labels, norm);
}

}  // namespace az::ops
