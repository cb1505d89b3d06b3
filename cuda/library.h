// cuDNN and cuBLAS, or what stands in for them.
#pragma once

#include "cuda/stream.h"
#include "tensor/allocator.h"

namespace az::cuda {

class Library {
 public:
  Library(Stream& stream, Allocator&, bool exact) : stream_(stream), exact_(exact) {}
  Stream& stream() { return stream_; }
  bool exact() const { return exact_; }

 private:
  Stream& stream_;
  bool exact_;
};

}  // namespace az::cuda
