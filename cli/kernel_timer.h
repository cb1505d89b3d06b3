// What the cases of `bench kernels` share: sizes, buffers and the clock. A template, so that a build without CUDA never
// instantiates it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "cli/bench_kernels.h"
#include "cuda/elementwise.h"
#include "cuda/log.h"
#include "cuda/stream.h"
#include "tensor/rng.h"
#include "tensor/tensor.h"

namespace az::cli {

/// PolarMask-R50's, or small ones that have the same proportions.
struct KernelSizes {
  int64_t height = 800, width = 1344, channels = 256, classes = 80, rays = 36;
  std::vector<int64_t> batches = {1, 16};

  static KernelSizes small() { return {.height = 64, .width = 96, .channels = 32, .classes = 5, .batches = {1}}; }
  /// Rows and columns of the level of a stride.
  int64_t h(int64_t stride) const { return (height + stride - 1) / stride; }
  int64_t w(int64_t stride) const { return (width + stride - 1) / stride; }
  int64_t pixels(int64_t stride) const { return h(stride) * w(stride); }
  static constexpr int64_t kStrides[] = {8, 16, 32, 64, 128};
  int64_t locations() const {
    int64_t total = 0;
    for (const int64_t stride : kStrides) total += pixels(stride);
    return total;
  }
};

/// What a case costs at least.
struct KernelCost {
  double bytes, flops = 0;
};

template <class Cuda>
class KernelTimer {
 public:
  KernelTimer(Cuda& device, const KernelBenchOptions& options)
      : sizes(options.small ? KernelSizes::small() : KernelSizes()), device_(device), options_(options) {
    Rng rng(1, Purpose::test);
    std::vector<float> values(options.small ? 1 << 10 : 1 << 20);
    for (float& v : values) v = static_cast<float>(rng.uniform(0.1, 1));
    f32_ = Tensor::from(values, {static_cast<int64_t>(values.size())}, device);
    bf16_ = f32_.to(DType::bf16);
    f16_ = f32_.to(DType::f16);
  }

  cuda::Stream& stream() { return device_.stream(); }
  Cuda& device() { return device_; }

  /// f32, bf16 or f16 in 0.1..1, until clear().
  template <class T>
  T* random(int64_t count) {
    T* data = empty<T>(count);
    const Tensor& block = dtype_of<T> == DType::f16 ? f16_ : dtype_of<T> == DType::bf16 ? bf16_ : f32_;
    static_assert(std::is_same_v<T, float> || is_half_type<T>);
    for (int64_t at = 0; at < count; at += block.numel())
      device_.copy(data + at, block.raw(), std::min(block.numel(), count - at) * static_cast<int64_t>(sizeof(T)));
    return data;
  }
  /// Memory of any type, cleared.
  template <class T>
  T* zeros(int64_t count) {
    T* data = empty<T>(count);
    device_.fill_zero(data, count * static_cast<int64_t>(sizeof(T)));
    return data;
  }
  template <class T>
  T* empty(int64_t count) {
    keep_.push_back(Tensor::empty({count * static_cast<int64_t>(sizeof(T))}, DType::u8, device_));
    return static_cast<T*>(keep_.back().mutable_raw());
  }
  template <class T>
  T* upload(const std::vector<T>& values) {
    T* data = empty<T>(static_cast<int64_t>(values.size()));
    device_.copy_from_host(data, values.data(), static_cast<int64_t>(values.size() * sizeof(T)));
    return data;
  }
  /// One row in twenty is positive, as in a busy picture.
  int32_t* labels(int64_t rows) {
    std::vector<int32_t> values(static_cast<size_t>(rows), 0);
    for (size_t r = 0; r < values.size(); r += 20) values[r] = 1 + static_cast<int32_t>(r % size_t(sizes.classes));
    return upload(values);
  }
  void clear() {
    device_.synchronise();
    keep_.clear();
    device_.allocator().trim();
  }

  /// Times the work and takes its result.
  template <class T>
  void time(const char* family, const std::string& what, const Shape& shape, KernelCost cost,
            const std::function<void()>& work) {
    KernelTime t;
    t.family = family;
    t.what = what;
    t.dtype = dtype_name(dtype_of<T>);
    t.shape = shape.str();
    {
      cuda::LaunchLog log(stream());  // also warms up
      work();
      for (const auto& [name, times] : log.times()) t.kernels.push_back(name);
    }
    const double once = series_ms(work, 1);
    const int runs = options_.small ? 1 : static_cast<int>(std::clamp(options_.seconds * 1000 / once, 1.0, 2000.0));
    double best = once;
    for (int i = 0; i < (options_.small ? 0 : 3); ++i) best = std::min(best, series_ms(work, runs) / runs);
    t.us = best * 1000;
    t.gb_s = cost.bytes / best / 1e6;
    t.gflop_s = cost.flops / best / 1e6;
    times_.push_back(t);
  }

  /// Bytes read and written a second by the driver's copy.
  double copy_gb_s() {
    const int64_t bytes = int64_t{options_.small ? 4 : 1024} << 20;
    const char* from = zeros<char>(bytes);
    char* to = zeros<char>(bytes);
    double best = 1e30;
    for (int i = 0; i < 5; ++i)
      best = std::min(best, series_ms([&] { device_.copy(to, from, bytes); }, options_.small ? 1 : 20));
    clear();
    return 2.0 * static_cast<double>(bytes) * (options_.small ? 1 : 20) / best / 1e6;
  }

  const std::vector<KernelTime>& times() const { return times_; }

  const KernelSizes sizes;

 private:
  double series_ms(const std::function<void()>& work, int runs) {
    cuda::Event begin, end;
    begin.record(stream());
    for (int i = 0; i < runs; ++i) work();
    end.record(stream());
    end.synchronise();
    return std::max(end.ms_since(begin), 1e-6);
  }

  Cuda& device_;
  const KernelBenchOptions& options_;
  Tensor f32_, bf16_, f16_;
  std::vector<Tensor> keep_;
  std::vector<KernelTime> times_;
};

/// Calls f with a value of each activation type.
template <class F>
void for_activations(const F& f) {
  f(float{});
  f(bf16{});
  f(f16{});
}

}  // namespace az::cli
