#include "cpu/resize.h"

#include <algorithm>
#include <vector>

#include "cpu/parallel.h"
#include "tensor/dtype.h"
#include "tensor/simd.h"

// The bodies are templates; each is compiled for every instruction set inside a plain function marked AZ_SIMD.
#define AZ_BODY inline __attribute__((always_inline))

namespace az::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements worth a thread

template <class T>
std::vector<math::LinearTap<T>> taps_of(Resize how, int64_t in, int64_t out) {
  std::vector<math::LinearTap<T>> taps;
  taps.reserve(static_cast<size_t>(out));
  const auto fill = [&](const auto& axis) {
    for (int32_t i = 0; i < axis.out; ++i) taps.push_back(axis.tap(i));
  };
  if (how == Resize::nearest) {
    fill(math::NearestAxis<T>(in, out));
  } else {
    fill(math::LinearAxis<T>(in, out, how == Resize::bilinear_aligned));
  }
  return taps;
}

/// One axis seen from the input: position i gets the sum of weight * dy[output] over terms [begin[i], begin[i + 1]).
template <class T>
struct Gather {
  struct Term {
    int64_t output;
    T weight;
  };
  std::vector<int64_t> begin;
  std::vector<Term> terms;

  Gather(const std::vector<math::LinearTap<T>>& taps, int64_t in) : begin(static_cast<size_t>(in) + 1) {
    const auto each = [&](const auto& f) {
      for (size_t o = 0; o < taps.size(); ++o) {
        if (taps[o].low_weight != T(0)) f(taps[o].low, Term{static_cast<int64_t>(o), taps[o].low_weight});
        if (taps[o].high_weight != T(0)) f(taps[o].high, Term{static_cast<int64_t>(o), taps[o].high_weight});
      }
    };
    each([&](int64_t i, const Term&) { ++begin[static_cast<size_t>(i) + 1]; });
    for (size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
    terms.resize(static_cast<size_t>(begin.back()));
    std::vector<int64_t> next(begin.begin(), begin.end() - 1);
    each([&](int64_t i, const Term& term) { terms[static_cast<size_t>(next[static_cast<size_t>(i)]++)] = term; });
  }
};

/// y += weight * x, or y = weight * x for the first term.
template <class T>
AZ_BODY void accumulate_body(bool first, Wide<T> weight, const T* x, Wide<T>* __restrict y, int64_t count) {
  if (first) {
    for (int64_t i = 0; i < count; ++i) y[i] = weight * Wide<T>(x[i]);
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] += weight * Wide<T>(x[i]);
  }
}

/// One output row from two input rows.
template <class T>
AZ_BODY void bilinear_row_body(const T* top, const T* bottom, const math::LinearTap<Wide<T>>& row,
                               const math::LinearTap<Wide<T>>* columns, T* __restrict y, int64_t w_out, int64_t c) {
  using W = Wide<T>;
  const W top_weight = row.low_weight, bottom_weight = row.high_weight;
  for (int64_t j = 0; j < w_out; ++j, y += c) {
    const W left_weight = columns[j].low_weight, right_weight = columns[j].high_weight;
    const int64_t left = columns[j].low * c, right = columns[j].high * c;
    for (int64_t i = 0; i < c; ++i)
      y[i] = T(top_weight * (left_weight * W(top[left + i]) + right_weight * W(top[right + i])) +
               bottom_weight * (left_weight * W(bottom[left + i]) + right_weight * W(bottom[right + i])));
  }
}

/// Pixels of one input row: sums over the columns of `sums` [w_out, c], which already holds the sum over rows.
template <class T>
AZ_BODY void columns_body(const T* sums, const Gather<T>& columns, T* __restrict dx, int64_t w_in, int64_t c) {
  const auto* terms = columns.terms.data();
  for (int64_t j = 0; j < w_in; ++j, dx += c) {
    const int64_t begin = columns.begin[static_cast<size_t>(j)], end = columns.begin[static_cast<size_t>(j) + 1];
    if (begin == end) std::fill_n(dx, c, T(0));
    for (int64_t t = begin; t < end; ++t)
      accumulate_body(t == begin, terms[t].weight, sums + terms[t].output * c, dx, c);
  }
}

AZ_SIMD void round_loop(const float* x, bf16* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = bf16(x[i]);
}

