// Layouts: torch/serialization.py, _save and _legacy_save, as of PyTorch 2.15 and 1.13.
#include "train/pth_container.h"

#include <zip.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "tensor/error.h"
#include "tensor/text.h"

namespace az::train {

using Kind = PickleValue::Kind;

namespace {

struct StorageClass {
  std::string_view name;
  std::optional<FileType> type;
  int64_t element_bytes;
};

constexpr StorageClass kStorageClasses[] = {
    {"FloatStorage", FileType::f32, 4},         {"DoubleStorage", FileType::f64, 8},
    {"HalfStorage", FileType::f16, 2},          {"BFloat16Storage", FileType::bf16, 2},
    {"LongStorage", FileType::i64, 8},          {"IntStorage", FileType::i32, 4},
    {"ShortStorage", FileType::i16, 2},         {"CharStorage", FileType::i8, 1},
    {"ByteStorage", FileType::u8, 1},           {"BoolStorage", FileType::boolean, 1},
    {"UntypedStorage", std::nullopt, 1},        {"ComplexFloatStorage", std::nullopt, 8},
    {"ComplexDoubleStorage", std::nullopt, 16}, {"QInt8Storage", std::nullopt, 1},
    {"QUInt8Storage", std::nullopt, 1},         {"QInt32Storage", std::nullopt, 4}};

struct ZipClose {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct ZipEntryClose {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};

/// data.pkl, data/KEY for each storage, byteorder; all below one folder, nothing compressed.
class ZipContainer final : public PthContainer {
 public:
  ZipContainer(std::string_view bytes, const std::string& file) : file_(file), bytes_left_(bytes.size()) {
    open(bytes);
    list_entries();
    const std::string folder = find_folder();
    AZ_CHECK(!entries_.contains(folder + "constants.pkl"),
             "{}: a TorchScript archive, not a checkpoint; in Python, torch.save(module.state_dict(), ...)", file_);
    if (entries_.contains(folder + "byteorder"))
      AZ_CHECK(read(folder + "byteorder") == "little", "{}: written on a big-endian machine", file_);
    pickle_bytes_ = read(folder + "data.pkl");
    pickle_ = std::make_unique<Pickle>(pickle_bytes_, file_ + ": data.pkl");
    storage_folder_ = folder + "data/";
  }

  const Pickle& pickle() const override { return *pickle_; }

  std::string_view storage(std::string_view key) override {
    const auto found = storages_.find(key);
    if (found != storages_.end()) return found->second;
    return storages_[std::string(key)] = read(storage_folder_ + std::string(key));
  }

 private:
  void open(std::string_view bytes) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
    if (source) archive_.reset(zip_open_from_source(source, ZIP_RDONLY, &error));
    const std::string text = archive_ ? "" : zip_error_strerror(&error);
    zip_error_fini(&error);
    if (archive_) return;
    if (source) zip_source_free(source);
    fail("{}: a damaged zip archive ({}); the file may be cut short", file_, text);
  }

  void list_entries() {
    const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
    for (zip_int64_t i = 0; i < count; ++i) {
      const char* name = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
      AZ_CHECK(name, "{}: the zip archive's entry {} has no name", file_, i);
      const bool fresh = entries_.emplace(name, static_cast<zip_uint64_t>(i)).second;
      AZ_CHECK(fresh, "{}: the zip archive has entry {} twice", file_, printable(name));
    }
  }

  /// "NAME/": the folder that holds data.pkl.
  std::string find_folder() const {
    for (const auto& [name, index] : entries_) {
      const size_t slash = name.find('/');
      if (slash != std::string::npos && name.substr(slash) == "/data.pkl") return name.substr(0, slash + 1);
    }
    fail("{}: a zip archive without data.pkl; it is not a PyTorch checkpoint", file_);
  }

