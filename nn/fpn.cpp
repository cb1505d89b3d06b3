#include "nn/fpn.h"

#include "ops/elementwise.h"
#include "tensor/error.h"

namespace az::nn {

Fpn::Fpn(const Builder& b, const FpnOptions& o) : start_(static_cast<size_t>(o.start_level)) {
  AZ_CHECK(start_ < o.in_channels.size() && o.levels >= static_cast<int>(o.in_channels.size() - start_),
           "fpn: start level {} and {} levels for {} stages", o.start_level, o.levels, o.in_channels.size());
  const auto conv = [&](const std::string& name, int64_t in, int64_t kernel, int64_t stride) {
    return std::make_unique<Conv2d>(b, name,
                                    Conv2d::Options{.in = in,
                                                    .out = o.channels,
                                                    .kernel = kernel,
                                                    .stride = stride,
                                                    .padding = kernel / 2,
                                                    .bias = true,
                                                    .init = Init::xavier_uniform});
  };
  for (size_t i = start_; i < o.in_channels.size(); ++i)
    laterals_.push_back(conv("lateral_convs." + std::to_string(i - start_), o.in_channels[i], 1, 1));
  for (size_t i = 0; i < static_cast<size_t>(o.levels); ++i)
    outputs_.push_back(conv("fpn_convs." + std::to_string(i), o.channels, 3, i < laterals_.size() ? 1 : 2));
}

std::vector<Tensor> Fpn::forward(std::vector<Tensor> stages) const {
  const size_t used = laterals_.size();
  std::vector<Tensor> merged(used), out(outputs_.size());
  for (size_t i = used; i-- > 0;) {
    const Tensor c = std::move(stages[start_ + i]);
    if (i + 1 == used) {
      merged[i] = laterals_[i]->forward(c);
      continue;
    }
    const Tensor above = std::move(merged[i + 1]);
    AZ_CHECK(c.dim(1) == 2 * above.dim(1) && c.dim(2) == 2 * above.dim(2),
             "fpn: stages {} and {} do not differ by a factor of 2; pad the picture's sides to multiples of 32",
             c.shape().str(), above.shape().str());
    merged[i] = laterals_[i]->forward(c, {.residual = above});
    out[i + 1] = outputs_[i + 1]->forward(above);
  }
  out[0] = outputs_[0]->forward(merged[0]);
  for (size_t i = used; i < outputs_.size(); ++i)
    out[i] = outputs_[i]->forward(i > used ? ops::relu(out[i - 1]) : out[i - 1]);
  return out;
}

void Fpn::visit(Visitor& v) {
  for (size_t i = 0; i < laterals_.size(); ++i) v.module("lateral_convs." + std::to_string(i) + ".conv", *laterals_[i]);
  for (size_t i = 0; i < outputs_.size(); ++i) v.module("fpn_convs." + std::to_string(i) + ".conv", *outputs_[i]);
}

}  // namespace az::nn
