// Host memory for large arrays that are walked often: on huge pages where the system grants them.
#pragma once

#include <cstddef>
#include <memory>

namespace az {

/// A growing array of floats whose memory is kept; aligned to 2 MiB once it is that large, else to 64 bytes.
class HugeBuffer {
 public:
  /// At least `count` floats. Their values are lost when the buffer has to grow. Throws `Error` when memory is out.
  float* reserve(size_t count);
  float* data() const { return data_.get(); }
  size_t count() const { return count_; }

 private:
  struct Free {
    void operator()(float* block) const noexcept;
  };
  std::unique_ptr<float, Free> data_;
  size_t count_ = 0;
};

}  // namespace az
