#include "tensor/safetensors.h"

#include <simdjson.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/file_type.h"
#include "tensor/text.h"

namespace az {
namespace {

namespace dom = simdjson::dom;

constexpr uint64_t kLongestHeader = 100'000'000;  // the reference reader's limit
constexpr const char* kMetadataKey = "__metadata__";

/// A tensor as the header describes it. `begin` and `end` count from the end of the header.
struct Entry {
  std::string name;
  FileType type = FileType::f32;
  Shape shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

std::optional<FileType> type_named(std::string_view name) {
  static constexpr std::pair<std::string_view, FileType> kTypes[] = {
      {"F64", FileType::f64}, {"F32", FileType::f32}, {"F16", FileType::f16},     {"BF16", FileType::bf16},
      {"I64", FileType::i64}, {"I32", FileType::i32}, {"I16", FileType::i16},     {"I8", FileType::i8},
      {"U16", FileType::u16}, {"U8", FileType::u8},   {"BOOL", FileType::boolean}};
  for (const auto& [text, type] : kTypes)
    if (text == name) return type;
  return std::nullopt;
}

const char* type_text(DType dtype) {
  switch (dtype) {
    case DType::f32: return "F32";
    case DType::bf16: return "BF16";
    case DType::f16: return "F16";
    case DType::f64: return "F64";
    case DType::i32: return "I32";
    case DType::i64: return "I64";
    case DType::u8: return "U8";
  }
  return "?";
}

/// Reads one file's header; every error starts with the file's name.
class HeaderReader {
 public:
  explicit HeaderReader(const std::string& file) : file_(file) {}

  std::vector<Entry> read(std::string_view json, Metadata* metadata) {
    dom::parser parser;
    dom::element root;
    const simdjson::padded_string padded(json);
    const auto error = parser.parse(padded).get(root);
    AZ_CHECK(!error, "{}: the header is not JSON: {}", file_, simdjson::error_message(error));
    dom::object tensors;
    AZ_CHECK(!root.get(tensors), "{}: the header is not a JSON object", file_);
    std::vector<Entry> entries;
    bool has_metadata = false;
    for (const auto& [key, value] : tensors) {
      if (key == kMetadataKey) {
        AZ_CHECK(!std::exchange(has_metadata, true), "{}: the header has two {} fields", file_, kMetadataKey);
        read_metadata(value, metadata);
      } else {
        entries.push_back(read_entry(key, value));
      }
    }
    refuse_duplicates(entries);
    return entries;
  }

 private:
  void read_metadata(dom::element value, Metadata* metadata) const {
    dom::object fields;
    AZ_CHECK(!value.get(fields), "{}: {} is not a JSON object", file_, kMetadataKey);
    for (const auto& [key, text] : fields) {
      std::string_view string;
      AZ_CHECK(!text.get(string), "{}: {} field {} is not a string", file_, kMetadataKey, printable(key));
      if (metadata) metadata->insert_or_assign(std::string(key), std::string(string));
    }
  }

  Entry read_entry(std::string_view name, dom::element value) const {
    Entry entry;
    entry.name = name;
    dom::object fields;
    AZ_CHECK(!value.get(fields), "{}: tensor {}: its entry is not a JSON object", file_, printable(name));
    int seen = 0;  // one bit a field, so that a repeated one shows
    for (const auto& [key, field] : fields) {
      const int bit = key == "dtype" ? 1 : key == "shape" ? 2 : key == "data_offsets" ? 4 : 0;
      AZ_CHECK(bit != 0, "{}: tensor {}: unknown field {}", file_, printable(name), printable(key));
      AZ_CHECK((seen & bit) == 0, "{}: tensor {}: field {} comes twice", file_, printable(name), printable(key));
      seen |= bit;
      if (bit == 1) read_type(field, entry);
      if (bit == 2) read_shape(field, entry);
      if (bit == 4) read_range(field, entry);
    }
    AZ_CHECK(seen == 7, "{}: tensor {}: wants dtype, shape and data_offsets", file_, printable(name));
    return entry;
  }

