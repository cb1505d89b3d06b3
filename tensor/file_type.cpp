#include "tensor/file_type.h"

#include <bit>
#include <cstring>

#include "tensor/error.h"

namespace az {

static_assert(std::endian::native == std::endian::little, "files are little-endian and are copied as they are");

namespace {

template <class To, class From, class Convert>
void convert_elements(const char* from, int64_t count, void* to, Convert convert) {
  auto* out = static_cast<To*>(to);
  for (int64_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, from + i * static_cast<int64_t>(sizeof(From)), sizeof(From));
    out[i] = convert(value);
  }
}

template <class To, class From>
void cast_elements(const char* from, int64_t count, void* to) {
  convert_elements<To, From>(from, count, to, [](From v) { return static_cast<To>(v); });
}

}  // namespace

int64_t file_type_bytes(FileType type) {
  switch (type) {
    case FileType::f64:
    case FileType::i64: return 8;
    case FileType::f32:
    case FileType::i32: return 4;
    case FileType::f16:
    case FileType::bf16:
    case FileType::i16:
    case FileType::u16: return 2;
    case FileType::i8:
    case FileType::u8:
    case FileType::boolean: return 1;
  }
  fail("file type {} is unknown", static_cast<int>(type));
}

DType tensor_dtype(FileType type) {
  switch (type) {
    case FileType::f64: return DType::f64;
    case FileType::f32: return DType::f32;
    case FileType::f16: return DType::f16;
    case FileType::bf16: return DType::bf16;
    case FileType::i64: return DType::i64;
    case FileType::i32:
    case FileType::i16:
    case FileType::i8:
    case FileType::u16: return DType::i32;
    case FileType::u8:
    case FileType::boolean: return DType::u8;
  }
  fail("file type {} is unknown", static_cast<int>(type));
}

bool keeps_bytes(FileType type) {
  return file_type_bytes(type) == dtype_bytes(tensor_dtype(type)) && type != FileType::boolean;
}

FileType file_type_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return FileType::f32;
    case DType::bf16: return FileType::bf16;
    case DType::f16: return FileType::f16;
    case DType::f64: return FileType::f64;
    case DType::i32: return FileType::i32;
    case DType::i64: return FileType::i64;
    case DType::u8: return FileType::u8;
  }
  fail("dtype {} is unknown", static_cast<int>(dtype));
}

void widen_elements(FileType type, const char* from, int64_t count, void* to) {
  switch (type) {
    case FileType::i16: return cast_elements<int32_t, int16_t>(from, count, to);
    case FileType::u16: return cast_elements<int32_t, uint16_t>(from, count, to);
    case FileType::i8: return cast_elements<int32_t, int8_t>(from, count, to);
    case FileType::boolean:
      return convert_elements<uint8_t, uint8_t>(from, count, to,
                                                [](uint8_t v) { return static_cast<uint8_t>(v != 0); });
    default:
      if (count > 0) std::memcpy(to, from, static_cast<size_t>(count * file_type_bytes(type)));
  }
}

Tensor tensor_from_file(FileType type, const char* from, const Shape& shape, Device& device) {
  const DType dtype = tensor_dtype(type);
  Tensor tensor = Tensor::empty(shape, dtype, device);
  if (keeps_bytes(type)) {
    device.copy_from_host(tensor.mutable_raw(), from, tensor.bytes());
    return tensor;
  }
  std::vector<char> widened(static_cast<size_t>(tensor.bytes()));
  widen_elements(type, from, shape.numel(), widened.data());
  device.copy_from_host(tensor.mutable_raw(), widened.data(), tensor.bytes());
  return tensor;
}

}  // namespace az