  std::string read(const std::string& name) {
    const auto found = entries_.find(name);
    AZ_CHECK(found != entries_.end(), "{}: the zip archive has no entry {}", file_, printable(name));
    zip_stat_t info;
    zip_stat_init(&info);
    const int failed = zip_stat_index(archive_.get(), found->second, 0, &info);
    AZ_CHECK(!failed, "{}: entry {} cannot be read: {}", file_, printable(name), zip_strerror(archive_.get()));
    AZ_CHECK(info.comp_method == ZIP_CM_STORE && info.encryption_method == ZIP_EM_NONE && info.comp_size == info.size,
             "{}: entry {} is compressed, which PyTorch never does; write the file anew", file_, printable(name));
    // Entries that lie over each other could ask for many times the file's size.
    AZ_CHECK(info.size <= bytes_left_, "{}: entry {} has {} bytes, more than the file has left", file_, printable(name),
             info.size);
    bytes_left_ -= info.size;
    return read_stored(name, found->second, info.size);
  }

  std::string read_stored(const std::string& name, zip_uint64_t index, zip_uint64_t size) const {
    const std::unique_ptr<zip_file_t, ZipEntryClose> entry(zip_fopen_index(archive_.get(), index, 0));
    AZ_CHECK(entry, "{}: entry {} cannot be read: {}", file_, printable(name), zip_strerror(archive_.get()));
    std::string bytes(size, '\0');
    size_t done = 0;
    // One read more than the bytes need: only at the end does libzip compare the checksum.
    for (char extra = 0;;) {
      const bool full = done == bytes.size();
      const zip_int64_t count =
          full ? zip_fread(entry.get(), &extra, 1) : zip_fread(entry.get(), bytes.data() + done, bytes.size() - done);
      AZ_CHECK(count >= 0, "{}: entry {} is damaged: {}", file_, printable(name), zip_file_strerror(entry.get()));
      if (full && count == 0) return bytes;
      AZ_CHECK(!full && count > 0, "{}: entry {} does not have the {} bytes that the archive says", file_,
               printable(name), size);
      done += static_cast<size_t>(count);
    }
  }

  std::string file_;
  uint64_t bytes_left_;
  std::unique_ptr<zip_t, ZipClose> archive_;
  std::map<std::string, zip_uint64_t> entries_;
  std::string pickle_bytes_;
  std::string storage_folder_;
  std::unique_ptr<Pickle> pickle_;
  std::map<std::string, std::string, std::less<>> storages_;
};

/// Pickles of a magic number, a protocol number, the writer's system, the object and the storages' keys in order; then
/// for each storage a count of elements and the elements.
class LegacyContainer final : public PthContainer {
 public:
  LegacyContainer(std::string_view bytes, const std::string& file) : file_(file), bytes_(bytes) {
    next_pickle("magic number");
    const auto protocol = next_pickle("protocol number");
    AZ_CHECK(protocol->root().is(Kind::integer) && protocol->root().integer == 1001,
             "{}: another protocol than 1001, PyTorch's only one", file_);
    const auto system = next_pickle("system record");
    const PickleValue* little = system->root().find("little_endian");
    AZ_CHECK(little && little->is(Kind::boolean) && little->integer == 1, "{}: written on a big-endian machine", file_);
    pickle_ = next_pickle("object");
    const auto keys = next_pickle("list of storages");
    for (size_t i = 0; i < keys->root().item_count(); ++i) add_storage(*keys->root().item(i));
    AZ_CHECK(at_ == bytes_.size(), "{}: {} bytes after the last storage belong to none", file_, bytes_.size() - at_);
  }

  const Pickle& pickle() const override { return *pickle_; }

  std::string_view storage(std::string_view key) override {
    const auto found = storages_.find(key);
    AZ_CHECK(found != storages_.end(), "{}: there is no storage {}", file_, printable(key));
    return found->second;
  }

