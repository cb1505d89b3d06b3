// Element types that files hold and tensors may not: read by widening to the next type that holds every value.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace az {

enum class FileType : uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u16, u8, boolean };

/// Bytes of one element in the file.
int64_t file_type_bytes(FileType type);
/// What a tensor read from it has: i16, i8 and u16 become i32; boolean becomes u8; others stay.
DType tensor_dtype(FileType type);
/// Whether a tensor holds the very bytes of the file.
bool keeps_bytes(FileType type);
/// The file's type of a tensor that is written.
FileType file_type_of(DType dtype);

/// Widens `count` elements at `from` (little-endian, any alignment) into `to`, which has tensor_dtype(type).
void widen_elements(FileType type, const char* from, int64_t count, void* to);
/// A tensor of the shape from its packed elements. The caller has checked that `from` holds as many.
Tensor tensor_from_file(FileType type, const char* from, const Shape& shape, Device& device);

}  // namespace az
