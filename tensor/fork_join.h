// The order of an OpenMP region for ThreadSanitizer, which does not see into libgomp; nothing in other builds.
#pragma once

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace az {

/// What the caller does before the region comes before the threads' work, and that before what the caller does after.
/// Made before the region; each thread enters and leaves, the caller joins after it.
class ForkJoin {
 public:
#if defined(__SANITIZE_THREAD__)
  ForkJoin() { __tsan_release(&begin_); }
  void enter() { __tsan_acquire(&begin_); }
  void leave() { __tsan_release(&end_); }
  void join() { __tsan_acquire(&end_); }

 private:
  char begin_ = 0, end_ = 0;
#else
  void enter() {}
  void leave() {}
  void join() {}
#endif
};

}  // namespace az
