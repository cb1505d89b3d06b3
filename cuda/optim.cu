// Multi-tensor SGD, Adam and AdamW with gradient clipping. Formulas: math/optim.h, which are PyTorch's; the same bits
// as the CPU's loops but for the last bit of the norm's double sum.
//
//   kernel         computes                                              bytes an element of s bytes   flops
//   set_pointers   table[i] = argument i                                 16 a parameter                0
//   optim_norm     parts[chunk] = sum of squares of its gradients        s                             2 (double)
//   optim_begin    norm, clip factor, each parameter's constants         one block                     -
//   optim_update   p, state from p, g, state                             5 s (SGD), 7 s (Adam)         7, 14
//
// Mapping: all parameters are cut into chunks of 8192 elements, one block a chunk, 16 bytes a thread and array at a
// time. Blocks find their chunk in a table in device memory:
//
//     parameters   |  conv1.weight 9408  |bn 64|  layer1.0.conv1.weight 4096 | ...
//     chunks       |  0: 8192 | 1: 1216  |2: 64|  3: 4096                    | ...
//
// optim_begin is one block: it adds the parts in order, decides whether the step happens, and computes the constants of
// math::AdamUpdate (two powers in double) once a parameter instead of once a thread.
// Limit: memory; 170 million parameters' worth of SGD traffic a millisecond at 3.35 TB/s. Deterministic: no atomics but
// an integer minimum.
// Ladder, ResNet-50's 161 parameters (not measured: no GPU yet):
//   v1  four launches a parameter, the norm read by the host
//   v2  one launch for all, the clip factor from the host
//   v3  this: nothing read by the host, gradients' addresses as kernel arguments, so a graph can hold the step
#include "cuda/optim.h"

#include <cmath>

#include "cuda/map.cuh"
#include "math/optim.h"

namespace az::cuda {
namespace {

constexpr int kThreads = 256;

constexpr int kPointers = 256;  // 2 KiB of the 4 KiB that a kernel's arguments may take
struct Pointers {
  const void* at[kPointers];
};

/// One block.
__global__ void __launch_bounds__(kPointers) set_pointers_kernel(Pointers pointers, int count, const void** table) {
  if (static_cast<int>(threadIdx.x) < count) table[threadIdx.x] = pointers.at[threadIdx.x];
}

/// How a parameter is updated: the constants of one step, and what they do to an element. values[0] is the parameter.
template <class T>
struct Sgd {
  using Update = math::SgdUpdate<T>;
  static constexpr int kArrays = 2;
  double momentum;

  __device__ Update update(double lr, double decay, int64_t, double factor) const {
    return {static_cast<T>(lr), static_cast<T>(momentum), static_cast<T>(decay), static_cast<T>(factor)};
  }
  static __device__ void apply(const Update& update, bool first, T gradient, T (&values)[kArrays]) {
    if (first) {
      update.first(values[0], gradient, values[1]);
    } else {
      update.next(values[0], gradient, values[1]);
    }
  }
};

template <class T>
struct Adam {
  using Update = math::AdamUpdate<T>;
  static constexpr int kArrays = 3;
  AdamOptions options;

