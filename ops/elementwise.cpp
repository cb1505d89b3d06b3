#include "ops/elementwise.h"

#include "autograd/node.h"
#include "cpu/elementwise.h"
#include "math/elementwise.h"
#include "ops/dispatch.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::record;
using autograd::Saved;

Tensor like(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype(), x.device()); }

template <class Body>
struct MapNode final : Node {
  Saved y;
  MapNode(const char* name, const Tensor& out) : Node(name), y(out) {}
  Grads backward(const Grads& dy) override {
    const Tensor& saved = y.get(name());
    Tensor dx = like(saved);
    on_cpu(name(), saved, [&](auto t) {
      using T = decltype(t);
      cpu::map_backward<Body>(saved.data<T>(), dy[0].data<T>(), dx.mutable_data<T>(), dx.numel());
    });
    return {dx};
  }
};

template <class Body>
Tensor map(const char* name, const Tensor& x) {
  check_float(name, "x", x);
  Tensor y = like(x);
  on_cpu(name, x, [&](auto t) {
    using T = decltype(t);
    cpu::map_forward<Body>(x.data<T>(), y.mutable_data<T>(), x.numel());
  });
  return record<MapNode<Body>>(y, {x}, name, y);
}

struct AddNode final : Node {
  AddNode() : Node("add") {}
  Grads backward(const Grads& dy) override { return {dy[0], dy[0]}; }
};

Tensor scaled(const Tensor& x, double factor) {
  Tensor y = like(x);
  on_cpu("scale", x, [&](auto t) {
    using T = decltype(t);
    cpu::scale(x.data<T>(), static_cast<T>(factor), y.mutable_data<T>(), x.numel());
  });
  return y;
}

struct ScaleNode final : Node {
  double factor;
  explicit ScaleNode(double f) : Node("scale"), factor(f) {}
  Grads backward(const Grads& dy) override { return {scaled(dy[0], factor)}; }
};

struct ExpScaledNode final : Node {
  Saved x, s, y;
  double limit;
  ExpScaledNode(const Tensor& in, const Tensor& factor, const Tensor& out, double l)
      : Node("exp_scaled"), x(in), s(factor), y(out), limit(l) {}
  Grads backward(const Grads& dy) override {
    const Tensor& out = y.get(name());
    const Tensor& factor = s.get(name());
    Tensor dx = like(out);
    Tensor ds = Tensor::empty(factor.shape(), out.dtype(), out.device());
    on_cpu(name(), out, [&](auto t) {
      using T = decltype(t);
      ds.mutable_data<T>()[0] =
          cpu::exp_scaled_backward(x.get(name()).data<T>(), out.data<T>(), dy[0].data<T>(), factor.data<T>()[0],
                                   static_cast<T>(limit), dx.mutable_data<T>(), out.numel());
    });
    return {dx, ds};
  }
};

struct ReshapeNode final : Node {
  Shape shape;
  explicit ReshapeNode(const Shape& s) : Node("reshape"), shape(s) {}
  Grads backward(const Grads& dy) override { return {dy[0].reshaped(shape)}; }
};

struct NarrowNode final : Node {
  Shape shape;
  int64_t begin;
  NarrowNode(const Shape& s, int64_t b) : Node("narrow"), shape(s), begin(b) {}
  Grads backward(const Grads& dy) override {
    Tensor dx = Tensor::zeros(shape, dy[0].dtype(), dy[0].device());
    dx.narrowed(begin, dy[0].dim(0)).copy_from(dy[0]);
    return {dx};
  }
};

/// Copies level by level and image by image, in either direction.
template <class F>
void for_each_level_image(const std::vector<Shape>& shapes, const F& copy) {
  int64_t total = 0;
  for (const Shape& s : shapes) total += s[1] * s[2];
  int64_t at = 0;
  for (size_t l = 0; l < shapes.size(); ++l) {
    const int64_t locations = shapes[l][1] * shapes[l][2];
    const int64_t channels = shapes[l][3];
    for (int64_t n = 0; n < shapes[l][0]; ++n)
      copy(l, n * locations * channels, (n * total + at) * channels, locations * channels);
    at += locations;
  }
}

