#include "tensor/layout.h"

#include <cstring>
#include <vector>

#include "tensor/error.h"

namespace az {
namespace {

/// [n, rows, columns] -> [n, columns, rows], elements of `kBytes`, any alignment.
template <int64_t kBytes>
void transpose(const char* from, int64_t n, int64_t rows, int64_t columns, char* to) {
  for (int64_t i = 0; i < n; ++i, from += rows * columns * kBytes)
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t r = 0; r < rows; ++r, to += kBytes) std::memcpy(to, from + (r * columns + c) * kBytes, kBytes);
}

void transpose(const void* from, int64_t n, int64_t rows, int64_t columns, int64_t bytes, void* to) {
  const auto* in = static_cast<const char*>(from);
  auto* out = static_cast<char*>(to);
  if ((rows == 1 || columns == 1) && n * rows * columns > 0) {
    std::memcpy(out, in, static_cast<size_t>(n * rows * columns * bytes));
    return;
  }
  switch (bytes) {
    case 1: return transpose<1>(in, n, rows, columns, out);
    case 2: return transpose<2>(in, n, rows, columns, out);
    case 4: return transpose<4>(in, n, rows, columns, out);
    case 8: return transpose<8>(in, n, rows, columns, out);
    default: fail("layout: elements of {} bytes", bytes);
  }
}

Tensor permuted(const Tensor& tensor, const Shape& shape, int64_t rows, int64_t columns) {
  Tensor result = Tensor::empty(shape, tensor.dtype(), tensor.device());
  const int64_t bytes = dtype_bytes(tensor.dtype());
  if (tensor.device().kind() == DeviceKind::cpu) {
    transpose(tensor.raw(), tensor.dim(0), rows, columns, bytes, result.mutable_raw());
    return result;
  }
  std::vector<char> host(static_cast<size_t>(tensor.bytes())), moved(host.size());
  tensor.device().copy_to_host(host.data(), tensor.raw(), tensor.bytes());
  transpose(host.data(), tensor.dim(0), rows, columns, bytes, moved.data());
  result.device().copy_from_host(result.mutable_raw(), moved.data(), result.bytes());
  return result;
}

}  // namespace

Shape oihw_to_ohwi(const Shape& weight) { return {weight[0], weight[2], weight[3], weight[1]}; }

void oihw_to_ohwi(const void* from, const Shape& weight, int64_t bytes, void* to) {
  transpose(from, weight[0], weight[1], weight[2] * weight[3], bytes, to);
}

void oihw_to_ohwi_in_place(void* weight, const Shape& shape, int64_t bytes) {
  const int64_t in = shape[1], taps = shape[2] * shape[3];
  if (in == 1 || taps == 1) return;
  std::vector<char> one(static_cast<size_t>(in * taps * bytes));  // an output channel's values stay together
  auto* at = static_cast<char*>(weight);
  for (int64_t o = 0; o < shape[0]; ++o, at += one.size()) {
    transpose(at, 1, in, taps, bytes, one.data());
    std::memcpy(at, one.data(), one.size());
  }
}

Tensor oihw_to_ohwi(const Tensor& weight) {
  AZ_CHECK(weight.rank() == 4, "oihw_to_ohwi: {} is not [o, i, h, w]", weight.str());
  return permuted(weight, oihw_to_ohwi(weight.shape()), weight.dim(1), weight.dim(2) * weight.dim(3));
}

Tensor ohwi_to_oihw(const Tensor& weight) {
  AZ_CHECK(weight.rank() == 4, "ohwi_to_oihw: {} is not [o, h, w, i]", weight.str());
  const int64_t o = weight.dim(0), h = weight.dim(1), w = weight.dim(2), i = weight.dim(3);
  return permuted(weight, {o, i, h, w}, h * w, i);
}

}  // namespace az
