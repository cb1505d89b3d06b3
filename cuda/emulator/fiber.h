// A stack of its own that runs in turns with its creator. The switch is Boost.Context's, on whatever processor that
// knows.
#pragma once

#include <cstddef>

namespace az::cuda::emulator {

class Fiber {
 public:
  /// main(argument) runs at the first resume() and never returns.
  Fiber(void (*main)(void*), void* argument);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// From outside: goes on inside until suspend().
  void resume();
  /// From inside: goes back to whoever resumed.
  void suspend();

 private:
  struct Entry;
  void arrive(void* from_context, void* fake_stack);

  void (*main_)(void*);
  void* argument_;
  char* stack_;
  void* context_;            // where the fiber goes on
  void* resumer_ = nullptr;  // where its resumer goes on
  // For the sanitizers: each side's saved shadow stack and the resumer's bounds.
  void* own_fake_stack_ = nullptr;
  const void* resumer_stack_ = nullptr;
  size_t resumer_bytes_ = 0;
  void* own_thread_ = nullptr;
  void* resumer_thread_ = nullptr;
};

}  // namespace az::cuda::emulator
