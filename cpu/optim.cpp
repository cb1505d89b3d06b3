#include "cpu/optim.h"

#include <cmath>
#include <vector>

#include "cpu/parallel.h"
#include "math/optim.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

constexpr int64_t kBlock = 16384;  // elements of one parameter that one thread takes at a time

#define AZ_LOOPS(T)                                                                                              \
  AZ_SIMD double squares_loop(const T* x, int64_t count) {                                                       \
    double part[8] = {}; /* eight sums let the loop vectorise; they are added in a fixed order */                \
    int64_t i = 0;                                                                                               \
    for (; i + 8 <= count; i += 8)                                                                               \
      for (int64_t j = 0; j < 8; ++j) part[j] += double(x[i + j]) * double(x[i + j]);                            \
    for (; i < count; ++i) part[i % 8] += double(x[i]) * double(x[i]);                                           \
    return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));            \
  }                                                                                                              \
  AZ_SIMD void sgd_loop(math::SgdUpdate<T> update, bool first, T* __restrict p, const T* __restrict g,           \
                        T* __restrict velocity, int64_t count) {                                                 \
    if (first) {                                                                                                 \
      for (int64_t i = 0; i < count; ++i) update.first(p[i], g[i], velocity[i]);                                 \
    } else {                                                                                                     \
      for (int64_t i = 0; i < count; ++i) update.next(p[i], g[i], velocity[i]);                                  \
    }                                                                                                            \
  }                                                                                                              \
  AZ_SIMD void adam_loop(math::AdamUpdate<T> update, T* __restrict p, const T* __restrict g, T* __restrict mean, \
                         T* __restrict square, int64_t count) {                                                  \
    for (int64_t i = 0; i < count; ++i) update(p[i], g[i], mean[i], square[i]);                                  \
  }
AZ_LOOPS(float)
AZ_LOOPS(double)
#undef AZ_LOOPS

/// A part of one parameter.
struct Block {
  size_t parameter;
  int64_t begin, count;
};

template <class T>
std::vector<Block> blocks_of(std::span<const ParameterView<T>> parameters) {
  std::vector<Block> blocks;
  for (size_t p = 0; p < parameters.size(); ++p)
    for (int64_t at = 0; at < parameters[p].count; at += kBlock)
      blocks.push_back({p, at, std::min(kBlock, parameters[p].count - at)});
  return blocks;
}

/// f(parameter, first element, elements) for every block, in parallel.
template <class T, class F>
void for_each_block(std::span<const ParameterView<T>> parameters, const F& f) {
  const std::vector<Block> blocks = blocks_of(parameters);
  parallel_for(static_cast<int64_t>(blocks.size()), 2, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const Block& block = blocks[static_cast<size_t>(b)];
      f(parameters[block.parameter], block.begin, block.count);
    }
  });
}

}  // namespace

template <class T>
double gradient_norm(std::span<const ParameterView<T>> parameters) {
  const std::vector<Block> blocks = blocks_of(parameters);
  std::vector<double> parts(blocks.size());
  parallel_for(static_cast<int64_t>(blocks.size()), 2, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const Block& block = blocks[static_cast<size_t>(b)];
      parts[static_cast<size_t>(b)] = squares_loop(parameters[block.parameter].gradient + block.begin, block.count);
    }
  });
  double total = 0;
  for (const double part : parts) total += part;
  return std::sqrt(total);
}

template <class T>
void sgd_update(std::span<const ParameterView<T>> parameters, double momentum, double gradient_factor) {
  for_each_block(parameters, [&](const ParameterView<T>& p, int64_t at, int64_t count) {
    const math::SgdUpdate<T> update{static_cast<T>(p.lr), static_cast<T>(momentum), static_cast<T>(p.decay),
                                    static_cast<T>(gradient_factor)};
    sgd_loop(update, p.step == 1, p.value + at, p.gradient + at, p.first + at, count);
  });
}

template <class T>
void adam_update(std::span<const ParameterView<T>> parameters, const AdamConstants& constants, double gradient_factor) {
  for_each_block(parameters, [&](const ParameterView<T>& p, int64_t at, int64_t count) {
    const math::AdamUpdate<T> update(p.lr, p.decay, constants.decoupled, constants.beta1, constants.beta2,
                                     constants.eps, p.step, gradient_factor);
    adam_loop(update, p.value + at, p.gradient + at, p.first + at, p.second + at, count);
  });
}

#define AZ_INSTANTIATE(T)                                                         \
  template double gradient_norm<T>(std::span<const ParameterView<T>>);            \
  template void sgd_update<T>(std::span<const ParameterView<T>>, double, double); \
  template void adam_update<T>(std::span<const ParameterView<T>>, const AdamConstants&, double);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
