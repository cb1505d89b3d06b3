#include "ops/matmul.h"

#include "autograd/node.h"
#include "cpu/matmul.h"
#include "cuda/library.h"
#include "ops/cast.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;

/// Rows and columns of x as it enters the product.
int64_t rows(const Tensor& x, bool transposed) { return x.dim(transposed ? -1 : -2); }
int64_t columns(const Tensor& x, bool transposed) { return x.dim(transposed ? -2 : -1); }

Tensor product(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  if (is_host_half(a))
    return cast(product(cast(a.detached(), DType::f32), cast(b.detached(), DType::f32), transpose_a, transpose_b),
                a.dtype());
  const math::MatmulShape shape{.batch = a.rank() == 3 ? a.dim(0) : 1,
                                .m = rows(a, transpose_a),
                                .n = columns(b, transpose_b),
                                .k = columns(a, transpose_a),
                                .transpose_a = transpose_a,
                                .transpose_b = transpose_b};
  const ProfileSpan span(a.device(), "matmul", [&] {
    const auto count = static_cast<double>(shape.batch * shape.m * shape.n);
    return detail(a, {.flops = 2 * count * static_cast<double>(shape.k),
                      .bytes_read = bytes_of(a) + bytes_of(b),
                      .bytes_written = count * static_cast<double>(dtype_bytes(a.dtype()))});
  });
  const Shape out = a.rank() == 3 ? Shape{shape.batch, shape.m, shape.n} : Shape{shape.m, shape.n};
  Tensor y = Tensor::empty(out, a.dtype(), a.device());
  on_device_half(
      "matmul", a,
      [&](auto t) {
        using T = decltype(t);
        if constexpr (std::is_same_v<T, float>) {
          cpu::matmul(static_cast<cpu::CpuDevice&>(a.device()), shape, a.data<T>(), b.data<T>(), y.mutable_data<T>());
        } else {
          cpu::matmul_plain(shape, a.data<T>(), b.data<T>(), y.mutable_data<T>());
        }
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        device.library().matmul(shape, a.data<T>(), b.data<T>(), y.mutable_data<T>());
      });
  return y;
}

struct MatmulNode final : Node {
  Saved a, b;
  bool transpose_a, transpose_b;
  MatmulNode(const Tensor& left, const Tensor& right, bool ta, bool tb)
      : Node("matmul"), a(left), b(right), transpose_a(ta), transpose_b(tb) {}
  Grads backward(const Grads& dy) override {
    const Tensor& left = a.get(name());
    const Tensor& right = b.get(name());
    Tensor da, db;
    if (needs(0))
      da = transpose_a ? product(right, dy[0], transpose_b, true) : product(dy[0], right, false, !transpose_b);
    if (needs(1))
      db = transpose_b ? product(dy[0], left, true, transpose_a) : product(left, dy[0], !transpose_a, false);
    return {da, db};
  }
  Cost cost(const Grads&) const override { return {}; }  // product() reports it
};

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  check_activation("matmul", "a", a);
  check_activation("matmul", "b", b);
  check_same_device("matmul", a, b);
  AZ_CHECK((a.rank() == 2 || a.rank() == 3) && a.rank() == b.rank() && a.dtype() == b.dtype() &&
               (a.rank() == 2 || a.dim(0) == b.dim(0)),
           "matmul: {} and {} do not match; want [m, k] and [k, n], or [batch, m, k] and [batch, k, n], of one dtype",
           a.str(), b.str());
  AZ_CHECK(columns(a, transpose_a) == rows(b, transpose_b), "matmul: {}{} has {} columns, {}{} has {} rows", a.str(),
           transpose_a ? " transposed" : "", columns(a, transpose_a), b.str(), transpose_b ? " transposed" : "",
           rows(b, transpose_b));
  return autograd::record<MatmulNode>(product(a, b, transpose_a, transpose_b), {a, b}, a, b, transpose_a, transpose_b);
}

}  // namespace az::ops
