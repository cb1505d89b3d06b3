#include "tensor/layout.h"

#include <cstring>

#include "tensor/error.h"

namespace az {
namespace {

/// [n, rows, columns] -> [n, columns, rows], elements of `size` bytes.
std::vector<char> transposed(const std::vector<char>& from, int64_t n, int64_t rows, int64_t columns, int64_t size) {
  std::vector<char> to(from.size());
  char* out = to.data();
  for (int64_t i = 0; i < n; ++i)
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t r = 0; r < rows; ++r, out += size)
        std::memcpy(out, &from[static_cast<size_t>(((i * rows + r) * columns + c) * size)], static_cast<size_t>(size));
  return to;
}

Tensor permuted(const Tensor& tensor, const Shape& shape, int64_t rows, int64_t columns) {
  std::vector<char> host(static_cast<size_t>(tensor.bytes()));
  tensor.device().copy_to_host(host.data(), tensor.raw(), tensor.bytes());
  const std::vector<char> moved = transposed(host, tensor.dim(0), rows, columns, dtype_bytes(tensor.dtype()));
  Tensor result = Tensor::empty(shape, tensor.dtype(), tensor.device());
  result.device().copy_from_host(result.mutable_raw(), moved.data(), result.bytes());
  return result;
}

}  // namespace

Tensor oihw_to_ohwi(const Tensor& weight) {
  AZ_CHECK(weight.rank() == 4, "oihw_to_ohwi: {} is not [o, i, h, w]", weight.str());
  const int64_t o = weight.dim(0), i = weight.dim(1), h = weight.dim(2), w = weight.dim(3);
  return permuted(weight, {o, h, w, i}, i, h * w);
}

Tensor ohwi_to_oihw(const Tensor& weight) {
  AZ_CHECK(weight.rank() == 4, "ohwi_to_oihw: {} is not [o, h, w, i]", weight.str());
  const int64_t o = weight.dim(0), h = weight.dim(1), w = weight.dim(2), i = weight.dim(3);
  return permuted(weight, {o, i, h, w}, h * w, i);
}

}  // namespace az
