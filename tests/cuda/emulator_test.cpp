// The emulation of CUDA on the host: what it offers, and the faults that it must catch.
#include "cuda/build.h"

#ifdef AZ_CUDA_EMULATED
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <numeric>

#include "cuda/device.h"
#include "cuda/emulator/runtime.h"
#include "cuda/graph.h"
#include "cuda/kernel.cuh"
#include "cuda/log.h"
#include "tensor/error.h"
#include "tensor/tensor.h"
#include "tests/support/devices.h"

namespace az::test {
namespace {

using cuda::launch;

/// Several thread orders for a scope.
class AllOrders {
 public:
  AllOrders() : before_(cuda::emulator::orders()) { cuda::emulator::set_orders(cuda::emulator::all_orders()); }
  ~AllOrders() { cuda::emulator::set_orders(before_); }

 private:
  std::vector<cuda::emulator::Order> before_;
};

cuda::Stream& stream() { return cuda::device_of(*cuda()).stream(); }

std::vector<float> ramp(int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), 1.0F);
  return values;
}

Tensor on_device(const std::vector<float>& values) {
  return Tensor::from(values, {static_cast<int64_t>(values.size())}, *cuda());
}

/// The text of the error that f() throws; empty if it throws none.
template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

__global__ void index_kernel(int* y, int width) {
  const auto x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const auto row = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  if (x < width) y[row * width + x] = row * width + x;
}

__global__ void block_sum_kernel(const float* x, float* y, int n) {
  const int64_t i = cuda::thread_index();
  const float sum = cuda::block_sum(i < n ? x[i] : 0.0F);
  if (threadIdx.x == 0) y[blockIdx.x] = sum;
}

/// The same through a tree in dynamic shared memory, and threads that return before the last barriers.
__global__ void tree_sum_kernel(const float* x, float* y) {
  auto* part = cuda::dynamic_shared<float>();
  const unsigned t = threadIdx.x;
  part[t] = x[cuda::thread_index()];
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (t >= half) return;
    part[t] += part[t + half];
  }
  y[blockIdx.x] = part[0];
}

__global__ void warp_kernel(const int* x, int* y) {
  const auto t = static_cast<int>(threadIdx.x);
  const int v = x[t];
  int* out = y + t * 8;
  out[0] = __shfl_sync(~0U, v, 3);
  out[1] = __shfl_down_sync(~0U, v, 2);
  out[2] = __shfl_up_sync(~0U, v, 2);
  out[3] = __shfl_xor_sync(~0U, v, 5, 8);
  out[4] = static_cast<int>(__ballot_sync(~0U, v % 3 == 0));
  out[5] = __any_sync(~0U, v == 40) + 2 * __all_sync(~0U, v < 1000);
  const bool low = t % 32 < 16;
  out[6] = __shfl_sync(low ? 0xffffU : 0xffff0000U, v, low ? 1 : 17);  // two halves, each for itself
  out[7] = __syncthreads_count(v % 2 == 0);
}

__global__ void atomic_kernel(int* sum, int* most, unsigned* bits) {
  const auto t = static_cast<int>(cuda::thread_index());
  atomicAdd(sum, t);
  atomicMax(most, (t * 37) % 101);
  atomicOr(bits, 1U << (t % 32));
}

// Planted faults.

