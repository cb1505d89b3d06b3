#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "cpu/image.h"
#include "tensor/error.h"
#include "tensor/rng.h"

using namespace az;

namespace {

std::vector<uint8_t> noise(int width, int height, int channels, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  std::vector<uint8_t> pixels(static_cast<size_t>(width * height * channels));
  for (auto& p : pixels) p = static_cast<uint8_t>(rng.integer(0, 255));
  return pixels;
}

struct Padded {
  int width, height;
};

/// The three passes one after the other.
std::vector<float> step_by_step(const cpu::ImageView& source, const cpu::InputPlace& place, const cpu::Normalise& how,
                                const Padded& padded) {
  std::vector<uint8_t> resized(static_cast<size_t>(place.resized_width * place.resized_height * 3));
  cpu::resize_bilinear(source, place.resized_width, place.resized_height, resized.data());
  std::vector<uint8_t> window(static_cast<size_t>(place.width * place.height * 3));
  cpu::padded_crop({resized.data(), place.resized_width, place.resized_height, 3}, place.left, place.top, place.width,
                   place.height, place.fill, window.data());
  std::vector<float> out(static_cast<size_t>(padded.width * padded.height * 3), -1.0F);
  cpu::normalise({window.data(), place.width, place.height, 3}, how, padded.width, padded.height, out.data());
  return out;
}

}  // namespace

TEST_CASE("resize_normalise is resize, crop and normalise to the bit") {
  const cpu::InputPlace places[] = {{45, 23, 0, 0, 45, 23, {}},              // as it is
                                    {90, 46, 0, 0, 90, 46, {}},              // twice the size
                                    {61, 17, 0, 0, 61, 17, {}},              // one side up, one down
                                    {1, 1, 0, 0, 1, 1, {}},                  // a pixel
                                    {80, 60, 7, 11, 40, 33, {}},             // a window inside
                                    {80, 60, -9, -5, 97, 70, {9, 99, 199}},  // around
                                    {80, 60, 70, -3, 31, 20, {1, 2, 3}},     // over a corner
                                    {80, 60, 80, 0, 20, 20, {4, 5, 6}},      // beside it
                                    {80, 60, 0, -40, 20, 30, {4, 5, 6}}};    // above it
  const auto pixels = noise(45, 23, 3, 3);
  const cpu::ImageView source{pixels.data(), 45, 23, 3};
  for (const cpu::InputPlace& place : places) {
    for (int i = 0; i < 8; ++i) {
      CAPTURE(place.left);
      CAPTURE(place.resized_width);
      CAPTURE(i);
      cpu::Normalise how{{102.98F, 115.95F, 122.77F}, {58.395F, 57.12F, 57.375F}, (i & 1) != 0, (i & 2) != 0};
      if ((i & 4) != 0) how.std = {1, 1, 1};
      const Padded padded{place.width + (i & 1) * 5, place.height + (i & 2) * 4};
      const auto expected = step_by_step(source, place, how, padded);
      std::vector<float> out(expected.size() + 1, 77.0F);
      cpu::resize_normalise(source, place, how, padded.width, padded.height, out.data());
      CHECK(out.back() == 77.0F);  // nothing behind the end
      out.pop_back();
      CHECK(out == expected);
    }
  }
}

TEST_CASE("resize_normalise says what does not fit") {
  const auto pixels = noise(4, 4, 3, 1);
  std::vector<float> out(64 * 3);
  CHECK_THROWS_WITH_AS(cpu::resize_normalise({pixels.data(), 4, 4, 3}, {8, 8, 0, 0, 9, 8, {}}, {}, 8, 8, out.data()),
                       "resize_normalise: a window of 9 x 8 pixels does not fit into 8 x 8", Error);
  CHECK_THROWS_WITH_AS(cpu::resize_normalise({pixels.data(), 4, 4, 1}, {8, 8, 0, 0, 8, 8, {}}, {}, 8, 8, out.data()),
                       "resize_normalise: the picture has 1 channels, want 3", Error);
  CHECK_THROWS_WITH_AS(cpu::resize_normalise({pixels.data(), 0, 4, 3}, {8, 8, 0, 0, 8, 8, {}}, {}, 8, 8, out.data()),
                       "resize_normalise: cannot make 8 x 8 of 0 x 4 pixels", Error);
}

TEST_CASE("resize_normalise places a reduced picture as its original") {
  // A ramp of 31 columns, and the same at half the size: 16 columns, the last of which is half beyond the edge.
  std::vector<uint8_t> whole, half;
  for (int x = 0; x < 31; ++x) whole.insert(whole.end(), 3, static_cast<uint8_t>(8 * x));
  for (int x = 0; x < 16; ++x) half.insert(half.end(), 3, static_cast<uint8_t>(16 * x + 4));
  cpu::InputPlace place{.resized_width = 10, .resized_height = 1, .width = 10, .height = 1};
  std::vector<float> expected(30), reduced(30);
  cpu::resize_normalise({whole.data(), 31, 1, 3}, place, {}, 10, 1, expected.data());
  place.source_width = 15.5;
  cpu::resize_normalise({half.data(), 16, 1, 3}, place, {}, 10, 1, reduced.data());
  for (size_t i = 0; i < 30; ++i) CHECK(std::abs(reduced[i] - expected[i]) <= 1);
}
