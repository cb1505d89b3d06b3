#include "tests/support/golden_network.h"

#include "tensor/layout.h"

namespace az::golden {

void fill_network(nn::Module& network, uint64_t seed) {
  for (const nn::Entry& e : nn::entries(network)) {
    if (e.tensor->dtype() != DType::f32) continue;
    const bool conv = e.tensor->rank() == 4;
    const Shape shape = conv ? ohwi_to_oihw(*e.tensor).shape() : e.tensor->shape();
    const Tensor value = Tensor::from(fill(e.name, shape.dims(), seed), shape, e.tensor->device());
    e.tensor->copy_from(conv ? oihw_to_ohwi(value) : value);
  }
}

Tensor fill_maps(std::string_view name, const std::vector<int64_t>& nchw, uint64_t seed, double offset, double scale,
                 Device& device) {
  return oihw_to_ohwi(Tensor::from(fill(name, nchw, seed, offset, scale), Shape(nchw), device));
}

std::vector<float> torch_values(const Tensor& t) { return (t.rank() == 4 ? ohwi_to_oihw(t) : t).to_vector<float>(); }

}  // namespace az::golden
