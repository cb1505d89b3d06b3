#include "cuda/emulator/fiber.h"

#include <sys/mman.h>

#include <boost/context/detail/fcontext.hpp>

#include "tensor/error.h"
#include "tensor/sanitizer.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace az::cuda::emulator {
namespace {

namespace context = boost::context::detail;

constexpr size_t kStack = (kAddressSanitizer ? 256 : 64) * 1024;
constexpr size_t kGuard = 4096;  // a page that no one may touch, below the stack

/// Tells AddressSanitizer that the stack is about to change.
void leave([[maybe_unused]] void** fake_stack, [[maybe_unused]] const void* stack, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(fake_stack, stack, bytes);
#endif
}

void enter([[maybe_unused]] void* fake_stack, [[maybe_unused]] const void** stack, [[maybe_unused]] size_t* bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, stack, bytes);
#endif
}

}  // namespace

struct Fiber::Entry {
  static void run(context::transfer_t from) {
    auto& fiber = *static_cast<Fiber*>(from.data);
    fiber.arrive(from.fctx, nullptr);
    fiber.main_(fiber.argument_);
  }
};

Fiber::Fiber(void (*main)(void*), void* argument) : main_(main), argument_(argument) {
  void* memory =
      mmap(nullptr, kStack + kGuard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  AZ_CHECK(memory != MAP_FAILED && mprotect(memory, kGuard, PROT_NONE) == 0,
           "cuda emulation: no memory for a thread's stack");
  stack_ = static_cast<char*>(memory);
  context_ = context::make_fcontext(stack_ + kGuard + kStack, kStack, &Entry::run);
#if defined(__SANITIZE_THREAD__)
  own_thread_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  unpoison(stack_ + kGuard, kStack);
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(own_thread_);
#endif
  munmap(stack_, kStack + kGuard);
}

void Fiber::arrive(void* from_context, void* fake_stack) {
  enter(fake_stack, &resumer_stack_, &resumer_bytes_);
  resumer_ = from_context;
}

void Fiber::resume() {
  void* fake_stack = nullptr;
  leave(&fake_stack, stack_ + kGuard, kStack);
#if defined(__SANITIZE_THREAD__)
  resumer_thread_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(own_thread_, 0);
#endif
  context_ = context::jump_fcontext(context_, this).fctx;
  enter(fake_stack, nullptr, nullptr);
}

void Fiber::suspend() {
  leave(&own_fake_stack_, resumer_stack_, resumer_bytes_);
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(resumer_thread_, 0);
#endif
  const context::transfer_t from = context::jump_fcontext(resumer_, nullptr);
  arrive(from.fctx, own_fake_stack_);
}

}  // namespace az::cuda::emulator