  void read_type(dom::element field, Entry& entry) const {
    std::string_view text;
    AZ_CHECK(!field.get(text), "{}: tensor {}: dtype is not a string", file_, printable(entry.name));
    const auto type = type_named(text);
    AZ_CHECK(type, "{}: tensor {}: dtype {} is not supported", file_, printable(entry.name), printable(text));
    entry.type = *type;
  }

  void read_shape(dom::element field, Entry& entry) const {
    const std::vector<uint64_t> dims = numbers(field, entry, "shape");
    AZ_CHECK(dims.size() <= Shape::kMaxRank, "{}: tensor {}: {} dimensions, at most {} are supported", file_,
             printable(entry.name), dims.size(), Shape::kMaxRank);
    std::vector<int64_t> extents;
    int64_t count = 1;
    for (const uint64_t dim : dims) {
      AZ_CHECK(dim <= INT64_MAX && !__builtin_mul_overflow(count, static_cast<int64_t>(dim), &count),
               "{}: tensor {}: its shape has more elements than can be counted", file_, printable(entry.name));
      extents.push_back(static_cast<int64_t>(dim));
    }
    entry.shape = Shape(extents);
  }

  void read_range(dom::element field, Entry& entry) const {
    const std::vector<uint64_t> range = numbers(field, entry, "data_offsets");
    AZ_CHECK(range.size() == 2 && range[0] <= range[1], "{}: tensor {}: data_offsets are not [begin, end]", file_,
             printable(entry.name));
    entry.begin = range[0];
    entry.end = range[1];
  }

  std::vector<uint64_t> numbers(dom::element field, const Entry& entry, const char* what) const {
    dom::array array;
    AZ_CHECK(!field.get(array), "{}: tensor {}: {} is not a list", file_, printable(entry.name), what);
    std::vector<uint64_t> values;
    for (const dom::element item : array) {
      uint64_t value = 0;
      AZ_CHECK(!item.get(value), "{}: tensor {}: {} holds something else than whole numbers", file_,
               printable(entry.name), what);
      values.push_back(value);
    }
    return values;
  }

  void refuse_duplicates(const std::vector<Entry>& entries) const {
    std::vector<std::string_view> names;
    for (const Entry& entry : entries) names.emplace_back(entry.name);
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    AZ_CHECK(twice == names.end(), "{}: tensor {} comes twice", file_, printable(*twice));
  }