__global__ void missing_barrier_kernel(const float* x, float* y) {
  AZ_SHARED(part, float[64]);
  part[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = part[(threadIdx.x + 1) % 64];
}

__global__ void race_kernel(float* y) { y[0] = y[0] * 0.5F + static_cast<float>(threadIdx.x); }

__global__ void block_race_kernel(float* y) { y[0] = static_cast<float>(blockIdx.x); }

__global__ void divergent_kernel(float* y) {
  if (threadIdx.x < 16) {
    __syncthreads();
    y[threadIdx.x] = 1;
  } else {
    __syncthreads();
    y[threadIdx.x] = 2;
  }
}

__global__ void stuck_kernel(float* y) {
  if (threadIdx.x < 16) __syncthreads();
  y[threadIdx.x] = static_cast<float>(__shfl_sync(~0U, static_cast<int>(threadIdx.x), 0));
}

__global__ void unwritten_shared_kernel(float* y) {
  AZ_SHARED(part, float[32]);
  y[threadIdx.x] = part[threadIdx.x];
}

__global__ void greedy_kernel(float* y) {
  AZ_SHARED(part, float[20000]);
  y[0] = part[0];
}

#if defined(__SANITIZE_ADDRESS__)
__global__ void out_of_range_kernel(const float* x, float* y, int shift) {
  y[threadIdx.x] = x[static_cast<int>(threadIdx.x) + shift];
}

__global__ void out_of_shared_kernel(float* y, int shift) {
  AZ_SHARED(part, float[32]);
  part[static_cast<int>(threadIdx.x) + shift] = 1;
  __syncthreads();
  y[threadIdx.x] = part[threadIdx.x];
}

/// What a child process that runs f() leaves on stderr; empty if it ends well.
template <class F>
std::string last_words(const F& f) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    f();
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char part[4096];
  for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) text.append(part, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? std::string() : text;
}
#endif

}  // namespace

TEST_CASE("every thread of a grid runs once, with its own index") {
  const AllOrders all;
  constexpr int kWidth = 37, kRows = 6;
  Tensor y = Tensor::zeros({kRows, kWidth}, DType::i32, *cuda());
  launch(stream(), "index_kernel", dim3(5, 3), dim3(8, 2), 0, index_kernel, y.mutable_data<int32_t>(), kWidth);
  std::vector<int32_t> want(kRows * kWidth);
  std::iota(want.begin(), want.end(), 0);
  CHECK(y.to_vector<int32_t>() == want);
}

TEST_CASE("barriers, shared memory and shuffles give the sums of blocks in every thread order") {
  const AllOrders all;
  for (const int threads : {32, 64, 256, 1024})
    for (const int64_t n : {1, 31, 32, 33, 257, 3000}) {
      CAPTURE(threads);
      CAPTURE(n);
      const std::vector<float> x = ramp(n);
      const int64_t blocks = (n + threads - 1) / threads;
      Tensor y = Tensor::zeros({blocks}, DType::f32, *cuda());
      const Tensor in = on_device(x);
      launch(stream(), "block_sum_kernel", static_cast<unsigned>(blocks), static_cast<unsigned>(threads), 0,
             block_sum_kernel, in.data<float>(), y.mutable_data<float>(), static_cast<int>(n));
      double sum = 0;
      for (const float v : y.to_vector<float>()) sum += double{v};
      CHECK(sum == doctest::Approx(static_cast<double>(n) * static_cast<double>(n + 1) / 2));
    }
  const Tensor x = on_device(ramp(256));
  Tensor y = Tensor::zeros({2}, DType::f32, *cuda());
  launch(stream(), "tree_sum_kernel", 2, 128, 128 * 4, tree_sum_kernel, x.data<float>(), y.mutable_data<float>());
  CHECK(y.to_vector<float>() == std::vector<float>{8256, 24640});
}

TEST_CASE("warp operations give what CUDA's do") {
  const AllOrders all;
  for (const int threads : {32, 64}) {
    CAPTURE(threads);
    std::vector<int32_t> x(static_cast<size_t>(threads));
    std::iota(x.begin(), x.end(), 10);
    const Tensor in = Tensor::from(x, {threads}, *cuda());
    Tensor out = Tensor::zeros({threads, 8}, DType::i32, *cuda());
    launch(stream(), "warp_kernel", 1, static_cast<unsigned>(threads), 0, warp_kernel, in.data<int32_t>(),
           out.mutable_data<int32_t>());
    const std::vector<int32_t> y = out.to_vector<int32_t>();
    for (int t = 0; t < threads; ++t) {
      CAPTURE(t);
      const int lane = t % 32, first = 10 + t - lane;  // value of the warp's lane 0
      const auto* got = y.data() + t * 8;
      CHECK(got[0] == first + 3);
      CHECK(got[1] == first + (lane < 30 ? lane + 2 : lane));
      CHECK(got[2] == first + (lane >= 2 ? lane - 2 : lane));
      CHECK(got[3] == first + (lane ^ 5));
      unsigned votes = 0;
      for (int l = 0; l < 32; ++l) votes |= unsigned{(first + l) % 3 == 0} << l;
      CHECK(static_cast<unsigned>(got[4]) == votes);
      CHECK(got[5] == 2 + (first <= 40 && 40 < first + 32));
      CHECK(got[6] == first + (lane < 16 ? 1 : 17));
      CHECK(got[7] == threads / 2);
    }
  }
}

