// Protocol buffers, to write: a message is a string that its fields are appended to, a field a varint of
// (number * 8 + wire type) and the value. Files of a few message types need no protobuf compiler this way.
// Source: protobuf.dev, "Encoding".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace az::train {

inline void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

/// The bytes as they lie in memory: little-endian, as protobuf and TFRecord want them.
template <class T>
void put_raw(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// int32, int64, bool and enum fields.
inline void put_integer(std::string& out, unsigned field, int64_t value) {
  put_varint(out, field * 8 + 0);
  put_varint(out, static_cast<uint64_t>(value));
}

inline void put_double(std::string& out, unsigned field, double value) {
  put_varint(out, field * 8 + 1);
  put_raw(out, value);
}

/// string, bytes and message fields.
inline void put_bytes(std::string& out, unsigned field, std::string_view bytes) {
  put_varint(out, field * 8 + 2);
  put_varint(out, bytes.size());
  out += bytes;
}

inline void put_float(std::string& out, unsigned field, float value) {
  put_varint(out, field * 8 + 5);
  put_raw(out, value);
}

}  // namespace az::train
