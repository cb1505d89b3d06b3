#include "tests/support/onnx_reader.h"

#include <cstring>
#include <set>

#include "tensor/error.h"

namespace az::test {
namespace {

/// One field of a message; `bytes` of wire type 2, `number` of the others.
struct Field {
  uint64_t id = 0, wire = 0, number = 0;
  std::string_view bytes;

  int64_t integer() const {
    AZ_CHECK(wire == 0, "field {} has wire type {}, want a varint", id, wire);
    return static_cast<int64_t>(number);
  }
  std::string text() const {
    AZ_CHECK(wire == 2, "field {} has wire type {}, want bytes", id, wire);
    return std::string(bytes);
  }
  float real() const {
    AZ_CHECK(wire == 5, "field {} has wire type {}, want a float", id, wire);
    const auto bits = static_cast<uint32_t>(number);
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }
};

uint64_t varint(std::string_view& bytes) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    AZ_CHECK(!bytes.empty(), "a varint ends with its message");
    const auto byte = static_cast<uint8_t>(bytes[0]);
    bytes.remove_prefix(1);
    value |= uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  fail("a varint of more than 64 bits");
}

template <class F>
void for_fields(std::string_view bytes, const F& f) {
  while (!bytes.empty()) {
    Field field;
    const uint64_t tag = varint(bytes);
    field.id = tag >> 3;
    field.wire = tag & 7;
    size_t size = 0;
    switch (field.wire) {
      case 0: field.number = varint(bytes); break;
      case 1: size = 8; break;
      case 2: size = varint(bytes); break;
      case 5: size = 4; break;
      default: fail("field {} has wire type {}", field.id, field.wire);
    }
    AZ_CHECK(size <= bytes.size(), "field {} of {} bytes in a message that has {} left", field.id, size, bytes.size());
    field.bytes = bytes.substr(0, size);
    if (field.wire == 5 || field.wire == 1) std::memcpy(&field.number, field.bytes.data(), size);
    bytes.remove_prefix(size);
    f(field);
  }
}

[[noreturn]] void unknown(const char* message, const Field& field) { fail("{} has a field {}", message, field.id); }

void read_attribute(std::string_view bytes, OnnxFileNode& node) {
  std::string name;
  int64_t type = 0;
  std::vector<int64_t> ints;
  for_fields(bytes, [&](const Field& f) {
    switch (f.id) {
      case 1: name = f.text(); break;
      case 2: node.numbers[name] = f.real(); break;
      case 3:
      case 8: ints.push_back(f.integer()); break;
      case 4: node.texts[name] = f.text(); break;
      case 20: type = f.integer(); break;
      default: unknown("AttributeProto", f);
    }
  });
  if (!ints.empty()) node.integers[name] = ints;
  const int64_t want = !ints.empty() ? (ints.size() == 1 && type == 2 ? 2 : 7) : node.texts.contains(name) ? 3 : 1;
  AZ_CHECK(type == want, "attribute {} has type {}, its value {}", name, type, want);
}

OnnxFileNode node_of(std::string_view bytes) {
  OnnxFileNode node;
  for_fields(bytes, [&](const Field& f) {
    switch (f.id) {
      case 1: node.inputs.push_back(f.text()); break;
      case 2: node.outputs.push_back(f.text()); break;
      case 3: node.name = f.text(); break;
      case 4: node.type = f.text(); break;
      case 5: read_attribute(f.bytes, node); break;
      default: unknown("NodeProto", f);
    }
  });
  return node;
}

std::pair<std::string, OnnxFileTensor> tensor_of(std::string_view bytes) {
  std::string name;
  OnnxFileTensor tensor;
  for_fields(bytes, [&](const Field& f) {
    switch (f.id) {
      case 1: tensor.dims.push_back(f.integer()); break;
      case 2: tensor.type = f.integer(); break;
      case 8: name = f.text(); break;
      case 9: tensor.bytes = f.text(); break;
      default: unknown("TensorProto", f);
    }
  });
  size_t want = tensor.type == 7 ? 8 : 4;
  for (const int64_t d : tensor.dims) want *= static_cast<size_t>(d);
  AZ_CHECK(tensor.bytes.size() == want, "{} has {} bytes, its shape wants {}", name, tensor.bytes.size(), want);
  return {name, tensor};
}

/// The only field of a message, which must have this number.
std::string_view only(std::string_view bytes, uint64_t id) {
  std::string_view inner;
  for_fields(bytes, [&](const Field& f) {
    AZ_CHECK(f.id == id, "a field {}, want {}", f.id, id);
    inner = f.bytes;
  });
  return inner;
}

std::pair<std::string, OnnxFileTensor> value_of(std::string_view bytes) {
  std::string name;
  OnnxFileTensor value;
  for_fields(bytes, [&](const Field& f) {
    if (f.id == 1) name = f.text();
    if (f.id != 2) return;
    for_fields(only(f.bytes, 1), [&](const Field& t) {
      if (t.id == 1) value.type = t.integer();
      if (t.id != 2) return;
      for_fields(t.bytes, [&](const Field& dim) {
        for_fields(dim.bytes, [&](const Field& d) { value.dims.push_back(d.integer()); });
      });
    });
  });
  return {name, value};
}

void read_graph(std::string_view bytes, OnnxFile& file) {
  const auto add = [](auto& to, const auto& named) {
    AZ_CHECK(to.insert(named).second, "{} is there twice", named.first);
  };
  for_fields(bytes, [&](const Field& f) {
    switch (f.id) {
      case 1: file.nodes.push_back(node_of(f.bytes)); break;
      case 2: file.graph = f.text(); break;
      case 5: add(file.constants, tensor_of(f.bytes)); break;
      case 11: add(file.inputs, value_of(f.bytes)); break;
      case 12: add(file.outputs, value_of(f.bytes)); break;
      default: unknown("GraphProto", f);
    }
  });
}

}  // namespace

OnnxFile read_onnx(std::string_view bytes) {
  OnnxFile file;
  for_fields(bytes, [&](const Field& f) {
    switch (f.id) {
      case 1: file.ir_version = f.integer(); break;
      case 2: file.producer = f.text(); break;
      case 7: read_graph(f.bytes, file); break;
      case 8:
        for_fields(f.bytes, [&](const Field& set) {
          if (set.id == 2) file.operator_set = set.integer();
        });
        break;
      default: unknown("ModelProto", f);
    }
  });
  return file;
}

std::vector<std::string> onnx_faults(const OnnxFile& file) {
  std::vector<std::string> faults;
  std::set<std::string> known;
  const auto define = [&](const std::string& name) {
    if (!known.insert(name).second) faults.push_back(name + " is made twice");
  };
  for (const auto& [name, value] : file.inputs) define(name);
  for (const auto& [name, value] : file.constants) define(name);
  for (const OnnxFileNode& node : file.nodes) {
    for (const std::string& input : node.inputs)
      if (!input.empty() && !known.contains(input)) faults.push_back(node.name + " takes " + input);
    for (const std::string& output : node.outputs) define(output);
    if (node.type == "Transpose") faults.push_back(node.name + " is a Transpose");
  }
  for (const auto& [name, value] : file.outputs)
    if (!known.contains(name)) faults.push_back("nothing makes the output " + name);
  return faults;
}

}  // namespace az::test