TEST_CASE("integer atomics add up whatever the order") {
  const AllOrders all;
  Tensor sums = Tensor::zeros({3}, DType::i32, *cuda());
  auto* at = sums.mutable_data<int32_t>();
  launch(stream(), "atomic_kernel", 7, 33, 0, atomic_kernel, at, at + 1, reinterpret_cast<unsigned*>(at + 2));
  const auto got = sums.to_vector<int32_t>();
  CHECK(got[0] == 230 * 231 / 2);
  CHECK(got[1] == 100);
  CHECK(got[2] == -1);
}

TEST_CASE("planted faults are caught and named") {
  const AllOrders all;
  const Tensor x = on_device(ramp(64));
  Tensor y = Tensor::zeros({64}, DType::f32, *cuda());
  auto* out = y.mutable_data<float>();
  const auto says = [](const std::string& text, const char* a, const char* b) {
    INFO(text);
    CHECK(text.find(a) != std::string::npos);
    CHECK(text.find(b) != std::string::npos);
  };
  says(error_of(
           [&] { launch(stream(), "missing_barrier_kernel", 1, 64, 0, missing_barrier_kernel, x.data<float>(), out); }),
       "missing_barrier_kernel: threads in reverse order give another result", "a barrier is missing");
  says(error_of([&] { launch(stream(), "race_kernel", 1, 32, 0, race_kernel, out); }), "race_kernel", "another result");
  says(error_of([&] { launch(stream(), "block_race_kernel", 4, 1, 0, block_race_kernel, out); }), "block_race_kernel",
       "another result");
  says(error_of([&] { launch(stream(), "divergent_kernel", 1, 32, 0, divergent_kernel, out); }),
       "divergent_kernel: divergent barrier in block (0, 0, 0)", "emulator_test.cpp");
  says(error_of([&] { launch(stream(), "stuck_kernel", 1, 32, 0, stuck_kernel, out); }),
       "stuck_kernel: divergent barrier", "16 threads in __syncthreads");
  says(error_of([&] { launch(stream(), "greedy_kernel", 1, 32, 0, greedy_kernel, out); }), "greedy_kernel",
       "static shared memory");
  says(error_of([&] { launch(stream(), "greedy_kernel", 1, 2048, 0, greedy_kernel, out); }), "greedy_kernel",
       "want 1 to 1024");
  // After a fault the next launch is sound again.
  Tensor sums = Tensor::zeros({1}, DType::f32, *cuda());
  launch(stream(), "block_sum_kernel", 1, 64, 0, block_sum_kernel, x.data<float>(), sums.mutable_data<float>(), 64);
  CHECK(sums.item() == 2080);
}

#if defined(__SANITIZE_ADDRESS__)
TEST_CASE("an index out of range stops at the kernel's own line") {
  const AllOrders all;
  const Tensor x = on_device(ramp(100));
  Tensor y = Tensor::zeros({32}, DType::f32, *cuda());
  auto* out = y.mutable_data<float>();
  const auto read_at = [&](int shift) {
    launch(stream(), "out_of_range_kernel", 1, 32, 0, out_of_range_kernel, x.data<float>(), out, shift);
  };
  const auto write_shared_at = [&](int shift) {
    launch(stream(), "out_of_shared_kernel", 1, 32, 0, out_of_shared_kernel, out, shift);
  };
  CHECK(last_words([&] { read_at(68); }).empty());
  CHECK(last_words([&] { read_at(69); }).find("out_of_range_kernel") != std::string::npos);
  CHECK(last_words([&] { read_at(-1); }).find("out_of_range_kernel") != std::string::npos);
  CHECK(last_words([&] { write_shared_at(0); }).empty());
  CHECK(last_words([&] { write_shared_at(1); }).find("emulator_test.cpp:") != std::string::npos);
}
#endif

