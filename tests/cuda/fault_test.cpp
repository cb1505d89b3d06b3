// A kernel's fault: found by a later call, and blamed on the right kernel with AZ_SYNC=1.
#include "cuda/build.h"

#ifdef AZ_CUDA_EMULATED
#include <doctest/doctest.h>

#include <cstdlib>

#include "cuda/device.h"
#include "cuda/graph.h"
#include "cuda/kernel.cuh"
#include "tensor/error.h"
#include "tensor/tensor.h"

namespace az::test {
namespace {

using cuda::launch;

__global__ void add_one_kernel(float* y, int n) {
  const int64_t i = cuda::thread_index();
  if (i < n) y[i] += 1;
}

/// Traps in every thread at or past `first`.
__global__ void trap_kernel(const float* y, int first) {
  if (cuda::thread_index() >= first && y[0] > 0) __trap();
}

#if !defined(AZ_SANITIZED)
/// Thread 40 writes far off; with a width its block has met at a barrier before.
__global__ void stray_kernel(float* y, int width) {
  if (width > 0) __syncthreads();
  const auto t = static_cast<int>(threadIdx.x);
  y[t == 40 ? int64_t{1} << 40 : t] = 1;
}
#endif

/// Sets AZ_SYNC while devices are made.
class Sync {
 public:
  explicit Sync(const char* value) {
    if (const char* before = std::getenv("AZ_SYNC")) before_ = before;
    setenv("AZ_SYNC", value, 1);
  }
  ~Sync() { setenv("AZ_SYNC", before_.c_str(), 1); }
  Sync(const Sync&) = delete;
  Sync& operator=(const Sync&) = delete;

 private:
  std::string before_ = "0";
};

/// A device of its own (its stream keeps the fault), and three launches of which the second traps.
struct Work {
  cuda::CudaDevice device;
  Tensor y = Tensor::zeros({100}, DType::f32, device);

  void add_one() { launch(device.stream(), "add_one_kernel", 4, 32, 0, add_one_kernel, y.mutable_data<float>(), 100); }
  void trap(int first) { launch(device.stream(), "trap_kernel", 4, 32, 64, trap_kernel, y.data<float>(), first); }
  void all() {
    add_one();
    trap(70);
    add_one();
  }
};

}  // namespace

TEST_CASE("a kernel's fault is reported by the next call that waits, which names the launches that it may be") {
  const Sync sync("0");
  Work work;
  CHECK_NOTHROW(work.all());
  CHECK_THROWS_WITH_AS(work.y.to_vector<float>(),
                       "cuda: waiting for the device after 3 launches that nothing waited for, the last of them "
                       "add_one_kernel, trap_kernel, add_one_kernel: unspecified launch failure "
                       "(cudaStreamSynchronize); a kernel launched before did this, not this call: run with AZ_SYNC=1 "
                       "in the environment to have it named",
                       Error);
  // The device is of no use from then on: every call says so, at once.
  CHECK_THROWS_WITH_AS(work.add_one(), doctest::Contains("add_one_kernel: unspecified launch failure"), Error);
  CHECK_THROWS_WITH_AS(Tensor::zeros({3}, DType::f32, work.device), doctest::Contains("a kernel launched before"),
                       Error);
  CHECK_THROWS_AS(work.device.synchronise(), Error);
  Work other;  // on a GPU it would be lost as well
  other.add_one();
  CHECK(other.y.to_vector<float>() == std::vector<float>(100, 1.0F));
}

TEST_CASE("a wait without a fault begins the list of launches anew, and a long one is cut") {
  const Sync sync("0");
  Work work;
  for (int i = 0; i < 20; ++i) work.add_one();
  work.device.synchronise();
  work.trap(0);
  CHECK_THROWS_WITH_AS(work.device.synchronise(),
                       doctest::Contains("after 1 launches that nothing waited for, the "
                                         "last of them trap_kernel:"),
                       Error);
  Work longer;
  longer.add_one();
  longer.trap(0);
  for (int i = 0; i < 20; ++i) longer.add_one();
  std::string names = "add_one_kernel";
  for (int i = 1; i < 8; ++i) names += ", add_one_kernel";
  CHECK_THROWS_WITH_AS(longer.device.synchronise(),
                       doctest::Contains(("after 22 launches that nothing waited for, "
                                          "the last of them " +
                                          names + ":")
                                             .c_str()),
                       Error);
}

TEST_CASE("AZ_SYNC=1 blames the kernel that did it, with its grid and block") {
  const Sync sync("1");
  Work work;
  CHECK(work.device.stream().waits_for_launches());
  CHECK_THROWS_WITH_AS(work.all(),
                       "trap_kernel: the kernel failed with grid (4, 1, 1), block (32, 1, 1), 64 bytes of shared "
                       "memory: unspecified launch failure (found with AZ_SYNC=1)",
                       Error);
}

#if !defined(AZ_SANITIZED)
TEST_CASE("an address that is not there is a kernel's fault too, for kernels that wait at barriers as well") {
  for (const bool wait : {false, true}) {
    CAPTURE(wait);
    const Sync sync(wait ? "1" : "0");
    for (const int width : {0, 32}) {
      Work work;
      const auto stray = [&] {
        launch(work.device.stream(), "stray_kernel", 2, 64, 0, stray_kernel, work.y.mutable_data<float>(), width);
      };
      if (wait) {
        CHECK_THROWS_WITH_AS(stray(),
                             "stray_kernel: the kernel failed with grid (2, 1, 1), block (64, 1, 1), 0 bytes of shared "
                             "memory: an illegal memory access was encountered (found with AZ_SYNC=1)",
                             Error);
      } else {
        CHECK_NOTHROW(stray());
        CHECK_THROWS_WITH_AS(work.device.synchronise(), doctest::Contains("an illegal memory access"), Error);
      }
    }
    Work sound;  // the emulation goes on
    sound.add_one();
    CHECK(sound.y.to_vector<float>() == std::vector<float>(100, 1.0F));
  }
}
#endif

TEST_CASE("a fault in a replayed graph is found by the next wait; with AZ_SYNC=1 nothing is captured") {
  for (const bool wait : {false, true}) {
    CAPTURE(wait);
    const Sync sync(wait ? "1" : "0");
    Work work;
    Tensor first = Tensor::full({1}, -1, DType::f32, work.device);  // the kernel traps once this is positive
    cuda::GraphCache graphs(work.device.stream(), work.device.allocator());
    const auto step = [&] {
      const Tensor copy = work.y.clone();  // a step that makes no tensor has no plan to capture with
      work.add_one();
      launch(work.device.stream(), "trap_kernel", 2, 32, 0, trap_kernel, first.data<float>(), 0);
    };
    for (int i = 0; i < 4; ++i) CHECK(graphs.run(1, step) == (!wait && i >= 2));
    CHECK(graphs.failure() == (wait ? "AZ_SYNC=1 waits for every launch, which a capture forbids" : ""));
    first.copy_from(Tensor::full({1}, 1, DType::f32, work.device));
    if (wait) {
      CHECK_THROWS_WITH_AS(graphs.run(1, step), doctest::Contains("trap_kernel: the kernel failed with grid (2, 1, 1)"),
                           Error);
    } else {
      CHECK(graphs.run(1, step));
      CHECK_THROWS_WITH_AS(work.device.synchronise(),
                           doctest::Contains("a graph's kernels: unspecified launch failure"), Error);
    }
  }
}

}  // namespace az::test
#endif
