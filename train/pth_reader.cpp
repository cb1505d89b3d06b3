#include "train/pth_reader.h"

#include <algorithm>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/text.h"
#include "train/pth_container.h"

namespace az::train {

using Kind = PickleValue::Kind;

namespace {

/// Strided tensors can repeat elements: more than this many times the file, and it means to fill the memory.
constexpr int64_t kMostGrowth = 16;
constexpr int64_t kGrowthAllowance_bytes = int64_t{64} << 20;

bool is_tensor(const PickleValue& value) {
  const PickleValue* callable = value.is(Kind::object) ? value.item(0) : nullptr;
  return callable && callable->is(Kind::global) && callable->module == "torch._utils" &&
         callable->text.starts_with("_rebuild_");
}

/// A tensor as the pickle describes it, in elements of its storage.
struct Layout {
  std::vector<int64_t> sizes, strides;
  int64_t offset = 0;

  bool is_dense() const {
    int64_t expected = 1;
    for (size_t d = sizes.size(); d-- > 0; expected *= sizes[d])
      if (sizes[d] != 1 && strides[d] != expected) return false;
    return true;
  }
};

/// Builds the tensors of one checkpoint.
class TensorBuilder {
 public:
  TensorBuilder(PthContainer& container, std::string_view bytes, const std::string& file, Device& device)
      : container_(container),
        file_(file),
        device_(device),
        bytes_left_(kGrowthAllowance_bytes + kMostGrowth * static_cast<int64_t>(bytes.size())) {}

  Tensor build(const PickleValue& value, std::string_view name) {
    name_ = name;
    const PickleValue* tensor = &value;
    if (tensor->item(0)->text.starts_with("_rebuild_parameter")) {  // Parameter(tensor, ...)
      tensor = tensor->item(1)->item(0);
      check(tensor && is_tensor(*tensor), "a parameter of something else than a tensor");
    }
    const std::string_view rebuild = tensor->item(0)->text;
    check(rebuild == "_rebuild_tensor_v2" || rebuild == "_rebuild_tensor", "tensors of this kind are not supported");
    const PickleValue& arguments = *tensor->item(1);
    check(arguments.item_count() >= 4 && arguments.item(0)->is(Kind::persistent) &&
              arguments.item(1)->is(Kind::integer) && arguments.item(1)->integer >= 0,
          "the pickle describes it in an unknown way");
    const StorageRef storage = parse_storage(*arguments.item(0), file_);
    check(storage.type.has_value(), "its elements are of a type that is not supported");
    Layout layout{numbers(*arguments.item(2)), numbers(*arguments.item(3)), 0};
    check(!__builtin_add_overflow(storage.offset, arguments.item(1)->integer, &layout.offset),
          "it starts outside its storage");
    return gather(*storage.type, container_.storage(storage.key), layout);
  }

 private:
  void check(bool ok, const char* what) const { AZ_CHECK(ok, "{}: tensor {}: {}", file_, printable(name_), what); }

  std::vector<int64_t> numbers(const PickleValue& list) const {
    check(list.is(Kind::sequence) && list.item_count() <= Shape::kMaxRank, "more dimensions than are supported");
    std::vector<int64_t> values;
    for (size_t i = 0; i < list.item_count(); ++i) {
      check(list.item(i)->is(Kind::integer) && list.item(i)->integer >= 0, "a size or stride is not a whole number");
      values.push_back(list.item(i)->integer);
    }
    return values;
  }

