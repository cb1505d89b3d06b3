// Stand-ins for cuDNN and cuBLAS on the emulated device: the CPU's convolution and matrix product, queued on the
// emulated stream, so that a captured graph replays them. bf16 and f16 are widened, computed in f32 and rounded once;
// f64, and all of an exact device, is the plain loops with double sums.
#include "cuda/library.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "cpu/conv.h"
#include "cpu/matmul.h"
#include "cuda/emulator/runtime.h"

namespace az::cuda {
namespace {

/// Values as the host computes with them: the array itself, or bf16 or f16 widened.
template <class T>
class Wider {
 public:
  Wider(const T* values, int64_t count) : values_(values) {
    if constexpr (kCopies) {
      if (values) copy_.resize(static_cast<size_t>(count));
      std::transform(values, values + copy_.size(), copy_.begin(), [](T v) { return static_cast<float>(v); });
    }
  }
  const Wide<T>* get() const {
    if constexpr (kCopies) return values_ ? copy_.data() : nullptr;
    if constexpr (!kCopies) return values_;
  }

 private:
  static constexpr bool kCopies = is_half_type<T>;
  const T* values_;
  std::vector<Wide<T>> copy_;
};

/// Where the host writes: the array itself, or a buffer that is rounded into it at the end of the scope.
template <class T>
class Rounded {
 public:
  Rounded(T* values, int64_t count) : values_(values) {
    if constexpr (kCopies) copy_.resize(static_cast<size_t>(count));
  }
  ~Rounded() {
    if constexpr (kCopies) std::transform(copy_.begin(), copy_.end(), values_, [](float v) { return T(v); });
  }
  Rounded(const Rounded&) = delete;
  Rounded& operator=(const Rounded&) = delete;
  Wide<T>* get() {
    if constexpr (kCopies) return copy_.data();
    if constexpr (!kCopies) return values_;
  }

 private:
  static constexpr bool kCopies = is_half_type<T>;
  T* values_;
  std::vector<Wide<T>> copy_;
};

}  // namespace

struct Library::Parts {
  Stream& stream;
  cpu::CpuDevice host;
  bool tf32 = false;  // kept to be asked for: the host has no such products

  Parts(Stream& s, bool exact) : stream(s), host(exact) {}
};

Library::Library(Stream& stream, Allocator&, bool exact) : parts_(std::make_unique<Parts>(stream, exact)) {}
Library::~Library() = default;

template <class T>
void Library::conv_forward(const ConvShape& shape, const T* x, const T* w, const ConvAfter<T>& after, T* y) {
  emulator::enqueue(parts_->stream, "conv_forward", [parts = parts_.get(), shape, x, w, after, y] {
    const Wider<T> from(x, shape.x_count()), weights(w, shape.w_count()), residual(after.residual, shape.y_count());
    Rounded<T> to(y, shape.y_count());
    const cpu::ConvEpilogue epilogue{after.bias, residual.get(), after.relu};
    if constexpr (!std::is_same_v<T, double>)
      if (!parts->host.exact())
        return cpu::conv_forward(parts->host, shape, from.get(), weights.get(), nullptr, {}, epilogue, to.get());
    cpu::conv_forward_plain<Wide<T>>(shape, from.get(), weights.get(), nullptr, epilogue, to.get());
  });
}

template <class T>
void Library::conv_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx) {
  emulator::enqueue(parts_->stream, "conv_backward_data", [parts = parts_.get(), shape, dy, w, dx] {
    const Wider<T> from(dy, shape.y_count()), weights(w, shape.w_count());
    Rounded<T> to(dx, shape.x_count());
    if constexpr (!std::is_same_v<T, double>)
      if (!parts->host.exact())
        return cpu::conv_backward_data(parts->host, shape, from.get(), weights.get(), nullptr, {}, to.get());
    cpu::conv_backward_data_plain<Wide<T>>(shape, from.get(), weights.get(), nullptr, to.get());
  });
}

template <class T>
void Library::conv_backward_weights(const ConvShape& shape, const T* x, const T* dy, Wide<T>* dw) {
  emulator::enqueue(parts_->stream, "conv_backward_weights", [parts = parts_.get(), shape, x, dy, dw] {
    const Wider<T> from(x, shape.x_count()), gradient(dy, shape.y_count());
    if constexpr (!std::is_same_v<T, double>)
      if (!parts->host.exact()) return cpu::conv_backward_weights(parts->host, shape, from.get(), gradient.get(), dw);
    cpu::conv_backward_weights_plain<Wide<T>>(shape, from.get(), gradient.get(), dw);
  });
}

template <class T>
void Library::matmul(const MatmulShape& shape, const T* a, const T* b, T* y) {
  emulator::enqueue(parts_->stream, "matmul", [parts = parts_.get(), shape, a, b, y] {
    const Wider<T> left(a, shape.batch * shape.m * shape.k), right(b, shape.batch * shape.k * shape.n);
    Rounded<T> to(y, shape.batch * shape.m * shape.n);
    if constexpr (!std::is_same_v<T, double>)
      if (!parts->host.exact()) return cpu::matmul(parts->host, shape, left.get(), right.get(), to.get());
    cpu::matmul_plain<Wide<T>>(shape, left.get(), right.get(), to.get());
  });
}

void Library::allow_tf32(bool allowed) { parts_->tf32 = allowed && !parts_->host.exact(); }
bool Library::tf32() const { return parts_->tf32; }
// Nothing to choose: oneDNN chooses for itself.
void Library::tune(bool) {}
void Library::save_plans(const std::string&) const {}
void Library::load_plans(const std::string&) {}

#define AZ_INSTANTIATE(T)                                                                             \
  template void Library::conv_forward(const ConvShape&, const T*, const T*, const ConvAfter<T>&, T*); \
  template void Library::conv_backward_data(const ConvShape&, const T*, const T*, T*);                \
  template void Library::conv_backward_weights(const ConvShape&, const T*, const T*, Wide<T>*);       \
  template void Library::matmul(const MatmulShape&, const T*, const T*, T*);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
AZ_INSTANTIATE(f16)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
