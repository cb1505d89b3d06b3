#include "data/crew.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "tensor/error.h"

namespace az::data {

void for_each_item(int64_t count, const CrewOptions& options, const std::function<void(int64_t)>& f) {
  AZ_CHECK(options.workers >= 0 && options.workers <= 1024, "{} workers, want 0 to 1024", options.workers);
  std::mutex mutex;
  int64_t next = 0, done = 0;
  std::exception_ptr error;
  const auto work = [&] {
    std::unique_lock lock(mutex);
    while (next < count) {
      const int64_t i = next++;
      lock.unlock();
      try {
        f(i);
        lock.lock();
        ++done;
        if (options.progress) options.progress(done, count);
      } catch (...) {
        if (!lock.owns_lock()) lock.lock();
        if (!error) error = std::current_exception();
        next = count;
      }
    }
  };
  const int64_t processors = std::max(1U, std::thread::hardware_concurrency());
  const int64_t threads =
      std::clamp<int64_t>(options.workers > 0 ? options.workers : processors, 1, std::max<int64_t>(count, 1));
  std::vector<std::thread> crew;
  for (int64_t k = 1; k < threads; ++k) crew.emplace_back(work);
  work();
  for (std::thread& thread : crew) thread.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace az::data
