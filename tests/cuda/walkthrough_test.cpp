// Each step of docs/kernels/walkthrough.md computes what the CPU op does, and loads as often as the page says.
#include "cuda/build.h"

#ifdef AZ_CUDA_EMULATED
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <mutex>
#include <set>

#include "cuda/device.h"
#include "cuda/emulator/runtime.h"
#include "ops/xcorr.h"
#include "tensor/tensor.h"
#include "tests/cuda/walkthrough.cuh"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

namespace az::test {
namespace {

using cuda::launch;
using walkthrough::K;
using walkthrough::kTile;
using walkthrough::Shape;

constexpr unsigned kThreads = 256;

cuda::Stream& stream() { return cuda::device_of(*cuda()).stream(); }

unsigned tiles(int count) { return static_cast<unsigned>((count + kTile - 1) / kTile); }

/// Starts step 1 to 5.
template <class T>
void start(int step, const T* search, const T* kernel, float* y, const Shape& s) {
  namespace walk = walkthrough;
  const unsigned all = cuda::blocks_for(s.outputs(), kThreads);
  const auto groups = static_cast<unsigned>(s.channels / cuda::kWarp), images = static_cast<unsigned>(s.images);
  const dim3 rows(groups, static_cast<unsigned>(s.h_out()), images), row_tiles(groups, tiles(s.h_out()), images);
  const dim3 strips(cuda::kWarp, tiles(s.w_out()));
  if (step == 1)
    launch(stream(), "by_columns_kernel", all, kThreads, 0, walk::by_columns_kernel<T>, search, kernel, y, s);
  if (step == 2)
    launch(stream(), "by_channels_kernel", all, kThreads, 0, walk::by_channels_kernel<T>, search, kernel, y, s);
  if (step == 3) {
    const int shared_bytes = K * s.w * cuda::kWarp * static_cast<int>(sizeof(T));
    launch(stream(), "staged_kernel", rows, dim3(cuda::kWarp, walk::kStagedWarps), shared_bytes, walk::staged_kernel<T>,
           search, kernel, y, s);
  }
  if (step == 4) launch(stream(), "row_kernel", rows, strips, 0, walk::row_kernel<T>, search, kernel, y, s);
  if (step == 5) launch(stream(), "tile_kernel", row_tiles, strips, 0, walk::tile_kernel<T>, search, kernel, y, s);
}

struct Inputs {
  Tensor search, kernel;
  explicit Inputs(const Shape& s)
      : search(uniform({s.images, s.h, s.w, s.channels}, -1, 1, DType::f32, cpu(), 1).to(*cuda())),
        kernel(uniform({s.images, K, K, s.channels}, -1, 1, DType::f32, cpu(), 2).to(*cuda())) {}
};

/// The thread orders of a scope.
class Orders {
 public:
  explicit Orders(std::vector<cuda::emulator::Order> orders) : before_(cuda::emulator::orders()) {
    cuda::emulator::set_orders(std::move(orders));
  }
  ~Orders() { cuda::emulator::set_orders(before_); }
  Orders(const Orders&) = delete;
  Orders& operator=(const Orders&) = delete;

