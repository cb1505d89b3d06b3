#include "ops/polar_loss.h"

#include "autograd/node.h"
#include "cpu/polar_loss.h"
#include "cuda/polar_loss.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;

/// A loss of rows: a few operations an element, everything read once.
SpanDetail loss_detail(const Tensor& pred, const Tensor& target, const Tensor& labels) {
  return detail(pred, {.flops = 4 * static_cast<double>(pred.numel()),
                       .bytes_read = bytes_of(pred) + bytes_of(target) + bytes_of(labels)});
}

math::PolarIouKind kernel_kind(PolarIou kind) {
  switch (kind) {
    case PolarIou::v1: return math::PolarIouKind::v1;
    case PolarIou::v2: return math::PolarIouKind::v2;
    case PolarIou::v3: break;
  }
  return math::PolarIouKind::v3;
}

template <class T>
math::Rows<T> rows_of(const Tensor& labels, const Tensor& weight) {
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
  /// dx by cpu(pred, target, rows, norm, dy, dx) or cuda(stream, the same).
  template <class Cpu, class Cuda>
  Grads gradient(const Tensor& dy, const Cpu& cpu, const Cuda& cuda) {
    const Tensor &p = pred.get(name()), &goal = target.get(name()), &n = norm.get(name());
    const Tensor &classes = labels.get(name()), w = weight.defined() ? weight.get(name()) : Tensor();
    Tensor dx = Tensor::empty(p.shape(), p.dtype(), p.device());
    on_device(
        name(), p,
        [&](auto t) {
          using T = decltype(t);
          cpu(p.data<T>(), goal.data<T>(), rows_of<T>(classes, w), n.data<T>(), dy.data<T>(), dx.mutable_data<T>());
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda(device.stream(), p.data<T>(), goal.data<T>(), rows_of<T>(classes, w), n.data<T>(), dy.data<T>(),
               dx.mutable_data<T>());
        });
    return {dx};
  }
  Cost cost(const Grads&) const override {
    const double rows = bytes_of(pred.get(name()));
    return {.flops = 8 * static_cast<double>(pred.get(name()).numel()),
            .bytes_read = 2 * rows + bytes_of(labels.get(name())),
            .bytes_written = rows};
  }
};

struct PolarIouNode final : RowLossNode {
  math::PolarIouKind kind;
  PolarIouNode(math::PolarIouKind k, const Tensor& p, const Tensor& t, const Tensor& w, const Tensor& l,
               const Tensor& n)
      : RowLossNode("polar_iou_loss", p, t, w, l, n), kind(k) {}
  Grads backward(const Grads& dy) override {
    const int64_t rays = pred.get(name()).dim(1);
    return gradient(
        dy[0],
        [&]<class T>(const T* p, const T* t, const math::Rows<T>& rows, const T* n, const T* g, T* dx) {
          cpu::polar_iou_loss_backward(kind, p, t, rows, rays, n, g, dx);
        },
        [&]<class T>(auto& stream, const T* p, const T* t, const math::Rows<T>& rows, const T* n, const T* g, T* dx) {
          cuda::polar_iou_loss_backward(stream, kind, p, t, rows, rays, n, g, dx);
        });
  }
};

struct BoxIouNode final : RowLossNode {
  Saved points;
  BoxIouNode(const Tensor& at, const Tensor& p, const Tensor& t, const Tensor& w, const Tensor& l, const Tensor& n)
      : RowLossNode("box_iou_loss", p, t, w, l, n), points(at) {}
  Grads backward(const Grads& dy) override {
    const Tensor& at = points.get(name());
    return gradient(
        dy[0],
        [&]<class T>(const T* p, const T* t, const math::Rows<T>& rows, const T* n, const T* g, T* dx) {
          cpu::box_iou_loss_backward(at.data<T>(), at.dim(0), p, t, rows, n, g, dx);
        },
        [&]<class T>(auto& stream, const T* p, const T* t, const math::Rows<T>& rows, const T* n, const T* g, T* dx) {
          cuda::box_iou_loss_backward(stream, at.data<T>(), at.dim(0), p, t, rows, n, g, dx);
        });
  }
};

