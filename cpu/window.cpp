#include "cpu/window.h"

#include <algorithm>

#include "cpu/parallel.h"

namespace az::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements worth a thread

/// Columns [begin, end) of the window that lie on the map.
struct Span {
  int64_t begin, end;
  Span(const math::WindowPlace& place, const math::WindowShape& s)
      : begin(std::clamp<int64_t>(-int64_t{place.left}, 0, s.window_w)),
        end(std::clamp<int64_t>(s.w - place.left, begin, s.window_w)) {}
};

int64_t grain_rows(int64_t row_elements) { return std::max<int64_t>(1, kGrain / std::max<int64_t>(row_elements, 1)); }

}  // namespace

template <class T>
void windows(const T* x, const math::WindowPlaces& places, T* y, const math::WindowShape& s) {
  const int64_t c = s.channels, row_elements = s.window_w * c;
  parallel_for(s.windows * s.window_h, grain_rows(row_elements), [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const math::WindowPlace place = places[r / s.window_h];
      const int64_t row = place.row(r % s.window_h, s.h);
      T* to = y + r * row_elements;
      if (row < 0) {
        std::fill(to, to + row_elements, T(0));
        continue;
      }
      const Span span(place, s);
      const T* from = x + ((place.image * s.h + row) * s.w + place.left) * c;
      std::fill(to, to + span.begin * c, T(0));
      std::copy(from + span.begin * c, from + span.end * c, to + span.begin * c);
      std::fill(to + span.end * c, to + row_elements, T(0));
    }
  });
}

template <class T>
void windows_backward(const T* dy, const math::WindowPlaces& places, T* dx, const math::WindowShape& s) {
  const int64_t c = s.channels, row_elements = s.w * c;
  parallel_for(s.images * s.h, grain_rows(row_elements), [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const int64_t image = r / s.h, row = r % s.h;
      T* to = dx + r * row_elements;
      std::fill(to, to + row_elements, T(0));
      for (int64_t k = 0; k < s.windows; ++k) {
        const math::WindowPlace place = places[k];
        const int64_t i = row - place.top;
        if (place.image != image || i < 0 || i >= s.window_h) continue;
        const Span span(place, s);
        const T* from = dy + (k * s.window_h + i) * s.window_w * c;
        T* at = to + place.left * c;
        for (int64_t e = span.begin * c; e < span.end * c; ++e) at[e] += from[e];
      }
    }
  });
}

#define AZ_INSTANTIATE(T)                                                                     \
  template void windows<T>(const T*, const math::WindowPlaces&, T*, const math::WindowShape&); \
  template void windows_backward<T>(const T*, const math::WindowPlaces&, T*, const math::WindowShape&);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
