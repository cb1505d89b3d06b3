#include "ops/elementwise.h"

#include <cmath>
#include <type_traits>

#include "autograd/node.h"
#include "autograd/onnx.h"
#include "cpu/elementwise.h"
#include "cuda/elementwise.h"
#include "cuda/reduce.h"
#include "math/elementwise.h"
#include "ops/cast.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::record;
using autograd::Saved;

Tensor like(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype(), x.device()); }

/// on_device, or on_device_bf16 for the maps that bf16 and f16 pass through.
template <class Body, class Cpu, class Cuda>
void on_map_device(const char* name, const Tensor& t, const Cpu& cpu, const Cuda& cuda) {
  if constexpr (std::is_same_v<Body, math::Relu>) {
    on_device_bf16(name, t, cpu, cuda);
  } else {
    on_device(name, t, cpu, cuda);
  }
}

/// Operations an element, as tensor/profiler.h counts them.
struct MapFlops {
  double forward = 1, backward = 1;
};
template <class Body>
constexpr MapFlops kFlops = {};
template <>
constexpr MapFlops kFlops<math::Sigmoid> = {3, 3};

template <class Body>
struct MapNode final : Node {
  Saved y;
  MapNode(const char* name, const Tensor& out) : Node(name), y(out) {}
  Grads backward(const Grads& dy) override {
    if (dy_is_cut()) return {dy[0]};
    const Tensor& saved = y.get(name());
    Tensor dx = dy[0].is_only_owner() ? dy[0] : like(saved);
    on_map_device<Body>(
        name(), saved,
        [&](auto t) {
          using T = decltype(t);
          cpu::map_backward<Body>(saved.data<T>(), dy[0].data<T>(), dx.mutable_data<T>(), dx.numel());
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda::map_backward<Body>(device.stream(), saved.data<T>(), dy[0].data<T>(), dx.mutable_data<T>(), dx.numel());
        });
    return {dx};
  }
  Cost cost(const Grads& dy) const override { return dy_is_cut() ? Cost{} : map_cost(dy[0], kFlops<Body>.backward, 1); }
  Tensor relu_output() const override { return std::is_same_v<Body, math::Relu> ? y.get(name()) : Tensor(); }
  void onnx(autograd::OnnxRule& rule) const override {
    if constexpr (!std::is_same_v<Body, math::Relu>) return Node::onnx(rule);
    rule.result(rule.input(0), /*relu=*/true);
  }
};

/// bf16 and f16 as f32, for ops whose results are f32.
Tensor widened(Tensor x) { return is_half(x.dtype()) ? cast(x, DType::f32) : x; }

/// y: where it goes, x itself or a tensor like it.
template <class Body>
Tensor map(const char* name, const Tensor& x, Tensor y) {
  const ProfileSpan span(x.device(), name, [&] { return detail(x, map_cost(x, kFlops<Body>.forward)); });
  on_map_device<Body>(
      name, x,
      [&](auto t) {
        using T = decltype(t);
        cpu::map_forward<Body>(x.data<T>(), y.mutable_data<T>(), x.numel());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        cuda::map_forward<Body>(device.stream(), x.data<T>(), y.mutable_data<T>(), x.numel());
      });
  return record<MapNode<Body>>(y, {x}, name, y);
}

struct AddNode final : Node {
  AddNode() : Node("add") {}
  Grads backward(const Grads& dy) override { return {dy[0], dy[0]}; }
  Cost cost(const Grads&) const override { return {}; }
  void onnx(autograd::OnnxRule& rule) const override { rule.result(rule.add("Add", {rule.input(0), rule.input(1)})); }
};

Tensor scaled(const Tensor& x, double factor) {
  const ProfileSpan span(x.device(), "scale", [&] { return detail(x, map_cost(x, 1)); });
  Tensor y = like(x);
  on_device_bf16(
      "scale", x,
      [&](auto t) {
        using T = decltype(t);
        cpu::scale(x.data<T>(), static_cast<Wide<T>>(factor), y.mutable_data<T>(), x.numel());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        cuda::scale(device.stream(), x.data<T>(), static_cast<Wide<T>>(factor), y.mutable_data<T>(), x.numel());
      });
  return y;
}

