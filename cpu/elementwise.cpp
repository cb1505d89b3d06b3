#include "cpu/elementwise.h"

#include "cpu/parallel.h"
#include "cpu/reduce.h"
#include "math/elementwise.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements worth a thread

}  // namespace

// The instruction-set clones must be plain functions, so each loop is spelled out by type.
#define AZ_LOOPS(T)                                                                                      \
  namespace {                                                                                            \
  AZ_SIMD void relu_loop(const T* x, T* y, int64_t count) {                                              \
    for (int64_t i = 0; i < count; ++i) y[i] = T(math::Relu{}.forward(Wide<T>(x[i])));                   \
  }                                                                                                      \
  AZ_SIMD void relu_backward_loop(const T* y, const T* dy, T* dx, int64_t count) {                       \
    for (int64_t i = 0; i < count; ++i) dx[i] = T(math::Relu{}.backward(Wide<T>(y[i]), Wide<T>(dy[i]))); \
  }                                                                                                      \
  AZ_SIMD void scale_loop(const T* x, Wide<T> factor, T* y, int64_t count) {                             \
    for (int64_t i = 0; i < count; ++i) y[i] = T(factor * Wide<T>(x[i]));                                \
  }                                                                                                      \
  }
AZ_LOOPS(float)
AZ_LOOPS(double)
AZ_LOOPS(bf16)
#undef AZ_LOOPS

#define AZ_PRODUCTS(T)                                                                     \
  namespace {                                                                              \
  AZ_SIMD void multiply_loop(const T* a, const T* b, T* y, int64_t count) {                \
    for (int64_t i = 0; i < count; ++i) y[i] = a[i] * b[i];                                \
  }                                                                                        \
  AZ_SIMD void exp_scaled_loop(const T* x, math::ExpScaled<T> body, T* y, int64_t count) { \
    for (int64_t i = 0; i < count; ++i) y[i] = body.forward(x[i]);                         \
  }                                                                                        \
  }
AZ_PRODUCTS(float)
AZ_PRODUCTS(double)
#undef AZ_PRODUCTS

template <class Body, class T>
void map_forward(const T* x, T* y, int64_t count) {
  parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
    if constexpr (std::is_same_v<Body, math::Relu>) {
      relu_loop(x + begin, y + begin, end - begin);
    } else {
      for (int64_t i = begin; i < end; ++i) y[i] = Body{}.forward(x[i]);
    }
  });
}

template <class Body, class T>
void map_backward(const T* saved, const T* dy, T* dx, int64_t count) {
  parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
    if constexpr (std::is_same_v<Body, math::Relu>) {
      relu_backward_loop(saved + begin, dy + begin, dx + begin, end - begin);
    } else {
      for (int64_t i = begin; i < end; ++i) dx[i] = Body{}.backward(saved[i], dy[i]);
    }
  });
}

#define AZ_ADD(T)                                                                         \
  namespace {                                                                             \
  AZ_SIMD void add_loop(const T* a, const T* b, T* y, int64_t count) {                    \
    for (int64_t i = 0; i < count; ++i) y[i] = T(Wide<T>(a[i]) + Wide<T>(b[i]));          \
  }                                                                                       \
  AZ_SIMD void add_cut_loop(const T* a, const T* b, const T* relu, T* y, int64_t count) { \
    for (int64_t i = 0; i < count; ++i)                                                   \
      y[i] = T(math::Relu{}.backward(Wide<T>(relu[i]), Wide<T>(a[i]) + Wide<T>(b[i])));   \
  }                                                                                       \
  }
AZ_ADD(float)
AZ_ADD(double)
AZ_ADD(bf16)
AZ_ADD(f16)
#undef AZ_ADD

#define AZ_CASTS(From, To)                                                                                          \
  namespace {                                                                                                       \
  AZ_SIMD void cast_loop(const From* x, To* y, int64_t count) {                                                     \
    for (int64_t i = 0; i < count; ++i) y[i] = math::cast<To>(x[i]);                                                \
  }                                                                                                                 \
  }                                                                                                                 \
  template <>                                                                                                       \
  void cast(const From* x, To* y, int64_t count) {                                                                  \
    parallel_for(count, kGrain, [&](int64_t begin, int64_t end) { cast_loop(x + begin, y + begin, end - begin); }); \
  }
