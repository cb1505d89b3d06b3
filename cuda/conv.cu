// Around the library's convolution: weights in, bias and activation after.
//
//   kernel        computes                               bytes an element        flops
//   pack_weights  packed[i][j] = T(w[i][j] * scale[i])   4 + 2 (half), 8 (f32)   1
//   bias_act      y = relu(y + bias + residual)          4 or 6 (half)           3
//
// pack_weights: w is an output channel's row of r s c/g weights; the folded norm's scale of that channel is multiplied
// in f32 and the product rounded once. Block x takes row x (all rows are one where there is no scale), block y a part
// of it, as cuda/map.cuh. The same with float and in place scales the weights' gradient. bias_act: a block takes a band
// of rows, its threads in x a pack of 16 bytes of channels each, so that a thread's bias stays in registers:
//
//     channels   |0 .. 7|8 .. 15| ...     bf16, k = 64: 8 threads in x, 32 in y
//     row 0         t0      t1
//     row 1         t8      t9
//
// Limit: memory. Deterministic: every element is computed alone.
// Ladder of bias_act at [243200, 256] bf16, share of the copy bandwidth (not measured: no GPU yet):
//   v1  an element a thread, channel = i % k
//   v2  this: packs, the bias read once a thread
#include "cuda/conv.h"

#include <utility>

#include "cuda/map.cuh"

namespace az::cuda {
namespace {

template <class W>
struct Times {
  W factor;
  __device__ W operator()(W v) const { return v * factor; }
};

template <class T>
__global__ void __launch_bounds__(kMapThreads)
    pack_weights_kernel(const Wide<T>* w, const Wide<T>* scale, T* packed, int64_t row) {
  const int64_t first = int64_t{blockIdx.x} * row;
  const Times<Wide<T>> body{scale ? scale[blockIdx.x] : Wide<T>(1)};
  map({int64_t{blockIdx.y}, int64_t{gridDim.y}}, row, body, packed + first, w + first);
}

/// Rows of a thread that are on their way at once.
constexpr int kRows = 4;

/// N divides k, and the arrays are aligned to a pack.
template <class T, int N>
__global__ void __launch_bounds__(256)
    bias_act_kernel(const Wide<T>* bias, const T* residual, bool relu, T* y, int64_t rows, int64_t packs) {
  const int64_t pack = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (pack >= packs) return;
  Wide<T> shift[N] = {};
  if (bias)
    for (int i = 0; i < N; ++i) shift[i] = bias[pack * N + i];
  auto* out = reinterpret_cast<Pack<T, N>*>(y);
  const auto* more = reinterpret_cast<const Pack<T, N>*>(residual);
  const int64_t step = int64_t{gridDim.y} * blockDim.y;
  for (int64_t r = int64_t{blockIdx.y} * blockDim.y + threadIdx.y; r < rows; r += step * kRows) {
    Pack<T, N> v[kRows], extra[kRows] = {};
#pragma unroll
    for (int j = 0; j < kRows; ++j) {
      const int64_t at = smaller(r + j * step, rows - 1) * packs + pack;
      v[j] = out[at];
      if (more) extra[j] = more[at];
    }
#pragma unroll
    for (int j = 0; j < kRows; ++j) {
      if (r + j * step >= rows) break;
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const Wide<T> sum = widened(v[j].v[i]) + shift[i] + widened(extra[j].v[i]);
        v[j].v[i] = static_cast<T>(relu && sum < 0 ? 0 : sum);
      }
      out[(r + j * step) * packs + pack] = v[j];
    }
  }
}

bool aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

template <class T, int N>
void launch_bias_act(Stream& stream, const ConvAfter<T>& after, T* y, int64_t rows, int64_t k) {
  const int64_t packs = k / N;
  unsigned across = 1;
  while (across < 256 && across < packs) across *= 2;
  const unsigned down = 256 / across;
  const dim3 grid(blocks_for(packs, across), blocks_for(rows, int64_t{down} * kRows, 4096));
  launch(stream, "bias_act_kernel", grid, dim3(across, down), 0, bias_act_kernel<T, N>, after.bias, after.residual,
         after.relu, y, rows, packs);
}

}  // namespace

template <class T>
void pack_weights(Stream& stream, const Wide<T>* w, const Wide<T>* scale, T* packed, int64_t k, int64_t row) {
  if (k * row == 0) return;
  if (!scale) row = std::exchange(k, 1) * row;
  // Rows are short; a block that is mostly idle costs more than one of two warps.
  const int64_t block_elements = MapShape<T, Wide<T>>::kBlockElements;
  const unsigned threads = row * 4 <= block_elements ? 64 : kMapThreads;
  const dim3 grid(static_cast<unsigned>(k), blocks_for(row, block_elements * threads / kMapThreads, 1024));
  launch(stream, "pack_weights_kernel", grid, threads, 0, pack_weights_kernel<T>, w, scale, packed, row);
}

template <class T>
void bias_act(Stream& stream, const ConvAfter<T>& after, T* y, int64_t rows, int64_t k) {
  if (rows * k == 0 || (!after.bias && !after.residual && !after.relu)) return;
  constexpr int N = static_cast<int>(16 / sizeof(T));
  if (k % N == 0 && aligned(y) && aligned(after.residual)) return launch_bias_act<T, N>(stream, after, y, rows, k);
  launch_bias_act<T, 1>(stream, after, y, rows, k);
}

#define AZ_INSTANTIATE(T)                                                                       \
  template void pack_weights<T>(Stream&, const Wide<T>*, const Wide<T>*, T*, int64_t, int64_t); \
  template void bias_act(Stream&, const ConvAfter<T>&, T*, int64_t, int64_t);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
AZ_INSTANTIATE(f16)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
