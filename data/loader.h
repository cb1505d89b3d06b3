// Batches made ahead of time by plain threads, handed out in order.
//
// A batch is a function of its index alone, so its content does not depend on how many workers there are or on which of
// them made it. Workers do no OpenMP work (design: one thread at a time submits to that runtime).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "tensor/error.h"

namespace az::data {

struct LoaderOptions {
  int workers = 2;    ///< 0: next() makes the batch itself
  int prefetch = 4;   ///< batches made or being made that the consumer has not taken, at least 1
  int64_t begin = 0;  ///< first index; where a resumed run goes on
  int64_t end = -1;   ///< one past the last index; negative: endless
};

template <class Batch>
class Loader {
 public:
  /// `make` is called from several threads at once, each index at most once.
  using Make = std::function<Batch(int64_t index)>;

  /// Error: a negative number of workers, or no room to prefetch.
  Loader(Make make, const LoaderOptions& options) : make_(std::move(make)), options_(options) {
    AZ_CHECK(options.workers >= 0 && options.prefetch >= 1,
             "loader: {} workers and {} batches ahead, want >= 0 and >= 1", options.workers, options.prefetch);
    taken_ = claimed_ = options.begin;
    try {
      for (int i = 0; i < options.workers; ++i) threads_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }
  /// Waits for the batches that are being made; the rest is dropped.
  ~Loader() { stop(); }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next batch in order; none behind the end. What `make` threw for that index is thrown here, and the call after
  /// it goes on with the next index. One consumer thread.
  std::optional<Batch> next() {
    if (at_end(taken_)) return std::nullopt;
    const auto start = std::chrono::steady_clock::now();
    Made made = options_.workers == 0 ? make(taken_) : wait_for_next();
    waited_ += std::chrono::steady_clock::now() - start;
    if (options_.workers == 0) ++taken_;
    if (made.error) std::rethrow_exception(made.error);
    return std::move(made.batch);
  }

  /// Time that next() has kept its caller, in all. Over the time of the loop it is the loop's "data %".
  double waited_ms() const { return std::chrono::duration<double, std::milli>(waited_).count(); }

 private:
  struct Made {
    std::optional<Batch> batch;
    std::exception_ptr error;
  };

  bool at_end(int64_t index) const { return options_.end >= 0 && index >= options_.end; }

  Made make(int64_t index) {
    try {
      return {make_(index), nullptr};
    } catch (...) {
      return {std::nullopt, std::current_exception()};
    }
  }

  Made wait_for_next() {
    std::unique_lock lock(mutex_);
    batch_made_.wait(lock, [&] { return made_.contains(taken_); });
    Made made = std::move(made_.extract(taken_).mapped());
    ++taken_;
    lock.unlock();
    room_made_.notify_one();
    return made;
  }

  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      room_made_.wait(lock, [&] { return stopping_ || at_end(claimed_) || claimed_ < taken_ + options_.prefetch; });
      if (stopping_ || at_end(claimed_)) return;
      const int64_t index = claimed_++;
      lock.unlock();
      Made made = make(index);
      lock.lock();
      made_.emplace(index, std::move(made));
      lock.unlock();
      batch_made_.notify_one();
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_made_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  const Make make_;
  const LoaderOptions options_;
  std::chrono::steady_clock::duration waited_{};

  std::mutex mutex_;
  std::condition_variable batch_made_, room_made_;
  std::map<int64_t, Made> made_;  // at most `prefetch` of them
  int64_t taken_ = 0;             // next index for the consumer; also its own without workers
  int64_t claimed_ = 0;           // next index for a worker
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace az::data
