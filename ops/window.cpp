#include "ops/window.h"

#include <algorithm>

#include "autograd/node.h"
#include "autograd/onnx.h"
#include "cpu/window.h"
#include "cuda/window.h"
#include "ops/cast.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;
using math::WindowPlace;
using math::WindowPlaces;
using math::WindowShape;

const WindowPlace* cells_of(const Tensor& cells) {
  static_assert(sizeof(WindowPlace) == 3 * sizeof(int32_t));
  return reinterpret_cast<const WindowPlace*>(cells.data<int32_t>());
}

struct WindowsNode final : Node {
  Saved listed;  // undefined for crop
  WindowPlaces places;
  WindowShape shape;
  WindowsNode(const char* name, const Tensor& list, const WindowPlaces& p, const WindowShape& s)
      : Node(name), listed(list), places(p), shape(s) {}
  Grads backward(const Grads& dy) override {
    if (listed.defined()) places.listed = cells_of(listed.get(name()));
    Tensor dx = Tensor::empty({shape.images, shape.h, shape.w, shape.channels}, dy[0].dtype(), dy[0].device());
    on_device_half(
        name(), dy[0],
        [&](auto t) {
          using T = decltype(t);
          cpu::windows_backward(dy[0].data<T>(), places, dx.mutable_data<T>(), shape);
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda::windows_backward(device.stream(), dy[0].data<T>(), places, dx.mutable_data<T>(), shape);
        });
    return {dx};
  }
  Cost cost(const Grads& dy) const override {
    const auto written = static_cast<double>(shape.images * shape.h * shape.w * shape.channels);
    return {.bytes_read = bytes_of(dy[0]), .bytes_written = written * static_cast<double>(dtype_bytes(dy[0].dtype()))};
  }
  void onnx(autograd::OnnxRule& rule) const override {
    rule.result(listed.defined() ? gathered(rule, listed.get(name())) : sliced(rule));
  }
  /// Of a crop.
  std::string sliced(autograd::OnnxRule& rule) const {
    const int64_t top = places.offset, left = top + places.left;
    return rule.add("Slice", {rule.input(0), rule.integers({top, left}),
                              rule.integers({top + shape.window_h, left + shape.window_w}), rule.integers({2, 3})});
  }
  /// Of listed cells: the map's elements are one row, whose numbers are sums of the cell's, the channel's and the
  /// pixel's. The map is padded as far as a cell of it may reach beyond its edges; other cells give other elements.
  std::string gathered(autograd::OnnxRule& rule, const Tensor& cells) const {
    const WindowShape& s = shape;
    const auto pad = static_cast<int64_t>(std::max(0, -places.offset));
    const int64_t h = s.h + 2 * pad, w = s.w + 2 * pad, first = places.offset + pad;
    const auto numbers = [&](const char* what, const Shape& dims, const auto& f) {
      std::vector<int32_t> values(static_cast<size_t>(dims.numel()));
      for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int32_t>(f(static_cast<int64_t>(i)));
      return rule.constant(what, Tensor::from(values, dims, cells.device()));
    };
    AZ_CHECK(s.images * s.channels * h * w < (int64_t{1} << 31), "onnx: windows of a map of {} x {} x {} x {} elements",
             s.images, h, w, s.channels);
    std::string map = rule.input(0);
    if (pad > 0) map = rule.add("Pad", {map, rule.integers({0, 0, pad, pad, 0, 0, pad, pad})});
    map = rule.add("Reshape", {map, rule.integers({-1})});
    const int64_t step[] = {s.channels * h * w, places.stride * w, places.stride};
    std::string at =
        rule.add("Mul", {rule.saved(cells), numbers("cell_strides", {3}, [&](int64_t i) { return step[i]; })});
    at = rule.add("ReduceSum", {at, rule.integers({1})});
    at = rule.add("Reshape", {at, rule.integers({s.windows, 1, 1, 1})});
    at = rule.add("Add", {at, numbers("channel_places", {s.channels, 1, 1}, [&](int64_t c) { return c * h * w; })});
    at = rule.add("Add", {at, numbers("pixel_places", {s.window_h, s.window_w}, [&](int64_t i) {
                            return (first + i / s.window_w) * w + first + i % s.window_w;
                          })});
    return rule.add("Gather", {map, at});
  }
};