  /// The number of elements, checked: countable, inside the storage, and not more than the file can mean.
  int64_t checked_count(const Layout& layout, FileType type, int64_t available) {
    check(layout.sizes.size() == layout.strides.size(), "as many strides as sizes are wanted");
    int64_t count = 1;
    int64_t last = layout.offset;
    bool overflow = false;
    const bool is_empty = std::ranges::find(layout.sizes, 0) != layout.sizes.end();
    for (size_t d = 0; d < layout.sizes.size(); ++d) {
      overflow |= __builtin_mul_overflow(count, layout.sizes[d], &count);
      int64_t reach = 0;
      overflow |= !is_empty && __builtin_mul_overflow(layout.sizes[d] - 1, layout.strides[d], &reach);
      overflow |= __builtin_add_overflow(last, reach, &last);
    }
    check(!overflow, "its shape has more elements than can be counted");
    check(is_empty || last < available, "it reaches past the end of its storage; the file is damaged or cut short");
    const int64_t element_bytes = std::max(dtype_bytes(tensor_dtype(type)), file_type_bytes(type));
    check(count <= bytes_left_ / element_bytes, "it asks for more memory than a file of this size can mean");
    bytes_left_ -= count * element_bytes;
    return count;
  }

  Tensor gather(FileType type, std::string_view storage, Layout layout) {
    const int64_t size = file_type_bytes(type);
    const int64_t count = checked_count(layout, type, static_cast<int64_t>(storage.size()) / size);
    for (size_t d = 0; d < layout.sizes.size(); ++d)
      if (layout.sizes[d] == 1) layout.strides[d] = 0;  // unused, and may be anything
    const Shape shape(layout.sizes);
    if (count == 0) return Tensor::empty(shape, tensor_dtype(type), device_);
    const char* first = storage.data() + layout.offset * size;
    if (layout.is_dense()) return tensor_from_file(type, first, shape, device_);
    std::string packed(static_cast<size_t>(count * size), '\0');
    std::vector<int64_t> index(layout.sizes.size(), 0);
    int64_t at = 0;
    for (char* out = packed.data(); out != packed.data() + packed.size(); out += size) {
      std::copy_n(first + at * size, size, out);
      // The next index, the last dimension fastest.
      for (size_t d = index.size(); d-- > 0;) {
        at += layout.strides[d];
        if (++index[d] < layout.sizes[d]) break;
        at -= layout.strides[d] * layout.sizes[d];
        index[d] = 0;
      }
    }
    return tensor_from_file(type, packed.data(), shape, device_);
  }

  PthContainer& container_;
  const std::string& file_;
  Device& device_;
  int64_t bytes_left_;
  std::string_view name_;
};

bool has_tensors(const PickleValue& value) {
  return value.parts && std::ranges::any_of(value.parts->entries, [](const auto& e) { return is_tensor(*e.second); });
}

/// Where the checkpoint keeps its tensors.
const PickleValue& find_state(const PickleValue& root, const std::string& file) {
  for (const std::string_view key : {"state_dict", "model", "model_state_dict", "net"}) {
    const PickleValue* value = root.find(key);
    if (value && has_tensors(*value)) return *value;
  }
  if (has_tensors(root)) return root;
  const PickleValue* callable = root.is(Kind::object) ? root.item(0) : nullptr;
  if (callable && callable->is(Kind::global))
    fail("{}: a Python object of class {}, not a state dict; in Python, torch.save(module.state_dict(), ...)", file,
         printable(callable->text));
  fail("{}: no tensors at the top level nor under state_dict, model, model_state_dict or net", file);
}

}  // namespace

StateDict decode_pth(std::string_view bytes, const std::string& name, Device& device) {
  const auto container = open_pth(bytes, name);
  TensorBuilder builder(*container, bytes, name, device);
  StateDict state;
  for (const auto& [key, value] : find_state(container->pickle().root(), name).parts->entries) {
    if (!key->is(Kind::text) || !is_tensor(*value)) continue;
    std::string_view tensor_name = key->text;
    if (tensor_name.starts_with("module.")) tensor_name.remove_prefix(7);
    const bool fresh = !state.contains(std::string(tensor_name));
    AZ_CHECK(fresh, "{}: tensor {} comes twice", name, printable(tensor_name));
    state[std::string(tensor_name)] = builder.build(*value, tensor_name);
  }
  return state;
}

StateDict read_pth(const std::filesystem::path& file, Device& device) {
  return decode_pth(read_file(file), file.string(), device);
}

}  // namespace az::train