 private:
  std::unique_ptr<Pickle> next_pickle(const char* what) {
    auto pickle = std::make_unique<Pickle>(bytes_.substr(at_), fmt::format("{}: {} at byte {}", file_, what, at_));
    at_ += pickle->size();
    return pickle;
  }

  void add_storage(const PickleValue& key) {
    AZ_CHECK(key.is(Kind::text) && !storages_.contains(key.text), "{}: the list of storages is broken", file_);
    const int64_t element_bytes = bytes_of_element(key.text);
    int64_t count = 0;
    AZ_CHECK(bytes_.size() - at_ >= sizeof(count), "{}: ends before storage {}; the file is cut short", file_,
             printable(key.text));
    std::memcpy(&count, bytes_.data() + at_, sizeof(count));
    at_ += sizeof(count);
    const auto left = static_cast<int64_t>(bytes_.size() - at_);
    AZ_CHECK(count >= 0 && count <= left / element_bytes,
             "{}: storage {} at byte {} has {} elements of {} bytes, but "
             "{} bytes are left; the file is cut short",
             file_, printable(key.text), at_, count, element_bytes, left);
    const auto size = static_cast<size_t>(count * element_bytes);
    storages_.emplace(key.text, bytes_.substr(at_, size));
    at_ += size;
  }

  /// Only the object's pickle says what a storage's elements are.
  int64_t bytes_of_element(std::string_view key) {
    if (element_bytes_.empty())
      for (const PickleValue* persistent : pickle_->persistents()) {
        const StorageRef ref = parse_storage(*persistent, file_);
        const auto [known, fresh] = element_bytes_.emplace(ref.key, ref.element_bytes);
        AZ_CHECK(known->second == ref.element_bytes, "{}: storage {} has elements of two sizes", file_,
                 printable(ref.key));
      }
    const auto found = element_bytes_.find(key);
    AZ_CHECK(found != element_bytes_.end(), "{}: no tensor tells what storage {} holds", file_, printable(key));
    return found->second;
  }

  std::string file_;
  std::string_view bytes_;
  size_t at_ = 0;
  std::unique_ptr<Pickle> pickle_;
  std::map<std::string_view, int64_t> element_bytes_;
  std::map<std::string, std::string_view, std::less<>> storages_;
};

}  // namespace

StorageRef parse_storage(const PickleValue& persistent, const std::string& file) {
  const PickleValue* id = persistent.item(0);
  AZ_CHECK(id && id->item_count() >= 5 && id->item(0)->is(Kind::text) && id->item(0)->text == "storage" &&
               id->item(1)->is(Kind::global) && id->item(2)->is(Kind::text),
           "{}: the pickle refers to a storage in an unknown way", file);
  const std::string_view name = id->item(1)->text;
  const auto* known = std::ranges::find(kStorageClasses, name, &StorageClass::name);
  AZ_CHECK(known != std::end(kStorageClasses), "{}: storages of class {} are not supported", file, printable(name));
  StorageRef ref{name, known->type, known->element_bytes, id->item(2)->text, 0};
  // A view: (its own key, offset in elements, elements).
  if (const PickleValue* view = id->item(5); view && !view->is(Kind::none)) {
    AZ_CHECK(view->item_count() == 3 && view->item(1)->is(Kind::integer) && view->item(1)->integer >= 0,
             "{}: storage {} is a view of unknown form", file, printable(ref.key));
    ref.offset = view->item(1)->integer;
  }
  return ref;
}

std::unique_ptr<PthContainer> open_pth(std::string_view bytes, const std::string& file) {
  // The pickle of 0x1950a86a20f9469cfc6c.
  constexpr std::string_view kLegacyMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  if (bytes.starts_with("PK")) return std::make_unique<ZipContainer>(bytes, file);
  AZ_CHECK(bytes.starts_with(kLegacyMagic), "{}: not a PyTorch checkpoint: neither a zip archive nor the older layout",
           file);
  return std::make_unique<LegacyContainer>(bytes, file);
}

}  // namespace az::train