struct CenternessNode final : RowLossNode {
  CenternessNode(const Tensor& p, const Tensor& t, const Tensor& l, const Tensor& n)
      : RowLossNode("centerness_bce", p, t, Tensor(), l, n) {}
  Grads backward(const Grads& dy) override {
    return gradient(
        dy[0],
        [&]<class T>(const T* p, const T* t, const math::Rows<T>& rows, const T* n, const T* g, T* dx) {
          cpu::centerness_bce_backward(p, t, rows, n, g, dx);
        },
        [&]<class T>(auto& stream, const T* p, const T* t, const math::Rows<T>& rows, const T* n, const T* g, T* dx) {
          cuda::centerness_bce_backward(stream, p, t, rows, n, g, dx);
        });
  }
};

/// One element of x's dtype on its device.
Tensor one_like(const Tensor& x) { return Tensor::empty({1}, x.dtype(), x.device()); }

/// What a CUDA forward adds its rows up in.
Tensor parts_for(const Tensor& labels) {
  if constexpr (cuda::kBuilt) return Tensor::empty({cuda::row_loss_parts(labels.numel())}, DType::f64, labels.device());
  return {};
}

}  // namespace

Tensor polar_centerness(const Tensor& rays, const Tensor& labels) {
  constexpr const char* kOp = "polar_centerness";
  check_float(kOp, "rays", rays);
  AZ_CHECK(rays.rank() == 2 && rays.dim(1) > 0, "{}: rays are {}, want [locations, rays]", kOp, rays.str());
  check_labels(kOp, labels, rays);
  const ProfileSpan span(rays.device(), kOp, [&] {
    return detail(rays, {.flops = 2 * static_cast<double>(rays.numel()),
                         .bytes_read = bytes_of(rays) + bytes_of(labels),
                         .bytes_written = static_cast<double>(rays.dim(0) * dtype_bytes(rays.dtype()))});
  });
  Tensor centerness = Tensor::empty({rays.dim(0)}, rays.dtype(), rays.device());
  on_device(
      kOp, rays,
      [&](auto t) {
        using T = decltype(t);
        cpu::polar_centerness(rays.data<T>(), labels.data<int32_t>(), rays.dim(0), rays.dim(1),
                              centerness.mutable_data<T>());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        cuda::polar_centerness(device.stream(), rays.data<T>(), labels.data<int32_t>(), rays.dim(0), rays.dim(1),
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
  const ProfileSpan span(pred.device(), kOp, [&] { return loss_detail(pred, target, labels); });
  Tensor loss = one_like(pred), norm = one_like(pred);
  on_device(
      kOp, pred,
      [&](auto t) {
        using T = decltype(t);
        cpu::polar_iou_loss(kernel_kind(kind), pred.data<T>(), target.data<T>(), rows_of<T>(labels, weight),
                            pred.dim(1), loss.mutable_data<T>(), norm.mutable_data<T>());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        Tensor parts = parts_for(labels);
        cuda::polar_iou_loss(device.stream(), kernel_kind(kind), pred.data<T>(), target.data<T>(),
                             rows_of<T>(labels, weight), pred.dim(1), parts.template mutable_data<double>(),
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
  const ProfileSpan span(pred.device(), kOp, [&] { return loss_detail(pred, target, labels); });
  Tensor loss = one_like(pred), norm = one_like(pred);
  on_device(
      kOp, pred,
      [&](auto t) {
        using T = decltype(t);
        cpu::box_iou_loss(points.data<T>(), points.dim(0), pred.data<T>(), target.data<T>(), rows_of<T>(labels, weight),
                          loss.mutable_data<T>(), norm.mutable_data<T>());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        Tensor parts = parts_for(labels);
        cuda::box_iou_loss(device.stream(), points.data<T>(), points.dim(0), pred.data<T>(), target.data<T>(),
                           rows_of<T>(labels, weight), parts.template mutable_data<double>(), loss.mutable_data<T>(),
                           norm.mutable_data<T>());
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
  const ProfileSpan span(logits.device(), kOp, [&] { return loss_detail(logits, target, labels); });
  Tensor loss = one_like(logits), norm = one_like(logits);
  on_device(
      kOp, logits,
      [&](auto t) {
        using T = decltype(t);
        cpu::centerness_bce(logits.data<T>(), target.data<T>(), rows_of<T>(labels, Tensor()), loss.mutable_data<T>(),
                            norm.mutable_data<T>());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        Tensor parts = parts_for(labels);
        cuda::centerness_bce(device.stream(), logits.data<T>(), target.data<T>(), rows_of<T>(labels, Tensor()),
                             parts.template mutable_data<double>(), loss.mutable_data<T>(), norm.mutable_data<T>());
      });
  return autograd::record<CenternessNode>(loss, {logits}, logits, target, labels, norm);
}

}  // namespace az::ops