AZ_CASTS(float, bf16)
AZ_CASTS(bf16, float)
AZ_CASTS(float, double)
AZ_CASTS(double, float)
AZ_CASTS(bf16, double)
AZ_CASTS(double, bf16)
AZ_CASTS(float, f16)
AZ_CASTS(f16, float)
AZ_CASTS(f16, double)
AZ_CASTS(double, f16)
AZ_CASTS(f16, bf16)
AZ_CASTS(bf16, f16)
#undef AZ_CASTS

template <class T>
void add(const T* a, const T* b, T* y, int64_t count) {
  parallel_for(count, kGrain,
               [&](int64_t begin, int64_t end) { add_loop(a + begin, b + begin, y + begin, end - begin); });
}

template <class T>
void add_cut(const T* a, const T* b, const T* relu, T* y, int64_t count) {
  parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
    add_cut_loop(a + begin, b + begin, relu + begin, y + begin, end - begin);
  });
}

template <class T>
void multiply(const T* a, const T* b, T* y, int64_t count) {
  parallel_for(count, kGrain,
               [&](int64_t begin, int64_t end) { multiply_loop(a + begin, b + begin, y + begin, end - begin); });
}

template <class T>
void scale(const T* x, Wide<T> factor, T* y, int64_t count) {
  parallel_for(count, kGrain,
               [&](int64_t begin, int64_t end) { scale_loop(x + begin, factor, y + begin, end - begin); });
}

template <class T>
void scale_channels(const T* x, const T* factor, T* y, int64_t rows, int64_t channels) {
  parallel_for(rows, kGrain / (channels + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) multiply_loop(x + r * channels, factor, y + r * channels, channels);
  });
}

template <class T>
void scale_rows(const T* x, const T* factor, T* y, int64_t rows, int64_t columns) {
  parallel_for(rows, kGrain / (columns + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) scale_loop(x + r * columns, factor[r], y + r * columns, columns);
  });
}

template <class T>
void exp_scaled(const T* x, T s, T limit, T* y, int64_t count) {
  const math::ExpScaled<T> body{s, limit};
  parallel_for(count, kGrain,
               [&](int64_t begin, int64_t end) { exp_scaled_loop(x + begin, body, y + begin, end - begin); });
}

template <class T>
T exp_scaled_backward(const T* x, const T* y, const T* dy, T s, T limit, T* dx, int64_t count) {
  const math::ExpScaled<T> body{s, limit};
  parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) dx[i] = body.inner(x[i], y[i], dy[i]);
  });
  const T ds = dot(dx, x, count);
  scale(dx, s, dx, count);
  return ds;
}

#define AZ_INSTANTIATE(T)                                                        \
  template void map_forward<math::Relu, T>(const T*, T*, int64_t);               \
  template void map_forward<math::Exp, T>(const T*, T*, int64_t);                \
  template void map_forward<math::Sigmoid, T>(const T*, T*, int64_t);            \
  template void map_backward<math::Relu, T>(const T*, const T*, T*, int64_t);    \
  template void map_backward<math::Exp, T>(const T*, const T*, T*, int64_t);     \
  template void map_backward<math::Sigmoid, T>(const T*, const T*, T*, int64_t); \
  template void add<T>(const T*, const T*, T*, int64_t);                         \
  template void add_cut<T>(const T*, const T*, const T*, T*, int64_t);           \
  template void multiply<T>(const T*, const T*, T*, int64_t);                    \
  template void scale<T>(const T*, T, T*, int64_t);                              \
  template void scale_channels<T>(const T*, const T*, T*, int64_t, int64_t);     \
  template void scale_rows<T>(const T*, const T*, T*, int64_t, int64_t);         \
  template void exp_scaled<T>(const T*, T, T, T*, int64_t);                      \
  template T exp_scaled_backward<T>(const T*, const T*, const T*, T, T, T*, int64_t);
template void map_forward<math::Relu, bf16>(const bf16*, bf16*, int64_t);
template void map_backward<math::Relu, bf16>(const bf16*, const bf16*, bf16*, int64_t);
template void scale(const bf16*, float, bf16*, int64_t);
template void add(const bf16*, const bf16*, bf16*, int64_t);
template void add(const f16*, const f16*, f16*, int64_t);
template void add_cut(const bf16*, const bf16*, const bf16*, bf16*, int64_t);
template void add_cut(const f16*, const f16*, const f16*, f16*, int64_t);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
