// What the cuDNN and cuBLAS layer decides without them.
#include "cuda/library_map.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tensor/error.h"

using namespace az;
using namespace az::cuda;

namespace {

/// The flat index of each element in the order n, c, h, w, by the map's strides.
std::vector<int64_t> offsets(const TensorMap& m) {
  std::vector<int64_t> all;
  for (int64_t n = 0; n < m.dims[0]; ++n)
    for (int64_t c = 0; c < m.dims[1]; ++c)
      for (int64_t h = 0; h < m.dims[2]; ++h)
        for (int64_t w = 0; w < m.dims[3]; ++w)
          all.push_back(n * m.strides[0] + c * m.strides[1] + h * m.strides[2] + w * m.strides[3]);
  return all;
}

const PlanKey kKey{.shape = {.n = 2, .h = 9, .w = 8, .c = 16, .k = 32, .r = 3, .s = 3, .stride = 2, .padding = 1},
                   .dtype = DType::bf16};

/// A column-major product as cuBLAS defines it, of element (i, j) of the result.
double gemm(const GemmCall& g, const std::vector<double>& first, const std::vector<double>& second, int64_t e,
            int64_t i, int64_t j) {
  double sum = 0;
  for (int64_t p = 0; p < g.k; ++p) {
    const int64_t a = g.transpose_first ? p + i * g.ld_first : i + p * g.ld_first;
    const int64_t b = g.transpose_second ? j + p * g.ld_second : p + j * g.ld_second;
    sum += first[static_cast<size_t>(e * g.step_first + a)] * second[static_cast<size_t>(e * g.step_second + b)];
  }
  return sum;
}

}  // namespace

TEST_CASE("tensor maps visit our arrays, channels innermost") {
  const TensorMap image = image_map(2, 3, 5, 7);
  CHECK(image.dims == std::array<int64_t, 4>{2, 7, 3, 5});
  // Element (n, c, h, w) of [n, h, w, c].
  CHECK(offsets(image)[((1 * 7 + 4) * 3 + 2) * 5 + 3] == ((1 * 3 + 2) * 5 + 3) * 7 + 4);
  const auto all = offsets(image);
  CHECK(std::set(all.begin(), all.end()).size() == 2 * 3 * 5 * 7);
  CHECK(*std::max_element(all.begin(), all.end()) == 2 * 3 * 5 * 7 - 1);

  CHECK(x_map(kKey.shape) == image_map(2, 9, 8, 16));
  CHECK(y_map(kKey.shape) == image_map(2, 5, 4, 32));
  math::ConvShape grouped = kKey.shape;
  grouped.groups = 4;
  CHECK(filter_map(grouped).dims == std::array<int64_t, 4>{32, 4, 3, 3});
  CHECK(filter_map(grouped).strides == std::array<int64_t, 4>{36, 1, 12, 4});
  CHECK(channel_map(5).dims == std::array<int64_t, 4>{1, 5, 1, 1});
  CHECK(channel_map(5).strides[1] == 1);
}

TEST_CASE("plan keys differ in everything that a plan depends on") {
  std::vector<PlanKey> keys(17, kKey);
  keys[1].pass = ConvPass::backward_data;
  keys[2].dtype = DType::f32;
  keys[3].bias = true;
  keys[4].residual = true;
  keys[5].relu = true;
  keys[6].alignment = 2;
  int64_t math::ConvShape::*const fields[] = {
      &math::ConvShape::n,       &math::ConvShape::h,       &math::ConvShape::w, &math::ConvShape::c,
      &math::ConvShape::k,       &math::ConvShape::r,       &math::ConvShape::s, &math::ConvShape::stride,
      &math::ConvShape::padding, &math::ConvShape::dilation};
  for (size_t i = 0; i < 10; ++i) keys[7 + i].shape.*fields[i] += 1;
  keys.push_back(keys[2]);
  keys.back().tf32 = true;
  keys.push_back(kKey);
  keys.back().shape.groups = 4;
  std::set<size_t> hashes;
  std::set<std::string> texts;
  for (const PlanKey& key : keys) {
    hashes.insert(PlanKeyHash{}(key));
    texts.insert(key_text(key));
    CHECK((key == kKey) == (&key == &keys[0]));
  }
  CHECK(hashes.size() == keys.size());
  CHECK(texts.size() == keys.size());
  CHECK(key_text(keys[3]) == "forward:bf16:n2h9w8c16:k32r3s3:s2p1d1g1:bias:16");
}

