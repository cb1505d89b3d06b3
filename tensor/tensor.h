// Dense row-major tensors. Images are NHWC. No strided views but a narrow of the first dimension.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace az {

/// What autograd/ keeps with a tensor. Defined there; here only owned.
struct GradMeta {
  virtual ~GradMeta() = default;
};

/// A handle: copies share the storage. A default-constructed tensor is "undefined" and stands for "none".
class Tensor {
 public:
  Tensor() = default;

  /// Uninitialised elements.
  static Tensor empty(const Shape& shape, DType dtype, Device& device);
  static Tensor zeros(const Shape& shape, DType dtype, Device& device);
  static Tensor full(const Shape& shape, double value, DType dtype, Device& device);
  /// A copy of host values. Error: the count differs from the shape's.
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape, Device& device) {
    return from_bytes(values.data(), static_cast<int64_t>(values.size()), shape, dtype_of<T>, device);
  }
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape, Device& device) {
    return from(std::span<const T>(values), shape, device);
  }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int64_t dim(int i) const { return shape_[i]; }
  int rank() const { return shape_.rank(); }
  int64_t numel() const { return shape_.numel(); }
  int64_t bytes() const { return numel() * dtype_bytes(dtype_); }
  DType dtype() const { return dtype_; }
  Device& device() const;

  /// The elements, to read. On a device that is not the host the pointer is for kernels only. Error: another dtype.
  template <class T>
  const T* data() const {
    return static_cast<const T*>(read(dtype_of<T>));
  }
  /// The elements, to write. Raises the storage's version: a gradient that saved the old values will refuse to use
  /// them.
  template <class T>
  T* mutable_data() {
    return static_cast<T*>(write(dtype_of<T>));
  }
  const void* raw() const;
  void* mutable_raw();

  /// A copy of the elements on the host. Error: another dtype.
  template <class T>
  std::vector<T> to_vector() const {
    std::vector<T> values(static_cast<size_t>(numel()));
    read_to_host(values.data(), dtype_of<T>);
    return values;
  }
  /// The only element, as a double. Error: more or fewer than one.
  double item() const;

  /// The same elements under another shape, sharing storage; no gradient (ops::reshape has one). Error: other count.
  Tensor reshaped(const Shape& shape) const;
  /// Rows [begin, begin + count) of the first dimension, sharing storage; no gradient (ops::narrow has one).
  Tensor narrowed(int64_t begin, int64_t count) const;
  Tensor clone() const;     ///< own storage, no gradient
  Tensor detached() const;  ///< same storage, no gradient
  Tensor to(Device& device) const;
  /// Converted on the host. Values that an integer cannot hold are clamped; NaN becomes 0.
  Tensor to(DType dtype) const;
  /// Copies another tensor's elements in. Error: other shape or dtype.
  void copy_from(const Tensor& other);

  /// How often the storage was written to.
  uint64_t version() const;
  bool shares_storage_with(const Tensor& other) const { return storage_ == other.storage_; }
  /// Whether this is the only tensor of its storage: an op that took it by value may then write its result there.
  bool is_only_owner() const { return storage_.use_count() == 1; }
  /// An identity of the storage that is never used twice in a process (for caches of packed weights).
  uint64_t storage_id() const;

  std::string str() const;  ///< "f32 [2, 64, 80, 256] cpu"

  const std::shared_ptr<GradMeta>& grad_meta() const { return grad_meta_; }
  void set_grad_meta(std::shared_ptr<GradMeta> meta) { grad_meta_ = std::move(meta); }

 private:
  struct Storage;
  static Tensor from_bytes(const void* values, int64_t count, const Shape& shape, DType dtype, Device& device);
  const void* read(DType wanted) const;
  void* write(DType wanted);
  void read_to_host(void* to, DType wanted) const;

  std::shared_ptr<Storage> storage_;
  int64_t offset_ = 0;  // in elements
  Shape shape_;
  DType dtype_ = DType::f32;
  std::shared_ptr<GradMeta> grad_meta_;
};

}  // namespace az