 private:
  std::vector<cuda::emulator::Order> before_;
};

Tensor empty_output(const Shape& s) {
  return Tensor::zeros({s.images, s.h_out(), s.w_out(), s.channels}, DType::f32, *cuda());
}

/// A load: which thread of which block, and the line of 128 bytes.
struct Load {
  unsigned block, thread;
  uintptr_t line;
};

/// Every conversion of a Counted to float while it lives.
class Trace {
 public:
  Trace() { current = this; }
  ~Trace() { current = nullptr; }
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  static void note(const void* address) {
    const std::lock_guard lock(current->mutex_);
    // Dynamic shared memory counts from its own beginning: a row of its banks is 128 bytes too.
    const cuda::emulator::BlockView& block = *cuda::emulator::current_block;
    const auto at = reinterpret_cast<uintptr_t>(address), shared = reinterpret_cast<uintptr_t>(block.dynamic);
    const bool is_shared = at >= shared && at < shared + static_cast<uintptr_t>(block.shape.shared_bytes);
    current->loads_.push_back({(blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x,
                               (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x,
                               (is_shared ? at - shared : at) / 128});
  }
  double loads() const { return static_cast<double>(loads_.size()); }
  /// Lines that the n-th loads of a warp's threads touch, summed over n and the warps.
  double lines() const {
    std::map<std::pair<unsigned, unsigned>, size_t> count;  // of a thread's loads so far
    std::map<std::pair<unsigned, unsigned>, std::vector<std::set<uintptr_t>>> of_warp;
    for (const Load& load : loads_) {
      const size_t n = count[{load.block, load.thread}]++;
      auto& requests = of_warp[{load.block, load.thread / cuda::kWarp}];
      if (requests.size() <= n) requests.resize(n + 1);
      requests[n].insert(load.line);
    }
    size_t sum = 0;
    for (const auto& [warp, requests] : of_warp)
      for (const auto& lines : requests) sum += lines.size();
    return static_cast<double>(sum);
  }

 private:
  static inline Trace* current = nullptr;
  std::mutex mutex_;
  std::vector<Load> loads_;
};

/// A float in memory whose loads are counted.
struct Counted {
  float v;
  explicit Counted(float value) : v(value) {}
  operator float() const {
    Trace::note(this);
    return v;
  }
};

}  // namespace

TEST_CASE("every step of the walk-through has the CPU op's bits") {
  const Orders all(cuda::emulator::all_orders());
  for (const Shape s : {Shape{2, 12, 16, 32}, Shape{1, 5, 5, 64}, Shape{1, 9, 14, 32}}) {
    const Inputs in(s);
    const std::vector<float> want = ops::xcorr_depthwise(in.search.to(cpu()), in.kernel.to(cpu())).to_vector<float>();
    for (int step = 1; step <= 5; ++step) {
      CAPTURE(step);
      Tensor y = empty_output(s);
      start(step, in.search.data<float>(), in.kernel.data<float>(), y.mutable_data<float>(), s);
      CHECK(y.to_vector<float>() == want);
    }
    // The last step fuses products and sums.
    const std::vector<float> fused = ops::xcorr_depthwise(in.search, in.kernel).to_vector<float>();
    double worst = 0;
    for (size_t i = 0; i < want.size(); ++i) worst = std::max(worst, std::abs(double{fused[i]} - double{want[i]}));
    CHECK(worst < 2e-6);  // 25 products of at most 1, each rounded once less
  }
}

TEST_CASE("every step of the walk-through loads as often as the page says") {
  const Orders one({cuda::emulator::Order{}});
  const Shape s{1, 29, 29, 32};
  const Inputs in(s);
  REQUIRE(reinterpret_cast<uintptr_t>(in.search.data<float>()) % 128 == 0);
  REQUIRE(reinterpret_cast<uintptr_t>(in.kernel.data<float>()) % 128 == 0);
  // Loads an output, and lines of 128 bytes that a warp touches for 32 outputs.
  struct Step {
    double loads, lines;
  };
  const Step want[] = {{50, 825}, {50, 50}, {55.8, 55.8}, {14, 14}, {4.24, 4.24}};
  for (int step = 1; step <= 5; ++step) {
    CAPTURE(step);
    Tensor y = empty_output(s);
    const Trace trace;
    start(step, reinterpret_cast<const Counted*>(in.search.data<float>()),
          reinterpret_cast<const Counted*>(in.kernel.data<float>()), y.mutable_data<float>(), s);
    CHECK(trace.loads() / s.outputs() == doctest::Approx(want[step - 1].loads).epsilon(1e-9));
    CHECK(trace.lines() * cuda::kWarp / s.outputs() == doctest::Approx(want[step - 1].lines).epsilon(0.01));
  }
}

}  // namespace az::test
#endif
