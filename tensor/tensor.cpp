#include "tensor/tensor.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "tensor/error.h"

namespace az {

namespace {

template <class To, class From>
To convert(From value) {
  if constexpr (is_half_type<To>) {
    return To(convert<float>(value));
  } else if constexpr (is_half_type<From>) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    if (std::isnan(value)) return 0;
    // 2^63 is not representable one below, so compare with the power itself.
    if (value >= static_cast<From>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
    if (value <= static_cast<From>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    return static_cast<To>(value);
  } else if constexpr (std::is_integral_v<To>) {
    return static_cast<To>(std::clamp<int64_t>(value, static_cast<int64_t>(std::numeric_limits<To>::min()),
                                               static_cast<int64_t>(std::numeric_limits<To>::max())));
  } else {
    return static_cast<To>(value);
  }
}

template <class F>
auto with_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32: return f(float{});
    case DType::bf16: return f(bf16{});
    case DType::f16: return f(f16{});
    case DType::f64: return f(double{});
    case DType::i32: return f(int32_t{});
    case DType::i64: return f(int64_t{});
    case DType::u8: return f(uint8_t{});
  }
  fail("tensor: unknown dtype {}", static_cast<int>(dtype));
}

}  // namespace

struct Tensor::Storage {
  Storage(int64_t bytes, Device& on) : device(on), block(on.allocator().allocate(std::max<int64_t>(bytes, 1))) {
    static std::atomic<uint64_t> count{0};
    id = ++count;
  }
  ~Storage() { device.allocator().release(block); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Device& device;
  void* block;
  uint64_t version = 0;
  uint64_t id = 0;
};

Tensor Tensor::empty(const Shape& shape, DType dtype, Device& device) {
  constexpr int64_t kMostElements = int64_t{1} << 56;  // so that bytes, rounded up, are counted too
  AZ_CHECK(shape.numel() <= kMostElements, "tensor: {} has more elements than any memory", shape.str());
  Tensor t;
  t.shape_ = shape;
  t.dtype_ = dtype;
  t.storage_ = std::make_shared<Storage>(t.bytes(), device);
  return t;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device& device) {
  Tensor t = empty(shape, dtype, device);
  device.fill_zero(t.mutable_raw(), t.bytes());
  return t;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device& device) {
  Tensor t = empty(shape, dtype, device);
  with_type(dtype, [&](auto element) {
    element = convert<decltype(element)>(value);
    device.fill(t.mutable_raw(), &element, sizeof element, t.numel());
  });
  return t;
}

Tensor Tensor::from_bytes(const void* values, int64_t count, const Shape& shape, DType dtype, Device& device) {
  AZ_CHECK(count == shape.numel(), "tensor: {} values for shape {}, which has {}", count, shape.str(), shape.numel());
  Tensor t = empty(shape, dtype, device);
  device.copy_from_host(t.mutable_raw(), values, t.bytes());
  return t;
}

Device& Tensor::device() const {
  AZ_CHECK(defined(), "tensor: an undefined tensor has no device");
  return storage_->device;
}

const void* Tensor::raw() const {
  AZ_CHECK(defined(), "tensor: an undefined tensor has no elements");
  return static_cast<const char*>(storage_->block) + offset_ * dtype_bytes(dtype_);
}

void* Tensor::mutable_raw() {
  AZ_CHECK(defined(), "tensor: an undefined tensor has no elements");
  ++storage_->version;
  return static_cast<char*>(storage_->block) + offset_ * dtype_bytes(dtype_);
}

const void* Tensor::read(DType wanted) const {
  AZ_CHECK(dtype_ == wanted, "tensor: {} read as {}", str(), dtype_name(wanted));
  return raw();
}

void* Tensor::write(DType wanted) {
  AZ_CHECK(dtype_ == wanted, "tensor: {} written as {}", str(), dtype_name(wanted));
  return mutable_raw();
}

void Tensor::read_to_host(void* to, DType wanted) const { storage_->device.copy_to_host(to, read(wanted), bytes()); }

double Tensor::item() const {
  AZ_CHECK(defined() && numel() == 1, "tensor: item() wants one element, {} has {}", str(), defined() ? numel() : 0);
  return to(DType::f64).to_vector<double>()[0];
}

Tensor Tensor::reshaped(const Shape& shape) const {
  AZ_CHECK(shape.numel() == numel(), "reshape: {} has {} elements, {} has {}", str(), numel(), shape.str(),
           shape.numel());
  Tensor t = detached();
  t.shape_ = shape;
  return t;
}

Tensor Tensor::narrowed(int64_t begin, int64_t count) const {
  AZ_CHECK(rank() >= 1 && begin >= 0 && count >= 0 && begin <= dim(0) - count,
           "narrow: rows {} to {} of {}, which has {}", begin, begin + count, str(), rank() ? dim(0) : 0);
  std::vector<int64_t> dims(shape_.dims().begin(), shape_.dims().end());
  const int64_t row = dims[0] ? numel() / dims[0] : 0;
  dims[0] = count;
  Tensor t = detached();
  t.shape_ = Shape(dims);
  t.offset_ += begin * row;
  return t;
}

Tensor Tensor::clone() const {
  Tensor t = empty(shape_, dtype_, device());
  device().copy(t.mutable_raw(), raw(), bytes());
  return t;
}

Tensor Tensor::detached() const {
  Tensor t = *this;
  t.grad_meta_.reset();
  return t;
}

Tensor Tensor::to(Device& device) const {
  if (&device == &this->device()) return detached();
  std::vector<char> host(static_cast<size_t>(bytes()));
  this->device().copy_to_host(host.data(), raw(), bytes());
  Tensor t = empty(shape_, dtype_, device);
  device.copy_from_host(t.mutable_raw(), host.data(), bytes());
  return t;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return detached();
  return with_type(dtype_, [&](auto from) {
    const auto source = to_vector<decltype(from)>();
    return with_type(dtype, [&](auto to) {
      using To = decltype(to);
      std::vector<To> values(source.size());
      std::ranges::transform(source, values.begin(), [](auto v) { return convert<To>(v); });
      return Tensor::from(values, shape_, device());
    });
  });
}

void Tensor::copy_from(const Tensor& other) {
  AZ_CHECK(shape_ == other.shape_ && dtype_ == other.dtype_, "copy_from: {} into {}", other.str(), str());
  if (&device() == &other.device()) {
    device().copy(mutable_raw(), other.raw(), bytes());
  } else {
    const Tensor moved = other.to(device());
    device().copy(mutable_raw(), moved.raw(), bytes());
  }
}

uint64_t Tensor::version() const { return defined() ? storage_->version : 0; }

uint64_t Tensor::storage_id() const { return defined() ? storage_->id : 0; }

std::string Tensor::str() const {
  if (!defined()) return "undefined";
  return fmt::format("{} {} {}", dtype_name(dtype_), shape_.str(), storage_->device.name());
}

}  // namespace az
