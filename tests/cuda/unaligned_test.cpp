// Kernels whose inputs are always whole tensors, which begin at aligned addresses, give the same bits from any other:
// nothing of their speed by 16 bytes an access may become a condition.
#include "cuda/build.h"

#ifdef AZ_CUDA_BUILT
#include <doctest/doctest.h>

#include <functional>

#include "cuda/device.h"
#include "cuda/elementwise.h"
#include "cuda/pool.h"
#include "cuda/resize.h"
#include "cuda/window.h"
#include "math/elementwise.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

namespace az::test {
namespace {

/// What a kernel makes of two inputs in `out` elements; the same from addresses one element on.
void check(const std::vector<float>& a, const std::vector<float>& b, int64_t out,
           const std::function<void(const float*, const float*, float*)>& kernel) {
  std::vector<float> aligned;
  for (const int64_t skipped : {0, 1}) {
    const auto moved = [&](const std::vector<float>& values) {
      Tensor room = Tensor::empty({static_cast<int64_t>(values.size()) + 1}, DType::f32, *cuda());
      Tensor view = room.narrowed(skipped, static_cast<int64_t>(values.size()));
      view.copy_from(Tensor::from(values, view.shape(), *cuda()));
      return view;
    };
    const Tensor x = moved(a), y = moved(b);
    Tensor room = Tensor::full({out + 2}, 77, DType::f32, *cuda());
    kernel(x.data<float>(), y.data<float>(), room.mutable_data<float>() + skipped);
    const auto result = room.narrowed(skipped, out).to_vector<float>();
    if (skipped == 0) aligned = result;
    CHECK(result == aligned);
    CHECK(room.narrowed(out + 1, 1).item() == 77);
  }
}

std::vector<float> values(int64_t count, uint64_t seed) {
  return uniform({count}, -2, 2, DType::f32, cpu(), seed).to_vector<float>();
}

}  // namespace

TEST_CASE("backward kernels take gradients from any address") {
  if (!cuda()) return;
  const Compared compared(Against::itself);
  cuda::Stream& stream = cuda::device_of(*cuda()).stream();
  for (const int64_t channels : {1, 31, 32, 33}) {
    CAPTURE(channels);
    const math::ResizeShape to{1, 3, 4, channels, 6, 8}, other{1, 3, 4, channels, 5, 5};
    const int64_t small = 3 * 4 * channels;
    const auto a = values(small, 1), b = values(small, 2), doubled = values(48 * channels, 3),
               resized = values(25 * channels, 4);
    check(a, b, small, [&](const float* saved, const float* dy, float* dx) {
      cuda::map_backward<math::Relu>(stream, saved, dy, dx, small);
    });
    check(a, b, small,
          [&](const float* sum, const float* dy, float* dx) { cuda::add_cut(stream, sum, dy, sum, dx, small); });
    check(doubled, {}, small, [&](const float* dy, const float*, float* dx) {
      cuda::resize_backward(stream, math::Resize::nearest, dy, dx, to);
    });
    check(resized, {}, small, [&](const float* dy, const float*, float* dx) {
      cuda::resize_backward(stream, math::Resize::bilinear, dy, dx, other);
    });
    const math::PoolShape pool{1, 5, 5, channels, 3, 3, {3, 2, 1}};
    check(resized, values(9 * channels, 5), 25 * channels, [&](const float* x, const float* dy, float* dx) {
      Tensor y = Tensor::empty({9 * channels}, DType::f32, *cuda());
      Tensor tap = Tensor::empty({9 * channels}, DType::u8, *cuda());
      cuda::max_pool(stream, x, y.mutable_data<float>(), tap.mutable_data<uint8_t>(), pool);
      cuda::max_pool_backward(stream, dy, tap.data<uint8_t>(), dx, pool);
    });
    const math::WindowShape window{1, 3, 4, channels, 1, 2, 2};
    check(values(4 * channels, 7), {}, small, [&](const float* dy, const float*, float* dx) {
      cuda::windows_backward(stream, dy, math::WindowPlaces{.offset = 1, .left = 1}, dx, window);
    });
    const int64_t joined = 2 * (channels + 5);
    check(values(joined, 6), {}, joined, [&](const float* from, const float*, float* to_levels) {
      cuda::LevelTable levels;
      levels.levels = 2;
      levels.at[0] = to_levels;
      levels.at[1] = to_levels + 2 * channels;
      levels.elements[0] = channels;
      levels.elements[1] = 5;
      cuda::split_levels(stream, levels, from, 2, sizeof(float));
    });
  }
}

}  // namespace az::test
#endif
