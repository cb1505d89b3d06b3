// Kind pipeline: resize, flip, normalise, pad, boxes and masks of one picture under several settings.
#include <nlohmann/json.hpp>

#include "cpu/image.h"
#include "cuda/build.h"
#include "cuda/device.h"
#include "cuda/image.h"
#include "data/transforms.h"
#include "tensor/tensor.h"
#include "tests/golden_runner/polarmask/kinds.h"
#include "tests/support/devices.h"

namespace az::golden::polarmask {
namespace {

/// The stored picture is B, G, R; ours are R, G, B.
data::Image stored_image(const Case& golden) {
  const std::vector<int64_t>& shape = golden.tensor("image_bgr").shape;  // [h, w, 3]
  data::Image image(static_cast<int>(shape.at(1)), static_cast<int>(shape.at(0)));
  const auto bgr = golden.values<uint8_t>("image_bgr");
  for (size_t i = 0; i < bgr.size(); ++i) image.pixels[i - i % 3 + 2 - i % 3] = bgr[i];
  return image;
}

/// The whole stored masks as objects, [n, h, w].
std::vector<data::ObjectMask> stored_masks(const Case& golden) {
  const std::vector<int64_t>& shape = golden.tensor("masks").shape;
  const auto pixels = golden.values<uint8_t>("masks");
  std::vector<data::ObjectMask> masks;
  for (int64_t i = 0; i < shape.at(0); ++i) {
    cpu::Mask whole{static_cast<int>(shape.at(1)), static_cast<int>(shape.at(2)), {}};
    const int64_t size = shape[1] * shape[2];
    whole.pixels.assign(pixels.begin() + i * size, pixels.begin() + (i + 1) * size);
    masks.push_back(data::mask_from_runs(cpu::rle_encode(whole)));  // as annotations give them
  }
  return masks;
}

data::Placement placement_of(const nlohmann::json& config, const data::Image& image) {
  const data::ImageSize scale{config.at("scale_wh").at(0).get<int>(), config.at("scale_wh").at(1).get<int>()};
  data::Placement placement = data::resize_placement({image.width, image.height}, scale, false);
  placement.flip = config.at("flip").get<bool>();
  return placement;
}

/// Resized, mirrored, normalised and padded: [height, width, 3].
std::vector<float> picture_on_host(const data::Image& image, const data::Placement& placement,
                                   const cpu::Normalise& how, int width, int height) {
  const data::Image window = data::place_image(image, placement, {});
  std::vector<float> hwc(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  cpu::normalise(window.view(), how, width, height, hwc.data());
  return hwc;
}

/// The mask resized, mirrored and padded: [height, width] of 0 and 1.
std::vector<uint8_t> mask_on_host(const data::ObjectMask& mask, const data::Image& image,
                                  const data::Placement& placement, int width, int height) {
  const data::PlacedMask in_window = data::place_mask(mask, {image.width, image.height}, placement);
  return data::mask_canvas(in_window.mask, width, height);
}

/// Both by the device's kernels; a template, so that a build without CUDA has none.
template <bool kBuilt>
struct OnDevice {
  static Tensor upload(const std::vector<uint8_t>& bytes) {
    return Tensor::from(bytes, {static_cast<int64_t>(bytes.size())}, *test::cuda());
  }
  static Tensor room(int width, int height, int channels) {
    return Tensor::empty({height, width, channels}, DType::u8, *test::cuda());
  }
  static cuda::Stream& stream() { return cuda::device_of(*test::cuda()).stream(); }

  static std::vector<float> picture(const data::Image& image, const data::Placement& placement,
                                    const cpu::Normalise& how, int width, int height) {
    const Tensor source = upload(image.pixels);
    const int w = placement.resized.width, h = placement.resized.height;
    Tensor resized = room(w, h, 3), out = Tensor::empty({height, width, 3}, DType::f32, *test::cuda());
    cuda::resize_bilinear(stream(), {source.data<uint8_t>(), image.width, image.height, 3}, w, h,
                          resized.mutable_data<uint8_t>());
    cuda::normalise(stream(), {resized.data<uint8_t>(), w, h, 3}, how, width, height, out.mutable_data<float>());
    return out.to_vector<float>();
  }

  static std::vector<uint8_t> mask(const data::ObjectMask& mask, const data::Image& image,
                                   const data::Placement& placement, int width, int height) {
    const int w = placement.window.width, h = placement.window.height;
    const cpu::NearestResize sizes{image.width, image.height, placement.resized.width, placement.resized.height};
    const cpu::Rect part = cpu::nearest_reach(mask.part, sizes);
    const Tensor source = upload(mask.pixels);
    Tensor resized = room(part.width, part.height, 1), window = room(w, h, 1), mirrored = room(w, h, 1),
           out = room(width, height, 1);
    cuda::resize_nearest(stream(), source.data<uint8_t>(), mask.part, sizes, part, resized.mutable_data<uint8_t>());
    cuda::padded_crop(stream(), {resized.data<uint8_t>(), part.width, part.height, 1}, placement.left - part.x,
                      placement.top - part.y, w, h, {}, window.mutable_data<uint8_t>());
    cuda::flip_horizontal(stream(), {window.data<uint8_t>(), w, h, 1}, mirrored.mutable_data<uint8_t>());
    const Tensor& placed = placement.flip ? mirrored : window;
    cuda::padded_crop(stream(), {placed.data<uint8_t>(), w, h, 1}, 0, 0, width, height, {},
                      out.mutable_data<uint8_t>());
    return out.to_vector<uint8_t>();
  }
};
template <>
struct OnDevice<false> {
  static std::vector<float> picture(auto&&...) { return {}; }
  static std::vector<uint8_t> mask(auto&&...) { return {}; }
};

/// CHW, as the reference has it.
void check_image(Case& golden, const std::string& name, const nlohmann::json& config, const data::Image& image,
                 const data::Placement& placement, int width, int height, bool on_device) {
  const auto std = config.at("std").get<std::array<float, 3>>();
  const cpu::Normalise how{config.at("mean").get<std::array<float, 3>>(), std, !config.at("to_rgb").get<bool>(),
                           placement.flip};
  const size_t pixels = static_cast<size_t>(width) * static_cast<size_t>(height);
  const std::vector<float> hwc = on_device ? OnDevice<cuda::kBuilt>::picture(image, placement, how, width, height)
                                           : picture_on_host(image, placement, how, width, height);
  std::vector<float> chw(hwc.size());
  for (size_t i = 0; i < pixels; ++i) {
    for (size_t c = 0; c < 3; ++c) chw[c * pixels + i] = hwc[3 * i + c];
  }
  const std::vector<double> levels{1.0 / double{std[0]}, 1.0 / double{std[1]}, 1.0 / double{std[2]}};
  golden.check(name, chw, {3, height, width}, levels);
}

/// Eight pixels a byte along the width, the first one highest.
std::vector<uint8_t> packed(const std::vector<uint8_t>& canvas, int width, int height) {
  const size_t row_bytes = (static_cast<size_t>(width) + 7) / 8;
  std::vector<uint8_t> bytes(row_bytes * static_cast<size_t>(height));
  for (size_t i = 0; i < canvas.size(); ++i) {
    const size_t x = i % static_cast<size_t>(width);
    const size_t y = i / static_cast<size_t>(width);
    if (canvas[i] != 0) bytes[y * row_bytes + x / 8] |= static_cast<uint8_t>(0x80U >> (x % 8));
  }
  return bytes;
}

void run_config(Case& golden, size_t index, const data::Image& image, const std::vector<data::ObjectMask>& masks,
                bool on_device) {
  const nlohmann::json& config = golden.json().at("configs").at(index);
  const std::string prefix = "out" + std::to_string(index) + ".";
  const data::Placement placement = placement_of(config, image);
  const nlohmann::json& divisor = config.at("size_divisor");
  const int factor = divisor.is_null() ? 0 : divisor.get<int>();
  const int width = data::padded_size(placement.window.width, factor);
  const int height = data::padded_size(placement.window.height, factor);

  check_image(golden, prefix + "image", config, image, placement, width, height, on_device);
  const std::vector<float> scale{placement.scale_x, placement.scale_y, placement.scale_x, placement.scale_y};
  golden.check(prefix + "scale_factor", scale, {4});
  const auto boxes = golden.values<float>("boxes");
  std::vector<float> placed;
  for (size_t i = 0; i + 3 < boxes.size(); i += 4) {
    for (const float v : data::place_box({boxes[i], boxes[i + 1], boxes[i + 2], boxes[i + 3]}, placement))
      placed.push_back(v);
  }
  golden.check(prefix + "boxes", placed, {static_cast<int64_t>(boxes.size() / 4), 4});
  std::vector<uint8_t> bits;
  for (const data::ObjectMask& mask : masks) {
    const std::vector<uint8_t> canvas = on_device ? OnDevice<cuda::kBuilt>::mask(mask, image, placement, width, height)
                                                  : mask_on_host(mask, image, placement, width, height);
    for (const uint8_t byte : packed(canvas, width, height)) bits.push_back(byte);
  }
  golden.check(prefix + "masks", bits, {static_cast<int64_t>(masks.size()), height, (width + 7) / 8});
  const std::string path = "configs." + std::to_string(index) + ".";
  golden.check_json(path + "img_shape", {placement.window.height, placement.window.width, 3});
  golden.check_json(path + "pad_shape", {height, width, 3});
}

}  // namespace

void run_pipeline(const std::filesystem::path& json_file, Report& report) {
  Case golden(json_file, report);
  const data::Image image = stored_image(golden);
  const std::vector<data::ObjectMask> masks = stored_masks(golden);
  for (const Device* device : test::devices())
    for (size_t i = 0; i < golden.json().at("configs").size(); ++i)
      run_config(golden, i, image, masks, device->kind() == DeviceKind::cuda);
  golden.finish();
}

}  // namespace az::golden::polarmask
