#include "train/pth_writer.h"

#include <zip.h>

#include <cstring>
#include <memory>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/text.h"

namespace az::train {
namespace {

const char* storage_class(DType dtype) {
  switch (dtype) {
    case DType::f32: return "FloatStorage";
    case DType::bf16: return "BFloat16Storage";
    case DType::f16: return "HalfStorage";
    case DType::f64: return "DoubleStorage";
    case DType::i32: return "IntStorage";
    case DType::i64: return "LongStorage";
    case DType::u8: return "ByteStorage";
  }
  return "?";
}

/// Writes the opcodes of a pickle of protocol 2 (Lib/pickletools.py of CPython has them all).
class PickleWriter {
 public:
  void opcode(char code) { bytes_ += code; }
  void global(const char* module, const char* name) { bytes_ += fmt::format("c{}\n{}\n", module, name); }
  void text(std::string_view text) {
    opcode('X');
    number(static_cast<uint32_t>(text.size()));
    bytes_ += text;
  }
  /// LONG1 of eight bytes: any int64.
  void integer(int64_t value) {
    bytes_ += "\x8a\x08";
    number(value);
  }
  void integers(const std::vector<int64_t>& values) {
    opcode('(');
    for (const int64_t v : values) integer(v);
    opcode('t');
  }
  void empty_ordered_dict() {
    global("collections", "OrderedDict");
    bytes_ += ")R";
  }
  /// torch._utils._rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, backward_hooks)
  void tensor(const Tensor& tensor, const std::string& key) {
    global("torch._utils", "_rebuild_tensor_v2");
    bytes_ += "((";
    text("storage");
    global("torch", storage_class(tensor.dtype()));
    text(key);
    text("cpu");
    integer(tensor.numel());
    bytes_ += "tQ";
    integer(0);
    const auto dims = tensor.shape().dims();
    std::vector<int64_t> strides(dims.size(), 1);
    for (size_t d = dims.size(); d-- > 1;) strides[d - 1] = strides[d] * std::max<int64_t>(dims[d], 1);
    integers({dims.begin(), dims.end()});
    integers(strides);
    opcode('\x89');
    empty_ordered_dict();
    bytes_ += "tR";
  }
  std::string take() { return std::move(bytes_); }

 private:
  template <class T>
  void number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }

  std::string bytes_;
};

std::string pickle_of(const StateDict& state) {
  PickleWriter pickle;
  pickle.opcode('\x80');
  pickle.opcode('\x02');
  pickle.empty_ordered_dict();
  pickle.opcode('(');
  int64_t key = 0;
  for (const auto& [name, tensor] : state) {
    AZ_CHECK(tensor.defined(), "pth: tensor {} is undefined", printable(name));
    pickle.text(name);
    pickle.tensor(tensor, std::to_string(key++));
  }
  pickle.opcode('u');
  pickle.opcode('.');
  return pickle.take();
}

/// A zip archive in memory, nothing compressed.
class ZipWriter {
 public:
  ZipWriter() {
    source_ = zip_source_buffer_create(nullptr, 0, 0, nullptr);
    AZ_CHECK(source_, "pth: out of memory for the zip archive");
    archive_ = zip_open_from_source(source_, ZIP_TRUNCATE, nullptr);
    if (!archive_) zip_source_free(source_);
    AZ_CHECK(archive_, "pth: cannot start a zip archive");
    zip_source_keep(source_);  // the archive gives its own up when it closes
  }
  ~ZipWriter() {
    if (archive_) zip_discard(archive_);
    zip_source_free(source_);
  }
  ZipWriter(const ZipWriter&) = delete;
  ZipWriter& operator=(const ZipWriter&) = delete;

  /// `bytes` must stay until finish().
  void add(const std::string& name, std::string_view bytes) {
    constexpr zip_uint16_t kFirstDay = 1 << 5 | 1;  // 1 January 1980: no clock in the file, equal tensors equal bytes
    zip_source_t* entry = zip_source_buffer(archive_, bytes.data(), bytes.size(), 0);
    const zip_int64_t index = entry ? zip_file_add(archive_, name.c_str(), entry, ZIP_FL_ENC_UTF_8) : -1;
    if (index < 0) zip_source_free(entry);
    const auto at = static_cast<zip_uint64_t>(index);
    AZ_CHECK(index >= 0 && zip_set_file_compression(archive_, at, ZIP_CM_STORE, 0) == 0 &&
                 zip_file_set_dostime(archive_, at, 0, kFirstDay, 0) == 0,
             "pth: cannot add {} to the zip archive: {}", name, zip_strerror(archive_));
  }

  std::string finish() {
    AZ_CHECK(zip_close(archive_) == 0, "pth: cannot write the zip archive: {}", zip_strerror(archive_));
    archive_ = nullptr;
    zip_stat_t info;
    zip_stat_init(&info);
    AZ_CHECK(zip_source_stat(source_, &info) == 0 && zip_source_open(source_) == 0, "pth: cannot finish the archive");
    std::string bytes(info.size, '\0');
    const zip_int64_t count = zip_source_read(source_, bytes.data(), bytes.size());
    zip_source_close(source_);
    AZ_CHECK(count == static_cast<zip_int64_t>(bytes.size()), "pth: cannot finish the archive");
    return bytes;
  }

 private:
  zip_source_t* source_ = nullptr;
  zip_t* archive_ = nullptr;
};

}  // namespace

std::string encode_pth(const StateDict& state) {
  const std::string pickle = pickle_of(state);
  std::vector<std::string> storages;
  for (const auto& [name, tensor] : state) {
    std::string& bytes = storages.emplace_back(static_cast<size_t>(tensor.bytes()), '\0');
    tensor.device().copy_to_host(bytes.data(), tensor.raw(), tensor.bytes());
  }
  ZipWriter zip;
  zip.add("archive/data.pkl", pickle);
  zip.add("archive/byteorder", "little");
  for (size_t i = 0; i < storages.size(); ++i) zip.add(fmt::format("archive/data/{}", i), storages[i]);
  zip.add("archive/version", "3\n");
  return zip.finish();
}

void write_pth(const std::filesystem::path& file, const StateDict& state) { write_file(file, encode_pth(state)); }

}  // namespace az::train
