#include "tests/support/golden_network.h"

#include "nn/reference_fill.h"
#include "tensor/layout.h"

namespace az::golden {

void fill_network(nn::Module& network, uint64_t seed) { nn::reference_fill(network, seed); }

Tensor fill_maps(std::string_view name, const std::vector<int64_t>& nchw, uint64_t seed, double offset, double scale,
                 Device& device) {
  return oihw_to_ohwi(Tensor::from(fill(name, nchw, seed, offset, scale), Shape(nchw), device));
}

std::vector<float> torch_values(const Tensor& t) { return (t.rank() == 4 ? ohwi_to_oihw(t) : t).to_vector<float>(); }

}  // namespace az::golden