  __device__ Update update(double lr, double decay, int64_t step, double factor) const {
    return Update(lr, decay, options.decoupled, options.beta1, options.beta2, options.eps, step, factor);
  }
  static __device__ void apply(const Update& update, bool, T gradient, T (&values)[kArrays]) {
    update(values[0], gradient, values[1], values[2]);
  }
};

/// The elements of a chunk.
template <class T>
__device__ int64_t chunk_count(const OptimTable<T>& table, OptimChunk chunk) {
  return smaller(kOptimChunk, table.parameters[chunk.parameter].count - chunk.index * kOptimChunk);
}

template <class T>
__global__ void __launch_bounds__(kThreads) optim_norm_kernel(OptimTable<T> table) {
  const OptimChunk chunk = table.chunks[blockIdx.x];
  const T* gradient = table.gradients[chunk.parameter];
  double sum = 0;
  if (gradient) {
    const auto square = [](T v) { return static_cast<double>(v) * static_cast<double>(v); };
    sum = sum_map(MapPart{0, 1}, chunk_count(table, chunk), square, gradient + chunk.index * kOptimChunk);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) table.parts[blockIdx.x] = sum;
}

/// One block.
template <class Rule, class T>
__global__ void __launch_bounds__(kThreads) optim_begin_kernel(OptimTable<T> table, Rule rule, double clip_norm) {
  AZ_SHARED(first_bad, int);
  if (threadIdx.x == 0) first_bad = INT32_MAX;
  __syncthreads();
  const bool failed_before = table.status->failed_step != 0;
  double squares = 0;
  for (int64_t c = threadIdx.x; c < table.chunk_count; c += blockDim.x) {
    squares += table.parts[c];
    if (!std::isfinite(table.parts[c])) atomicMin(&first_bad, static_cast<int>(c));
  }
  const double norm = std::sqrt(block_sum(squares));  // its barriers also settle first_bad and failed_before
  const double factor = math::clip_factor(norm, clip_norm);
  const bool skips = table.loss && !(static_cast<double>(*table.loss) <= table.loss_limit);
  const bool failed = !skips && !std::isfinite(norm);
  if (threadIdx.x == 0 && !failed_before) {
    OptimStatus& status = *table.status;
    status.norm = norm;
    status.factor = factor;
    status.skips = skips;
    status.skipped += skips;
    if (failed) {
      status.failed_step = status.steps + 1;
      status.failed_parameter = first_bad == INT32_MAX ? -1 : table.chunks[first_bad].parameter;
    }
  }
  if (threadIdx.x == 0) ++table.status->steps;
  if (skips || failed || failed_before) return;
  auto* updates = static_cast<typename Rule::Update*>(table.updates);
  for (int64_t p = threadIdx.x; p < table.parameter_count; p += blockDim.x) {
    if (!table.gradients[p]) continue;
    const OptimParameter<T>& parameter = table.parameters[p];
    const int64_t step = ++table.steps[p];
    updates[p] = rule.update(*table.lr * parameter.lr_mult, parameter.decay, step, factor);
  }
}

/// values[s][i] of `count` elements, through Rule::apply.
template <class Rule, class T>
__device__ void update_chunk(const typename Rule::Update& update, bool first, int64_t count, const T* gradient,
                             T* const (&arrays)[Rule::kArrays]) {
  constexpr int N = 16 / sizeof(T);
  constexpr int A = Rule::kArrays;
  bool aligned = aligned_to_16(gradient);
  for (int a = 0; a < A; ++a) aligned = aligned && aligned_to_16(arrays[a]);
  const int64_t packs = aligned ? count / N : 0;
  for (int64_t i = threadIdx.x; i < packs; i += blockDim.x) {
    const Pack<T, N> g = reinterpret_cast<const Pack<T, N>*>(gradient)[i];
    Pack<T, N> pack[A];
#pragma unroll
    for (int a = 0; a < A; ++a) pack[a] = reinterpret_cast<const Pack<T, N>*>(arrays[a])[i];
#pragma unroll
    for (int k = 0; k < N; ++k) {
      T values[A];
#pragma unroll
      for (int a = 0; a < A; ++a) values[a] = pack[a].v[k];
      Rule::apply(update, first, g.v[k], values);
#pragma unroll
      for (int a = 0; a < A; ++a) pack[a].v[k] = values[a];
    }
#pragma unroll
    for (int a = 0; a < A; ++a) reinterpret_cast<Pack<T, N>*>(arrays[a])[i] = pack[a];
  }
  for (int64_t i = packs * N + threadIdx.x; i < count; i += blockDim.x) {
    T values[A];
    for (int a = 0; a < A; ++a) values[a] = arrays[a][i];
    Rule::apply(update, first, gradient[i], values);
    for (int a = 0; a < A; ++a) arrays[a][i] = values[a];
  }
}

template <class Rule, class T>
__global__ void __launch_bounds__(kThreads) optim_update_kernel(OptimTable<T> table) {
  const OptimChunk chunk = table.chunks[blockIdx.x];
  const T* gradient = table.gradients[chunk.parameter];
  if (!gradient || table.status->failed_step != 0 || table.status->skips != 0) return;
  const OptimParameter<T> parameter = table.parameters[chunk.parameter];
  const int64_t begin = chunk.index * kOptimChunk;
  T* arrays[Rule::kArrays] = {parameter.value + begin, parameter.first + begin};
  if constexpr (Rule::kArrays == 3) arrays[2] = parameter.second + begin;
  const auto update = static_cast<const typename Rule::Update*>(table.updates)[chunk.parameter];
  update_chunk<Rule>(update, table.steps[chunk.parameter] == 1, chunk_count(table, chunk), gradient + begin, arrays);
}

template <class Rule, class T>
void step(Stream& stream, const OptimTable<T>& table, const Rule& rule, double clip_norm) {
  static_assert(sizeof(typename Rule::Update) <= kOptimUpdateBytes);
  const auto blocks = static_cast<unsigned>(table.chunk_count);
  launch(stream, "optim_norm_kernel", blocks, kThreads, 0, optim_norm_kernel<T>, table);
  launch(stream, "optim_begin_kernel", 1, kThreads, 0, optim_begin_kernel<Rule, T>, table, rule, clip_norm);
  launch(stream, "optim_update_kernel", blocks, kThreads, 0, optim_update_kernel<Rule, T>, table);
}

}  // namespace

void set_pointers(Stream& stream, const void* const* pointers, int64_t count, const void** table) {
  for (int64_t at = 0; at < count; at += kPointers) {
    Pointers some{};
    const int part = static_cast<int>(smaller(kPointers, count - at));
    for (int i = 0; i < part; ++i) some.at[i] = pointers[at + i];
    launch(stream, "set_pointers_kernel", 1, kPointers, 0, set_pointers_kernel, some, part, table + at);
  }
}

template <class T>
void sgd_step(Stream& stream, const OptimTable<T>& table, double momentum, double clip_norm) {
  step(stream, table, Sgd<T>{momentum}, clip_norm);
}

template <class T>
void adam_step(Stream& stream, const OptimTable<T>& table, const AdamOptions& options, double clip_norm) {
  step(stream, table, Adam<T>{options}, clip_norm);
}

template void sgd_step(Stream&, const OptimTable<float>&, double, double);
template void sgd_step(Stream&, const OptimTable<double>&, double, double);
template void adam_step(Stream&, const OptimTable<float>&, const AdamOptions&, double);
template void adam_step(Stream&, const OptimTable<double>&, const AdamOptions&, double);

}  // namespace az::cuda