struct ConcatLevelsNode final : Node {
  std::vector<Shape> shapes;
  explicit ConcatLevelsNode(std::vector<Shape> s) : Node("concat_levels"), shapes(std::move(s)) {}
  Grads backward(const Grads& dy) override {
    Grads dx;
    for (const Shape& s : shapes) dx.push_back(Tensor::empty(s, dy[0].dtype(), dy[0].device()));
    const int64_t size = dtype_bytes(dy[0].dtype());
    const auto* from = static_cast<const char*>(dy[0].raw());
    for_each_level_image(shapes, [&](size_t l, int64_t level_at, int64_t joined_at, int64_t count) {
      dy[0].device().copy(static_cast<char*>(dx[l].mutable_raw()) + level_at * size, from + joined_at * size,
                          count * size);
    });
    return dx;
  }
};

}  // namespace

Tensor relu(const Tensor& x) { return map<math::Relu>("relu", x); }
Tensor exp(const Tensor& x) { return map<math::Exp>("exp", x); }
Tensor sigmoid(const Tensor& x) { return map<math::Sigmoid>("sigmoid", x); }

Tensor add(const Tensor& a, const Tensor& b) {
  check_float("add", "a", a);
  check_float("add", "b", b);
  check_same_device("add", a, b);
  AZ_CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), "add: {} and {} do not match", a.str(), b.str());
  Tensor y = like(a);
  on_cpu("add", a, [&](auto t) {
    using T = decltype(t);
    cpu::add(a.data<T>(), b.data<T>(), y.mutable_data<T>(), a.numel());
  });
  return record<AddNode>(y, {a, b});
}

Tensor scale(const Tensor& x, double factor) {
  check_float("scale", "x", x);
  return record<ScaleNode>(scaled(x, factor), {x}, factor);
}

Tensor exp_scaled(const Tensor& x, const Tensor& s, double limit) {
  check_float("exp_scaled", "x", x);
  AZ_CHECK(s.defined() && s.numel() == 1 && s.dtype() == x.dtype(), "exp_scaled: scale is {}, want one {}", s.str(),
           dtype_name(x.dtype()));
  check_same_device("exp_scaled", x, s);
  Tensor y = like(x);
  on_cpu("exp_scaled", x, [&](auto t) {
    using T = decltype(t);
    cpu::exp_scaled(x.data<T>(), s.data<T>()[0], static_cast<T>(limit), y.mutable_data<T>(), x.numel());
  });
  return record<ExpScaledNode>(y, {x, s}, x, s, y, limit);
}

Tensor reshape(const Tensor& x, const Shape& shape) { return record<ReshapeNode>(x.reshaped(shape), {x}, x.shape()); }

Tensor narrow(const Tensor& x, int64_t begin, int64_t count) {
  return record<NarrowNode>(x.narrowed(begin, count), {x}, x.shape(), begin);
}

Tensor concat_levels(const std::vector<Tensor>& levels) {
  AZ_CHECK(!levels.empty(), "concat_levels: no levels");
  std::vector<Shape> shapes;
  int64_t total = 0;
  for (const Tensor& x : levels) {
    AZ_CHECK(
        x.rank() == 4 && x.dim(0) == levels[0].dim(0) && x.dim(3) == levels[0].dim(3) && x.dtype() == levels[0].dtype(),
        "concat_levels: {} does not match {}; want [n, h, w, c] with the same n, c and dtype", x.str(),
        levels[0].str());
    check_same_device("concat_levels", x, levels[0]);
    shapes.push_back(x.shape());
    total += x.dim(1) * x.dim(2);
  }
  Tensor y = Tensor::empty({levels[0].dim(0), total, levels[0].dim(3)}, levels[0].dtype(), levels[0].device());
  const int64_t size = dtype_bytes(y.dtype());
  auto* to = static_cast<char*>(y.mutable_raw());
  for_each_level_image(shapes, [&](size_t l, int64_t level_at, int64_t joined_at, int64_t count) {
    y.device().copy(to + joined_at * size, static_cast<const char*>(levels[l].raw()) + level_at * size, count * size);
  });
  return record<ConcatLevelsNode>(y, levels, shapes);
}

}  // namespace az::ops