TEST_CASE("shared memory that nobody wrote holds a pattern, not zeros") {
  Tensor y = Tensor::zeros({32}, DType::f32, *cuda());
  launch(stream(), "unwritten_shared_kernel", 1, 32, 0, unwritten_shared_kernel, y.mutable_data<float>());
  for (const float v : y.to_vector<float>()) CHECK(std::bit_cast<uint32_t>(v) == 0xCBCBCBCBU);
}

TEST_CASE("a graph replays what was captured, on what memory holds by then") {
  const Tensor x = on_device(ramp(64));
  Tensor sums = Tensor::zeros({1}, DType::f32, *cuda());
  cuda::Graph graph(stream(), [&] {
    launch(stream(), "block_sum_kernel", 1, 64, 0, block_sum_kernel, x.data<float>(), sums.mutable_data<float>(), 64);
  });
  CHECK(graph.nodes() == 1);
  CHECK(sums.item() == 0);
  graph.replay(stream());
  CHECK(sums.item() == 2080);
  Tensor(x).copy_from(on_device(std::vector<float>(64, 0.5F)));
  graph.replay(stream());
  CHECK(sums.item() == 32);
}

TEST_CASE("a capture that waits for the device is refused and leaves the stream usable") {
  const Tensor x = on_device(ramp(64));
  CHECK(error_of([&] { cuda::Graph graph(stream(), [&] { x.to_vector<float>(); }); }).find("captured") !=
        std::string::npos);
  CHECK(x.to_vector<float>()[63] == 64);
}

TEST_CASE("repeated work is captured at its third run, and runs eagerly where it cannot be") {
  cuda::CudaDevice device;
  const Tensor x = Tensor::from(ramp(64), {64}, device);
  Tensor total = Tensor::zeros({1}, DType::f32, device);
  cuda::GraphCache cache(device.stream(), device.allocator());
  const auto work = [&] {
    Tensor sums = Tensor::empty({1}, DType::f32, device);
    launch(device.stream(), "block_sum_kernel", 1, 64, 0, block_sum_kernel, x.data<float>(), sums.mutable_data<float>(),
           64);
    total.copy_from(sums);
  };
  for (int i = 0; i < 6; ++i) {
    CAPTURE(i);
    total.copy_from(Tensor::zeros({1}, DType::f32, device));
    CHECK(cache.run(1, work) == (i >= 2));
    CHECK(total.item() == 2080);
  }
  CHECK(cache.graphs() == 1);
  double seen = 0;
  const auto waits = [&] { work(), seen = total.item(); };
  for (int i = 0; i < 5; ++i) CHECK_FALSE(cache.run(2, waits));
  CHECK(seen == 2080);
  CHECK(cache.failure().find("captured") != std::string::npos);
}

TEST_CASE("a launch log counts and times launches by name") {
  const Tensor x = on_device(ramp(64));
  Tensor sums = Tensor::zeros({1}, DType::f32, *cuda());
  cuda::LaunchLog log(stream());
  for (int i = 0; i < 3; ++i)
    launch(stream(), "block_sum_kernel", 1, 64, 0, block_sum_kernel, x.data<float>(), sums.mutable_data<float>(), 64);
  const auto times = log.times();
  REQUIRE(times.contains("block_sum_kernel"));
  CHECK(times.at("block_sum_kernel").calls == 3);
  CHECK(times.at("block_sum_kernel").ms >= 0);
}

}  // namespace az::test
#endif