struct ScaleNode final : Node {
  double factor;
  explicit ScaleNode(double f) : Node("scale"), factor(f) {}
  Grads backward(const Grads& dy) override { return {scaled(dy[0], factor)}; }
  Cost cost(const Grads&) const override { return {}; }  // scaled() reports it
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
    const Tensor& in = x.get(name());
    on_device(
        name(), out,
        [&](auto t) {
          using T = decltype(t);
          ds.mutable_data<T>()[0] =
              cpu::exp_scaled_backward(in.data<T>(), out.data<T>(), dy[0].data<T>(), factor.data<T>()[0],
                                       static_cast<T>(limit), dx.mutable_data<T>(), out.numel());
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          Tensor parts = Tensor::empty({cuda::kSumParts}, DType::f64, device);
          cuda::exp_scaled_backward(device.stream(), in.data<T>(), out.data<T>(), dy[0].data<T>(), factor.data<T>(),
                                    static_cast<T>(limit), dx.mutable_data<T>(), ds.mutable_data<T>(),
                                    parts.mutable_data<double>(), out.numel());
        });
    return {dx, ds};
  }
  Cost cost(const Grads& dy) const override { return map_cost(dy[0], 5, 2); }
  uint64_t layer() const override { return s.storage_id(); }
  void onnx(autograd::OnnxRule& rule) const override {
    const Tensor& factor = s.get(name());
    std::string power = rule.add("Mul", {rule.input(0), rule.constant(rule.name_of(factor, "scale"), factor)});
    if (std::isfinite(limit)) {
      const Tensor most = Tensor::full(Shape{}, limit, DType::f32, factor.device());
      power = rule.add("Min", {power, rule.constant("max_exponent", most)});
    }
    rule.result(rule.add("Exp", {power}));
  }
};

/// Whether NHWC and NCHW are one order of the elements.
bool is_one_order(const Shape& s) { return s.rank() != 4 || s[1] * s[2] == 1 || s[3] == 1; }

struct ReshapeNode final : Node {
  Shape shape, to;
  ReshapeNode(const Shape& from, const Shape& wanted) : Node("reshape"), shape(from), to(wanted) {}
  Grads backward(const Grads& dy) override { return {dy[0].reshaped(shape)}; }
  Cost cost(const Grads&) const override { return {}; }
  void onnx(autograd::OnnxRule& rule) const override {
    if (shape == to) return rule.result(rule.input(0));
    AZ_CHECK(is_one_order(shape) && is_one_order(to),
             "onnx: reshape of {} to {} would have to transpose between NHWC and NCHW", shape.str(), to.str());
    const Shape wanted = autograd::onnx_shape(to);
    const auto dims = wanted.dims();
    rule.result(rule.add("Reshape", {rule.input(0), rule.integers({dims.begin(), dims.end()})}));
  }
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

/// f(l, elements of image n before it in level l, in the joined tensor, elements to copy), level by level.
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

/// The levels as the CUDA kernels take them; concat_levels only reads them.
cuda::LevelTable level_table(const std::vector<Tensor>& levels) {
  cuda::LevelTable table;
  for (const Tensor& x : levels) {
    const auto l = static_cast<size_t>(table.levels++);
    table.at[l] = const_cast<void*>(x.raw());
    table.elements[l] = x.dim(1) * x.dim(2) * x.dim(3);
  }
  return table;
}

void join(const std::vector<Tensor>& levels, const std::vector<Shape>& shapes, Tensor& joined) {
  const int64_t size = dtype_bytes(joined.dtype());
  by_device(
      "concat_levels", joined,
      [&] {
        auto* to = static_cast<char*>(joined.mutable_raw());
        for_each_level_image(shapes, [&](size_t l, int64_t level_at, int64_t joined_at, int64_t count) {
          joined.device().copy(to + joined_at * size, static_cast<const char*>(levels[l].raw()) + level_at * size,
                               count * size);
        });
      },
      [&](auto& device) {
        cuda::concat_levels(device.stream(), level_table(levels), joined.mutable_raw(), joined.dim(0), size);
      });
}

void split(const Tensor& joined, const std::vector<Shape>& shapes, std::vector<Tensor>& levels) {
  const int64_t size = dtype_bytes(joined.dtype());
  by_device(
      "concat_levels", joined,
      [&] {
        const auto* from = static_cast<const char*>(joined.raw());
        for_each_level_image(shapes, [&](size_t l, int64_t level_at, int64_t joined_at, int64_t count) {
          joined.device().copy(static_cast<char*>(levels[l].mutable_raw()) + level_at * size, from + joined_at * size,
                               count * size);
        });
      },
      [&](auto& device) {
        cuda::split_levels(device.stream(), level_table(levels), joined.raw(), joined.dim(0), size);
      });
}

struct ConcatLevelsNode final : Node {
  std::vector<Shape> shapes;
  explicit ConcatLevelsNode(std::vector<Shape> s) : Node("concat_levels"), shapes(std::move(s)) {}
  Grads backward(const Grads& dy) override {
    Grads dx;
    for (const Shape& s : shapes) dx.push_back(Tensor::empty(s, dy[0].dtype(), dy[0].device()));
    split(dy[0], shapes, dx);
    return dx;
  }
};

}  // namespace

