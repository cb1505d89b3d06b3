#include "ops/conv_transpose.h"

#include "autograd/node.h"
#include "autograd/onnx.h"
#include "ops/matmul.h"
#include "tensor/error.h"
#include "tensor/layout.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;

/// All but the first dimension as one.
Tensor as_matrix(const Tensor& t) { return t.reshaped({t.dim(0), t.dim(1) * t.dim(2) * t.dim(3)}); }

struct ConvTransposeNode final : Node {
  Saved x, w;
  ConvTransposeNode(const Tensor& in, const Tensor& weight) : Node("conv_transpose_pixel"), x(in), w(weight) {}
  Grads backward(const Grads& dy) override {
    const Tensor &in = x.get(name()), &weight = w.get(name()), rows = as_matrix(dy[0]);
    Grads grads(2);
    if (needs(0)) grads[0] = matmul(rows, as_matrix(weight), false, true).reshaped(in.shape());
    if (needs(1)) grads[1] = matmul(as_matrix(in), rows, true, false).reshaped(weight.shape());
    return grads;
  }
  Cost cost(const Grads&) const override { return {}; }  // the products report it
  uint64_t layer() const override { return w.storage_id(); }
  void onnx(autograd::OnnxRule& rule) const override {
    const Tensor& weight = w.get(name());
    const std::string filter = rule.constant(rule.name_of(weight, "weight"), ohwi_to_oihw(weight));
    rule.result(rule.add("ConvTranspose", {rule.input(0), filter},
                         {{"kernel_shape", std::vector{weight.dim(1), weight.dim(2)}}}));
  }
};

}  // namespace

Tensor conv_transpose_pixel(const Tensor& x, const Tensor& w) {
  AZ_CHECK(x.defined() && x.rank() == 4 && x.dim(1) == 1 && x.dim(2) == 1,
           "conv_transpose_pixel: x is {}, want [m, 1, 1, in]", x.str());
  AZ_CHECK(w.defined() && w.rank() == 4 && w.dim(0) == x.dim(3),
           "conv_transpose_pixel: weight is {}, want [{}, kh, kw, out]", w.str(), x.dim(3));
  const auto product = [&] {
    const autograd::NoGrad off;  // one node for the whole
    return matmul(as_matrix(x), as_matrix(w)).reshaped({x.dim(0), w.dim(1), w.dim(2), w.dim(3)});
  };
  return autograd::record<ConvTransposeNode>(product(), {x, w}, x, w);
}

}  // namespace az::ops
