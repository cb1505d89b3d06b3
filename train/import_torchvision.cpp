#include "train/import_torchvision.h"

#include <array>

#include "tensor/error.h"

namespace az::train {
namespace {

// torchvision/transforms/_presets.py ImageClassification: of RGB in 0 to 1.
constexpr std::array<double, 3> kMean = {0.485, 0.456, 0.406}, kStd = {0.229, 0.224, 0.225};

}  // namespace

Tensor centred_shortcut(const std::string& name, const Tensor& kernel, const Shape& wanted) {
  constexpr size_t kArea = 9, kCentre = 4;
  const bool fits = name.ends_with("downsample.0.weight") && kernel.rank() == 4 && wanted.rank() == 4 &&
                    kernel.dim(0) == wanted[0] && kernel.dim(1) == wanted[1] && kernel.dim(2) == 1 &&
                    kernel.dim(3) == 1 && wanted[2] == 3 && wanted[3] == 3;
  if (!fits) return {};
  const auto from = kernel.to(DType::f32).to_vector<float>();
  std::vector<float> to(from.size() * kArea);
  for (size_t i = 0; i < from.size(); ++i) to[i * kArea + kCentre] = from[i];
  return Tensor::from(to, wanted, kernel.device());
}

void fold_normalisation(Tensor& conv, Tensor& running_mean) {
  AZ_CHECK(conv.rank() == 4 && conv.dim(1) == 3 && running_mean.shape() == Shape({conv.dim(0)}),
           "import: a first convolution {} and a running mean {}, want [n, 3, k, k] and [n]", conv.str(),
           running_mean.str());
  const auto from = conv.to(DType::f32).to_vector<float>();
  auto mean = running_mean.to(DType::f32).to_vector<float>();
  std::vector<float> to(from.size());
  const auto area = static_cast<size_t>(conv.dim(2) * conv.dim(3));
  for (size_t out = 0; out < mean.size(); ++out) {
    double offset = 0;
    for (size_t c = 0; c < 3; ++c)
      for (size_t k = 0; k < area; ++k) {
        const auto w = static_cast<double>(from[(out * 3 + c) * area + k]);
        to[(out * 3 + 2 - c) * area + k] = static_cast<float>(w / (255 * kStd[c]));
        offset += w * kMean[c] / kStd[c];
      }
    mean[out] = static_cast<float>(static_cast<double>(mean[out]) + offset);
  }
  conv = Tensor::from(to, conv.shape(), conv.device());
  running_mean = Tensor::from(mean, running_mean.shape(), running_mean.device());
}

}  // namespace az::train
