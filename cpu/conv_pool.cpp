#include "cpu/conv_pool.h"

#include <algorithm>

#include "cpu/conv_algorithm.h"
#include "cpu/dnn.h"
#include "tensor/error.h"

namespace az::cpu {

bool conv_max_pool_fits(const CpuDevice& device, const ConvShape& shape, DType maps) {
  return !device.exact() && (maps == DType::f32 || (maps == DType::bf16 && device.bf16_products())) &&
         conv_algorithm(shape, ConvPass::forward, maps, device.winograd()) == ConvAlgorithm::direct;
}

template <class T>
void conv_max_pool(CpuDevice& device, const ConvShape& shape, const PoolShape& pool, const T* x, const float* w,
                   const float* scale, const WeightIdentity& named, const ConvEpilogue& epilogue, T* y,
                   int64_t band_elements) {
  AZ_CHECK(conv_max_pool_fits(device, shape, dtype_of<T>) && !epilogue.residual && pool.h_out >= 1 && pool.w_out >= 1 &&
               pool.images == shape.n && pool.h_in == shape.oh() && pool.w_in == shape.ow() && pool.channels == shape.k,
           "conv2d with max_pool: does not fit {}", conv_geometry(shape));
  WeightIdentity identity = named;
  identity.rounded = std::is_same_v<T, bf16>;
  const int64_t row = shape.ow() * shape.k;
  const math::Windows& windows = pool.windows;
  // Rows of y that a band of that size covers, and the rows they need: those of two bands that follow overlap.
  const int64_t most = std::max<int64_t>((band_elements / row - windows.kernel) / windows.stride + 1, 1);
  const int64_t bands = (pool.h_out + most - 1) / most;
  const int64_t rows = ((pool.h_out + bands - 1) / bands - 1) * windows.stride + windows.kernel;
  const size_t floats = (static_cast<size_t>(rows * row) * sizeof(T) + sizeof(float) - 1) / sizeof(float);
  T* band = reinterpret_cast<T*>(device.dnn().winograd_scratch.reserve(floats));
  for (int64_t image = 0; image < shape.n; ++image) {
    int64_t first = 0, last = 0;  // rows that the band holds
    for (int64_t b = 0; b < bands; ++b) {
      const int64_t begin = pool.h_out * b / bands, end = pool.h_out * (b + 1) / bands;
      const int64_t from = std::max<int64_t>(windows.begin(begin), 0);
      const int64_t to = std::min(windows.begin(end - 1) + windows.kernel, pool.h_in);
      const int64_t kept = std::max<int64_t>(last - from, 0);
      std::copy_n(band + (last - kept - first) * row, kept * row, band);
      if (from + kept < to)
        dnn_conv_forward_rows(device, shape, from + kept, to, x + image * shape.h * shape.w * shape.c, w, scale,
                              identity, epilogue, band + kept * row);
      first = from;
      last = to;
      max_pool_rows(band, first, y + (image * pool.h_out + begin) * pool.w_out * shape.k, begin, end, pool);
    }
  }
}

#define AZ_INSTANTIATE(T)                                                                                              \
  template void conv_max_pool<T>(CpuDevice&, const ConvShape&, const PoolShape&, const T*, const float*, const float*, \
                                 const WeightIdentity&, const ConvEpilogue&, T*, int64_t);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