Tensor relu(Tensor x) {
  check_activation("relu", "x", x);
  if (is_host_f16(x)) return cast(relu(cast(x, DType::f32)), x.dtype());
  return map<math::Relu>("relu", x, may_overwrite(x) ? x.detached() : like(x));
}

Tensor exp(const Tensor& x) {
  check_activation("exp", "x", x);
  const Tensor wide = widened(x);
  return map<math::Exp>("exp", wide, like(wide));
}

Tensor sigmoid(const Tensor& x) {
  check_activation("sigmoid", "x", x);
  const Tensor wide = widened(x);
  return map<math::Sigmoid>("sigmoid", wide, like(wide));
}

Tensor add(const Tensor& a, const Tensor& b) {
  check_activation("add", "a", a);
  check_activation("add", "b", b);
  check_same_device("add", a, b);
  AZ_CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), "add: {} and {} do not match", a.str(), b.str());
  if (is_host_f16(a)) return cast(add(cast(a, DType::f32), cast(b, DType::f32)), a.dtype());
  const ProfileSpan span(a.device(), "add", [&] { return detail(a, map_cost(a, 1, 1)); });
  Tensor y = like(a);
  on_device_bf16(
      "add", a,
      [&](auto t) {
        using T = decltype(t);
        cpu::add(a.data<T>(), b.data<T>(), y.mutable_data<T>(), a.numel());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        cuda::add(device.stream(), a.data<T>(), b.data<T>(), y.mutable_data<T>(), a.numel());
      });
  return record<AddNode>(y, {a, b});
}

Tensor scale(const Tensor& x, double factor) {
  check_activation("scale", "x", x);
  if (is_host_f16(x)) return cast(scale(cast(x, DType::f32), factor), x.dtype());
  return record<ScaleNode>(scaled(x, factor), {x}, factor);
}

void check_exp_scale(const Tensor& s, const Tensor& x) {
  AZ_CHECK(s.defined() && s.numel() == 1 && s.dtype() == x.dtype(), "exp_scaled: scale is {}, want one {}", s.str(),
           dtype_name(x.dtype()));
  check_same_device("exp_scaled", x, s);
}

Tensor exp_scaled(Tensor logits, const Tensor& s, double limit) {
  check_activation("exp_scaled", "x", logits);
  const Tensor x = widened(std::move(logits));
  check_exp_scale(s, x);
  const ProfileSpan span(x.device(), "exp_scaled", [&] { return detail(x, map_cost(x, 3), s); });
  Tensor y = may_overwrite(x) && !autograd::wants_record({x, s}) ? x.detached() : like(x);
  on_device(
      "exp_scaled", x,
      [&](auto t) {
        using T = decltype(t);
        cpu::exp_scaled(x.data<T>(), s.data<T>()[0], static_cast<T>(limit), y.mutable_data<T>(), x.numel());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        cuda::exp_scaled(device.stream(), x.data<T>(), s.data<T>(), static_cast<T>(limit), y.mutable_data<T>(),
                         x.numel());
      });
  return record<ExpScaledNode>(y, {x, s}, x, s, y, limit);
}

Tensor reshape(const Tensor& x, const Shape& shape) {
  return record<ReshapeNode>(x.reshaped(shape), {x}, x.shape(), shape);
}

Tensor narrow(const Tensor& x, int64_t begin, int64_t count) {
  return record<NarrowNode>(x.narrowed(begin, count), {x}, x.shape(), begin);
}

Tensor concat_levels(const std::vector<Tensor>& levels) {
  AZ_CHECK(!levels.empty() && levels.size() <= cuda::kMostLevels, "concat_levels: {} levels, want 1 to {}",
           levels.size(), cuda::kMostLevels);
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
  const ProfileSpan span(levels[0].device(), "concat_levels", [&] {
    double bytes = 0;
    for (const Tensor& x : levels) bytes += bytes_of(x);
    return detail(levels[0], {.bytes_read = bytes, .bytes_written = bytes});
  });
  Tensor y = Tensor::empty({levels[0].dim(0), total, levels[0].dim(3)}, levels[0].dtype(), levels[0].device());
  join(levels, shapes, y);
  return record<ConcatLevelsNode>(y, levels, shapes);
}

void count_up(Tensor& counter) {
  AZ_CHECK(counter.defined() && counter.dtype() == DType::i64 && counter.numel() == 1,
           "count_up: counter is {}, want one i64", counter.str());
  auto* at = counter.mutable_data<int64_t>();
  by_device(
      "count_up", counter, [&] { ++*at; }, [&](auto& device) { cuda::count_up(device.stream(), at); });
}

}  // namespace az::ops