TEST_CASE("alignment is the least of the pointers'") {
  const auto at = [](uintptr_t address) { return reinterpret_cast<const void*>(address); };
  CHECK(common_alignment({at(64), at(128), nullptr}) == 16);
  CHECK(common_alignment({at(64), at(136)}) == 8);
  CHECK(common_alignment({at(66), at(136)}) == 2);
  CHECK(common_alignment({}) == 16);
}

TEST_CASE("engines are taken for the same bits each time and full sums") {
  PlanKey f32 = kKey, tf32 = kKey, f16 = kKey;
  f32.dtype = tf32.dtype = DType::f32;
  tf32.tf32 = true;
  f16.dtype = DType::f16;
  CHECK(acceptable({}, kKey));
  CHECK(acceptable({}, f32));
  CHECK(acceptable({.tensor_core = true}, kKey));
  CHECK(acceptable({.tensor_core = true}, f16));
  CHECK_FALSE(acceptable({.tensor_core = true}, f32));
  CHECK(acceptable({.tensor_core = true, .down_converts = true}, tf32));
  CHECK_FALSE(acceptable({.down_converts = true}, kKey));
  for (const PlanKey& key : {kKey, f32, tf32, f16}) {
    CHECK_FALSE(acceptable({.nondeterministic = true}, key));
    CHECK_FALSE(acceptable({.reduced_sums = true}, key));
    CHECK_FALSE(acceptable({.transforms = true}, key));
  }
}

TEST_CASE("a graph that does everything comes first") {
  PlanKey key = kKey;
  CHECK(graph_forms(key) == std::vector<GraphForm>{{true, DType::bf16}});
  key.relu = true;
  CHECK(graph_forms(key) == std::vector<GraphForm>{{true, DType::bf16}, {false, DType::bf16}});
  key = kKey;
  key.pass = ConvPass::backward_weights;
  CHECK(graph_forms(key) == std::vector<GraphForm>{{true, DType::f32}, {true, DType::bf16}});
  key.dtype = DType::f16;
  CHECK(graph_forms(key) == std::vector<GraphForm>{{true, DType::f32}, {true, DType::f16}});
  key.dtype = DType::f32;
  CHECK(graph_forms(key) == std::vector<GraphForm>{{true, DType::f32}});
}

TEST_CASE("plan choices survive a file, and a foreign or broken one is refused") {
  const PlanChoices choices = {{key_text(kKey), {1, 0, 3, 47}}, {"other", {0, 1, 0, 2}}};
  const std::string text = write_choices(choices, "cuDNN 9.19.0, NVIDIA H100");
  CHECK(read_choices(text, "cuDNN 9.19.0, NVIDIA H100", "p.txt") == choices);
  CHECK_THROWS_WITH_AS(read_choices(text, "cuDNN 9.20.0, NVIDIA H100", "p.txt"),
                       "p.txt: the plans are for 'azimuth-plans 1 cuDNN 9.19.0, NVIDIA H100', this is 'cuDNN 9.20.0, "
                       "NVIDIA H100'; tune again",
                       Error);
  for (const char* line : {"key 1 2 3", "key 1 2 3 4 5", "key 1 x 3 4", "", "key -1 0 0 0"})
    CHECK_THROWS_WITH_AS(read_choices("azimuth-plans 1 m\nok 0 0 0 0\n" + std::string(line) + "\n", "m", "p.txt"),
                         "p.txt: line 3 is not a key and four numbers", Error);
}

TEST_CASE("a column-major product of the mapping is ours") {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      const math::MatmulShape s{.batch = 2, .m = 3, .n = 5, .k = 4, .transpose_a = ta, .transpose_b = tb};
      const GemmCall g = gemm_call(s);
      std::vector<double> a(2 * 3 * 4), b(2 * 4 * 5);
      for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<double>(i * 7 % 11);
      for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<double>(i * 5 % 13);
      for (int64_t e = 0; e < 2; ++e)
        for (int64_t i = 0; i < 3; ++i)
          for (int64_t j = 0; j < 5; ++j) {
            double want = 0;
            for (int64_t p = 0; p < 4; ++p)
              want += a[static_cast<size_t>(e * 12 + (ta ? p * 3 + i : i * 4 + p))] *
                      b[static_cast<size_t>(e * 20 + (tb ? j * 4 + p : p * 5 + j))];
            // Row i, column j of y lies where column i, row j of y^T does.
            CHECK(g.step_y * e + g.ld_y * i + j == e * 15 + i * 5 + j);
            CHECK(gemm(g, b, a, e, j, i) == want);
          }
    }
  CHECK(gemm_call({.batch = 1, .m = 2, .n = 0, .k = 3}).ld_first == 1);
}