  const std::string& file_;
};

/// The ranges must tile the data: each as long as its dtype and shape say, no gap, no overlap, nothing at the end.
void check_ranges(std::vector<Entry>& entries, uint64_t data_bytes, const std::string& file) {
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
  uint64_t expected = 0;
  for (const Entry& e : entries) {
    int64_t bytes = 0;
    const bool overflow = __builtin_mul_overflow(e.shape.numel(), file_type_bytes(e.type), &bytes);
    AZ_CHECK(!overflow && e.end - e.begin == static_cast<uint64_t>(bytes),
             "{}: tensor {}: {} bytes at {} do not fit its shape {}", file, printable(e.name), e.end - e.begin, e.begin,
             e.shape.str());
    AZ_CHECK(e.begin == expected, "{}: tensor {} starts at {}, but the one before it ends at {}", file,
             printable(e.name), e.begin, expected);
    AZ_CHECK(e.end <= data_bytes, "{}: tensor {} ends at {}, but the data has {} bytes; the file is cut short", file,
             printable(e.name), e.end, data_bytes);
    expected = e.end;
  }
  AZ_CHECK(expected == data_bytes, "{}: {} bytes after the last tensor belong to none", file, data_bytes - expected);
}

/// The tensors of `size` bytes that read(at, bytes, to) copies from.
template <class Read>
StateDict decode(uint64_t size, const Read& read, const std::string& name, Device& device, Metadata* metadata,
                 bool (*wanted)(const std::string&)) {
  uint64_t header_bytes = 0;
  constexpr uint64_t kLength = sizeof(header_bytes);
  AZ_CHECK(size >= kLength, "{}: {} bytes are too few for a safetensors file", name, size);
  read(0, kLength, &header_bytes);
  AZ_CHECK(header_bytes <= kLongestHeader, "{}: a header of {} bytes; it is not a safetensors file", name,
           header_bytes);
  AZ_CHECK(header_bytes <= size - kLength, "{}: the header has {} bytes, but only {} follow; the file is cut short",
           name, header_bytes, size - kLength);
  std::string header(header_bytes, '\0');
  read(kLength, header_bytes, header.data());
  AZ_CHECK(header.starts_with('{'), "{}: the header does not start with a brace; it is not a safetensors file", name);

  std::vector<Entry> entries = HeaderReader(name).read(header, metadata);
  const uint64_t data = kLength + header_bytes;
  check_ranges(entries, size - data, name);
  StateDict tensors;
  for (const Entry& e : entries) {
    if (wanted && !wanted(e.name)) continue;
    Tensor& tensor = tensors[e.name];
    if (device.kind() == DeviceKind::cpu && keeps_bytes(e.type)) {
      tensor = Tensor::empty(e.shape, tensor_dtype(e.type), device);
      read(data + e.begin, e.end - e.begin, tensor.mutable_raw());
      continue;
    }
    std::vector<char> bytes(e.end - e.begin);
    read(data + e.begin, bytes.size(), bytes.data());
    tensor = tensor_from_file(e.type, bytes.data(), e.shape, device);
  }
  return tensors;
}

}  // namespace

StateDict decode_safetensors(std::string_view bytes, const std::string& name, Device& device, Metadata* metadata) {
  const auto read = [&](uint64_t at, uint64_t count, void* to) {
    if (count > 0) std::memcpy(to, bytes.data() + at, count);
  };
  return decode(bytes.size(), read, name, device, metadata, nullptr);
}

StateDict read_safetensors(const std::filesystem::path& file, Device& device, Metadata* metadata,
                           bool (*wanted)(const std::string&)) {
  const InputFile in(file);
  const auto read = [&](uint64_t at, uint64_t count, void* to) { in.read(at, count, to); };
  return decode(in.size(), read, file.string(), device, metadata, wanted);
}

std::string encode_safetensors(const StateDict& tensors, const Metadata& metadata) {
  std::vector<const StateDict::value_type*> order;
  for (const auto& item : tensors) order.push_back(&item);
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [](const auto* item) { return dtype_bytes(item->second.dtype()); });

  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  int64_t data_bytes = 0;
  for (const auto* item : order) {
    const auto& [name, tensor] = *item;
    AZ_CHECK(name != kMetadataKey, "safetensors: a tensor cannot be called {}", kMetadataKey);
    AZ_CHECK(tensor.defined(), "safetensors: tensor {} is undefined", printable(name));
    const auto dims = tensor.shape().dims();
    header[name] = {{"dtype", type_text(tensor.dtype())},
                    {"shape", std::vector<int64_t>(dims.begin(), dims.end())},
                    {"data_offsets", {data_bytes, data_bytes + tensor.bytes()}}};
    data_bytes += tensor.bytes();
  }
  std::string json;
  try {
    json = header.dump();
  } catch (const nlohmann::json::exception&) {
    fail("safetensors: a name or a metadata field is not UTF-8 text");
  }
  json.resize((json.size() + 7) / 8 * 8, ' ');  // so that the data is aligned
  const uint64_t header_bytes = json.size();

  std::string bytes(sizeof(header_bytes), '\0');
  std::memcpy(bytes.data(), &header_bytes, sizeof(header_bytes));
  bytes += json;
  size_t at = bytes.size();
  bytes.resize(at + static_cast<size_t>(data_bytes));
  for (const auto* item : order) {
    const Tensor& tensor = item->second;
    tensor.device().copy_to_host(bytes.data() + at, tensor.raw(), tensor.bytes());
    at += static_cast<size_t>(tensor.bytes());
  }
  return bytes;
}

void write_safetensors(const std::filesystem::path& file, const StateDict& tensors, const Metadata& metadata) {
  write_file(file, encode_safetensors(tensors, metadata));
}

}  // namespace az