#define AZ_LOOPS(T)                                                                                    \
  AZ_SIMD void accumulate_loop(bool first, Wide<T> weight, const T* x, Wide<T>* y, int64_t count) {    \
    accumulate_body(first, weight, x, y, count);                                                       \
  }                                                                                                    \
  AZ_SIMD void bilinear_row(const T* top, const T* bottom, const math::LinearTap<Wide<T>>& row,        \
                            const math::LinearTap<Wide<T>>* columns, T* y, int64_t w_out, int64_t c) { \
    bilinear_row_body(top, bottom, row, columns, y, w_out, c);                                         \
  }
AZ_LOOPS(float)
AZ_LOOPS(double)
AZ_LOOPS(bf16)
#undef AZ_LOOPS

#define AZ_COLUMNS(T)                                                                                  \
  AZ_SIMD void columns_loop(const T* sums, const Gather<T>& columns, T* dx, int64_t w_in, int64_t c) { \
    columns_body(sums, columns, dx, w_in, c);                                                          \
  }
AZ_COLUMNS(float)
AZ_COLUMNS(double)
#undef AZ_COLUMNS

/// The row of dx, which is rounded where it is bf16: from sums in float, by way of `wide` [w_in, c].
void columns_loop(const float* sums, const Gather<float>& columns, bf16* dx, int64_t w_in, int64_t c) {
  std::vector<float> wide(static_cast<size_t>(w_in * c));
  columns_loop(sums, columns, wide.data(), w_in, c);
  round_loop(wide.data(), dx, w_in * c);
}

template <class T>
void nearest_row(const T* x, const std::vector<math::LinearTap<Wide<T>>>& columns, T* y, int64_t c) {
  for (size_t j = 0; j < columns.size(); ++j, y += c) std::copy_n(x + columns[j].low * c, c, y);
}

}  // namespace

template <class T>
void resize(Resize how, const T* x, T* y, const ResizeShape& shape) {
  const int64_t c = shape.channels, row_in = shape.w_in * c, row_out = shape.w_out * c;
  const auto rows = taps_of<Wide<T>>(how, shape.h_in, shape.h_out);
  const auto columns = taps_of<Wide<T>>(how, shape.w_in, shape.w_out);
  parallel_for(shape.images * shape.h_out, kGrain / (row_out + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T* image = x + r / shape.h_out * shape.h_in * row_in;
      const int64_t i = r % shape.h_out;
      const math::LinearTap<Wide<T>>& row = rows[static_cast<size_t>(i)];
      T* out = y + r * row_out;
      if (how != Resize::nearest) {
        bilinear_row(image + row.low * row_in, image + row.high * row_in, row, columns.data(), out, shape.w_out, c);
      } else if (r > begin && i > 0 && rows[static_cast<size_t>(i) - 1].low == row.low) {
        std::copy_n(out - row_out, row_out, out);
      } else {
        nearest_row(image + row.low * row_in, columns, out, c);
      }
    }
  });
}

template <class T>
void resize_backward(Resize how, const T* dy, T* dx, const ResizeShape& shape) {
  const int64_t c = shape.channels, row_out = shape.w_out * c;
  const Gather<Wide<T>> rows(taps_of<Wide<T>>(how, shape.h_in, shape.h_out), shape.h_in);
  const Gather<Wide<T>> columns(taps_of<Wide<T>>(how, shape.w_in, shape.w_out), shape.w_in);
  parallel_for(shape.images * shape.h_in, kGrain / (row_out + 1) + 1, [&](int64_t begin, int64_t end) {
    std::vector<Wide<T>> sums(static_cast<size_t>(row_out));
    for (int64_t r = begin; r < end; ++r) {
      const T* image = dy + r / shape.h_in * shape.h_out * row_out;
      const auto i = static_cast<size_t>(r % shape.h_in);
      if (rows.begin[i] == rows.begin[i + 1]) std::fill(sums.begin(), sums.end(), Wide<T>(0));
      for (int64_t t = rows.begin[i]; t < rows.begin[i + 1]; ++t) {
        const auto& term = rows.terms[static_cast<size_t>(t)];
        accumulate_loop(t == rows.begin[i], term.weight, image + term.output * row_out, sums.data(), row_out);
      }
      columns_loop(sums.data(), columns, dx + r * shape.w_in * c, shape.w_in, c);
    }
  });
}

template void resize<float>(Resize, const float*, float*, const ResizeShape&);
template void resize<double>(Resize, const double*, double*, const ResizeShape&);
template void resize<bf16>(Resize, const bf16*, bf16*, const ResizeShape&);
template void resize_backward<float>(Resize, const float*, float*, const ResizeShape&);
template void resize_backward<double>(Resize, const double*, double*, const ResizeShape&);
template void resize_backward<bf16>(Resize, const bf16*, bf16*, const ResizeShape&);

}  // namespace az::cpu
