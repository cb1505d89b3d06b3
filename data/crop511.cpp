#include "data/crop511.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cpu/warp.h"
#include "tensor/error.h"

namespace az::data {

double exemplar_extent(double width, double height) {
  const double context = 0.5 * (width + height);
  return std::sqrt((width + context) * (height + context));
}

cpu::Affine crop511_map(const CornerBox& box, BoxExtent extent) {
  const double more = extent == BoxExtent::inclusive ? 1 : 0;
  const double width = box.x2 - box.x1 + more, height = box.y2 - box.y1 + more;
  const double s_z = exemplar_extent(width, height);
  AZ_CHECK(width > 0 && height > 0 && std::isfinite(s_z), "crop511: a box of {} x {} pixels has no crop", width,
           height);
  const double side = s_z + 2 * ((kCropSide - kExemplarSide) / 2.0) * (s_z / kExemplarSide);
  const double step = side / (kCropSide - 1);
  return {step, 0, (box.x1 + box.x2) / 2 - side / 2, 0, step, (box.y1 + box.y2) / 2 - side / 2};
}

std::array<double, 3> mean_colour(const Image& picture) {
  AZ_CHECK(picture.channels == 3 && !picture.pixels.empty(), "mean_colour: a picture of {} x {} x {}", picture.width,
           picture.height, picture.channels);
  std::array<int64_t, 3> sum{};
  for (size_t i = 0; i < picture.pixels.size(); i += 3)
    for (size_t c = 0; c < 3; ++c) sum[c] += picture.pixels[i + c];
  std::array<double, 3> mean{};
  for (size_t c = 0; c < 3; ++c) mean[c] = static_cast<double>(sum[c]) / static_cast<double>(picture.pixels.size() / 3);
  return mean;
}

Image crop511(const Image& picture, const CornerBox& box, BoxExtent extent) {
  return crop511(picture, box, extent, mean_colour(picture));
}

Image crop511(const Image& picture, const CornerBox& box, BoxExtent extent, const std::array<double, 3>& mean) {
  std::array<uint8_t, 4> fill{};
  for (size_t c = 0; c < 3; ++c) fill[c] = static_cast<uint8_t>(std::clamp(std::lrint(mean[c]), 0L, 255L));
  Image crop(kCropSide, kCropSide, picture.channels);
  cpu::warp_exact(picture.view(), crop511_map(box, extent), kCropSide, kCropSide, fill, crop.pixels.data());
  return crop;
}

Image crop511_mask(const cpu::Mask& mask, const CornerBox& box, BoxExtent extent, double threshold) {
  std::vector<float> share(size_t{kCropSide} * kCropSide);
  const cpu::ImageView view{mask.pixels.data(), mask.width, mask.height, 1};
  cpu::warp_exact(view, crop511_map(box, extent), kCropSide, kCropSide, {}, share.data());
  Image crop(kCropSide, kCropSide, 1);
  std::ranges::transform(share, crop.pixels.begin(),
                         [&](float v) { return static_cast<uint8_t>(static_cast<double>(v) > threshold ? 255 : 0); });
  return crop;
}

std::filesystem::path crop511_picture(const std::filesystem::path& folder, std::string_view video, int64_t frame,
                                      std::string_view track) {
  return folder / video / fmt::format("{:06}.{}.x.jpg", frame, track);
}

std::filesystem::path crop511_mask_file(const std::filesystem::path& folder, std::string_view video, int64_t frame,
                                        std::string_view track) {
  return folder / video / fmt::format("{:06}.{}.m.png", frame, track);
}

}  // namespace az::data
