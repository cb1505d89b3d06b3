// Outputs of a device for fixed inputs, to compare the emulated device with a GPU (scripts/gpu_check).
//
//   device_outputs write OUT.safetensors [cuda|cpu|exact]
//       On the build's CUDA device, the CPU, or the CPU with sums in double: PolarMask-R50 with seeded weights on a
//       seeded 64x96 picture; head outputs in f32, bf16 and f16, the losses, and gradients of every kind of layer.
//   device_outputs compare A B
//       Ends with 1 where a tensor differs by more than its tolerance.
//
// Tolerances are of the largest value of a tensor. f32: cuDNN and oneDNN add in different orders, through 60 layers;
// with sums in double in place of oneDNN's the outputs move by 3e-6 and the gradients by 8e-6, where no ReLU turns.
// bf16: besides, a sum on the edge between two bf16 values (2^-9 apart) is rounded to either, in every layer; 2.5e-2.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "autograd/node.h"
#include "cpu/device.h"
#include "cuda/build.h"
#include "cuda/device.h"
#include "models/polarmask/model.h"
#include "ops/cast.h"
#include "tensor/error.h"
#include "tensor/rng.h"
#include "tensor/safetensors.h"

namespace {

using namespace az;

constexpr double kF32 = 1e-4, kBf16 = 6e-2, kF16 = kBf16 / 8, kGradient = 1e-3;
constexpr int64_t kHeight = 64, kWidth = 96;

double tolerance(const std::string& name) {
  if (name.starts_with("bf16/")) return kBf16;
  if (name.starts_with("f16/")) return kF16;
  return name.starts_with("gradient/") ? kGradient : kF32;
}

std::vector<float> noise(int64_t count, double low, double high, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(rng.uniform(low, high));
  return values;
}

/// One location in seven is positive.
models::PolarTargets targets(int64_t locations, Device& device) {
  std::vector<int32_t> labels(static_cast<size_t>(locations), 0);
  for (size_t r = 0; r < labels.size(); r += 7) labels[r] = 1 + static_cast<int32_t>(r % 80);
  return {Tensor::from(labels, {locations}, device),
          Tensor::from(noise(locations * 36, 4, 12, 2), {locations, 36}, device),
          Tensor::from(noise(locations * 4, 6, 12, 3), {locations, 4}, device),
          Tensor::zeros({locations, 2}, DType::f32, device)};
}

void add_levels(StateDict& out, const std::string& prefix, const models::PolarOutputs& outputs, Device& host) {
  const auto add = [&](const char* name, const std::vector<Tensor>& levels) {
    for (size_t i = 0; i < levels.size(); ++i) out[fmt::format("{}{}{}", prefix, name, i)] = levels[i].to(host);
  };
  add("classes", outputs.classes);
  add("centerness", outputs.centerness);
  add("rays", outputs.rays);
  add("boxes", outputs.boxes);
}

void write(Device& device, const std::string& file) {
  cpu::CpuDevice host;
  models::PolarMaskOptions options;
  options.backbone = nn::resnet_depth(50);
  models::PolarMask network({device, 7}, options);
  const Tensor image = Tensor::from(noise(kHeight * kWidth * 3, -2, 2, 1), {1, kHeight, kWidth, 3}, device);
  StateDict out;
  {
    const autograd::NoGrad off;
    add_levels(out, "f32/", network.forward(image), host);
    for (const DType half : {DType::bf16, DType::f16})
      add_levels(out, dtype_name(half) + std::string("/"), network.forward(ops::cast(image, half)), host);
  }
  network.set_training(true);
  const models::PolarOutputs outputs = network.forward(image);
  int64_t locations = 0;
  for (const Tensor& level : outputs.centerness) locations += level.numel();
  const models::PolarLosses losses = models::polar_losses(outputs, targets(locations, device));
  autograd::backward(losses.total);
  out["loss/classes"] = losses.classes.detached().to(host);
  out["loss/centerness"] = losses.centerness.detached().to(host);
  out["loss/rays"] = losses.rays.detached().to(host);
  out["loss/boxes"] = losses.boxes.detached().to(host);
  for (const nn::Entry& e : nn::entries(network))
    if (e.learned && autograd::requires_grad(*e.tensor))
      if (const Tensor gradient = autograd::grad(*e.tensor); gradient.defined() && gradient.numel() <= 40000)
        out["gradient/" + e.name] = gradient.to(host);
  write_safetensors(file, out);
  fmt::print("{} tensors of {}\n", out.size(), device.name());
}

/// The largest difference as a share of b's largest value; infinite where one of them is not finite.
double difference(const Tensor& a, const Tensor& b) {
  const auto x = a.to_vector<float>(), y = b.to_vector<float>();
  double most = 0, largest = 1e-12;
  for (size_t i = 0; i < x.size(); ++i) {
    const double d = std::abs(double{x[i]} - double{y[i]});
    if (!std::isfinite(d)) return INFINITY;
    most = std::max(most, d);
    largest = std::max(largest, std::abs(double{y[i]}));
  }
  return most / largest;
}

bool compare(const std::string& file_a, const std::string& file_b) {
  cpu::CpuDevice host;
  const StateDict a = read_safetensors(file_a, host), b = read_safetensors(file_b, host);
  AZ_CHECK(!a.empty() && a.size() == b.size(), "{} has {} tensors, {} has {}", file_a, a.size(), file_b, b.size());
  std::map<std::string, std::pair<double, std::string>> worst;  // by kind: difference and name
  bool equal = true;
  for (const auto& [name, x] : a) {
    const auto y = b.find(name);
    AZ_CHECK(y != b.end() && y->second.shape() == x.shape(), "{}: {} has another shape or is missing", file_b, name);
    const double d = difference(x, y->second);
    auto& most = worst[name.substr(0, name.find('/'))];
    if (d >= most.first) most = {d, name};
    if (d <= tolerance(name)) continue;
    equal = false;
    fmt::print("{}: differs by {:.2e} of its largest value, allowed {:.0e}\n", name, d, tolerance(name));
  }
  for (const auto& [kind, most] : worst)
    fmt::print("{:<10} most {:.2e} of the largest value ({}), allowed {:.0e}\n", kind, most.first, most.second,
               tolerance(kind + "/"));
  return equal;
}

/// A template, so that a build without CUDA leaves the device out.
template <bool kBuilt>
void write_cuda(const std::string& file) {
  if constexpr (kBuilt) {
    cuda::CudaDevice device;
    return write(device, file);
  }
  fail("this build has no CUDA device");
}

void write_on(const std::string& device, const std::string& file) {
  if (device == "cuda") return write_cuda<cuda::kBuilt>(file);
  AZ_CHECK(device == "cpu" || device == "exact", "device {}: want cuda, cpu or exact", device);
  cpu::CpuDevice host(device == "exact");
  write(host, file);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if ((words.size() == 2 || words.size() == 3) && words[0] == "write") {
      write_on(words.size() == 3 ? words[2] : "cuda", words[1]);
      return 0;
    }
    if (words.size() == 3 && words[0] == "compare") return compare(words[1], words[2]) ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
  fmt::print(stderr, "usage: device_outputs write OUT.safetensors [cuda|cpu|exact] | compare A B\n");
  return 2;
}
