// The devices that tests run on.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

#include "tensor/device.h"

namespace az::test {

/// What a test compares results with: the kernel's own from other addresses, the CPU's, or numbers from the formula in
/// double precision.
enum class Against : uint8_t { itself = 0, cpu = 1, reference = 2, both = 3 };

/// What is read from a CUDA device while one lives is compared. The table of kernels (tests/tools/kernel_table.cpp)
/// counts the kernels that it came from; means something on the emulated device only.
class Compared {
 public:
  explicit Compared(Against against);
  ~Compared();
  Compared(Compared&&) = delete;

 private:
  struct Scope;
  std::unique_ptr<Scope> scope_;
};

/// The sizes of what is computed while one lives, for the same table.
class Sizes {
 public:
  Sizes(std::initializer_list<int64_t> sizes);
  ~Sizes();
  Sizes(Sizes&&) = delete;

 private:
  struct Scope;
  std::unique_ptr<Scope> scope_;
};

/// Devices to loop over, and what the body of the loop compares their results with.
struct ComparedDevices {
  Compared compared;
  std::vector<Device*> list;
  auto begin() const { return list.begin(); }
  auto end() const { return list.end(); }
};

/// The CPU; with a CUDA or emulated device in the build, that one too.
std::vector<Device*> devices();
ComparedDevices devices(Against against);
/// The same with convolutions that sum in double, for golden cases of whole networks in training: their gradients turn
/// on the signs of single activations nearer to zero than any f32 sum can tell (docs/numerics.md).
std::vector<Device*> exact_devices();
/// The first of devices().
Device& cpu();
/// The CUDA device: emulated, or a GPU; null where the build or the machine has none.
Device* cuda();

}  // namespace az::test