/// Error on the CPU; a CUDA device's cells are not waited for.
void check_images(const Tensor& cells, int64_t images) {
  if (cells.device().kind() != DeviceKind::cpu) return;
  const WindowPlace* p = cells_of(cells);
  for (int64_t k = 0; k < cells.dim(0); ++k)
    AZ_CHECK(p[k].image >= 0 && p[k].image < images, "windows: cell {} is in image {} of {}", k, p[k].image, images);
}

Tensor cut(const char* op, const Tensor& x, const Tensor& listed, const WindowPlaces& places,
           const WindowShape& shape) {
  check_map_size(op, x, std::max(shape.images * shape.h, shape.windows * shape.window_h),
                 std::max(shape.w, shape.window_w) * shape.channels);
  const ProfileSpan span(x.device(), op, [&] {
    const auto count = static_cast<double>(shape.windows * shape.window_h * shape.window_w * shape.channels);
    const double bytes = count * static_cast<double>(dtype_bytes(x.dtype()));
    return detail(x, {.bytes_read = bytes, .bytes_written = bytes});
  });
  Tensor y = Tensor::empty({shape.windows, shape.window_h, shape.window_w, shape.channels}, x.dtype(), x.device());
  on_device_half(
      op, x,
      [&](auto t) {
        using T = decltype(t);
        cpu::windows(x.data<T>(), places, y.mutable_data<T>(), shape);
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        cuda::windows(device.stream(), x.data<T>(), places, y.mutable_data<T>(), shape);
      });
  return autograd::record<WindowsNode>(y, {x}, op, listed, places, shape);
}

}  // namespace

Tensor windows(const Tensor& x, const Tensor& cells, int64_t h, int64_t w, const WindowGrid& grid) {
  check_activation("windows", "x", x);
  AZ_CHECK(x.rank() == 4, "windows: x is {}, want [n, h, w, c]", x.str());
  AZ_CHECK(cells.defined() && cells.dtype() == DType::i32 && cells.rank() == 2 && cells.dim(1) == 3,
           "windows: cells are {}, want i32 [m, 3]: image, row, column", cells.str());
  AZ_CHECK(h > 0 && w > 0, "windows: a window of {} x {}; want a height and width of 1 or more", h, w);
  check_same_device("windows", x, cells);
  check_images(cells, x.dim(0));
  if (is_host_half(x)) return cast(windows(cast(x, DType::f32), cells, h, w, grid), x.dtype());
  return cut("windows", x, cells, {.listed = cells_of(cells), .stride = grid.stride, .offset = grid.offset},
             {x.dim(0), x.dim(1), x.dim(2), x.dim(3), cells.dim(0), h, w});
}

Tensor crop(const Tensor& x, int64_t top, int64_t left, int64_t h, int64_t w) {
  check_activation("crop", "x", x);
  AZ_CHECK(x.rank() == 4 && top >= 0 && left >= 0 && h >= 1 && w >= 1 && top + h <= x.dim(1) && left + w <= x.dim(2),
           "crop: {} x {} pixels from ({}, {}) do not lie on {}", h, w, top, left, x.str());
  if (is_host_half(x)) return cast(crop(cast(x, DType::f32), top, left, h, w), x.dtype());
  return cut("crop", x, {},
             {.listed = nullptr, .offset = static_cast<int32_t>(top), .left = static_cast<int32_t>(left - top)},
             {x.dim(0), x.dim(1), x.dim(2), x.dim(3), x.dim(0), h, w});
}

}  // namespace az::ops
