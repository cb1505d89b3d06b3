// Two passes over at most kBatch runs at a time, which stay in the first cache. First the characters of 64-byte blocks
// become signed differences: a bit mask of the characters that end a number gives their positions (compress), a byte
// permutation collects each number's characters in a lane of 32 bits. Then the differences become positions: a prefix
// sum over every second lane gives the runs, one over all lanes their ends. Positions of even and odd rank are begin
// and end of the foreground runs.
//
// Zen 5, two threads, `bench coco-eval` (50,000 masks of some 200 characters), ms, by number and wide: reading with
// run_totals 27.7 and 17.5, matching with append_edges 49.5 and 40.0.
#include "cpu/rle_text_wide.h"

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own header initialises undefined vectors with themselves.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>

#define AZ_WIDE_RUNS __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2")))

namespace az::cpu {
namespace {

constexpr int kBlock = 64, kLanes = 16, kBatch = 512;

/// Reads a text batch by batch.
class RunPositions {
 public:
  explicit RunPositions(std::string_view text) : text_(text) {}

  /// The next positions in `positions()`, a multiple of kLanes of them but at the end, where it returns what is left;
  /// 0 behind the end. Negative: the text is not for us.
  AZ_WIDE_RUNS int next() {
    while (held_ < kBatch && at_ < text_.size())
      if (!read_block()) return -1;
    const int count = at_ < text_.size() ? held_ / kLanes * kLanes : held_;
    for (int i = 0; i < count; i += kLanes)
      if (!make_positions(i, std::min(count - i, kLanes))) return -1;
    std::copy(differences_.begin() + count, differences_.begin() + held_, differences_.begin());
    held_ -= count;
    return count;
  }
  const uint32_t* positions() const { return positions_.data(); }
  /// The end of the last run so far.
  uint32_t covered() const { return covered_; }

 private:
  AZ_WIDE_RUNS bool read_block() {
    const auto length = static_cast<int>(std::min<size_t>(text_.size() - at_, kBlock));
    const __mmask64 valid = ~uint64_t{0} >> (kBlock - length);
    const __m512i zeros = _mm512_set1_epi8('0');
    const __m512i block = _mm512_sub_epi8(_mm512_mask_loadu_epi8(zeros, valid, text_.data() + at_), zeros);
    if (_mm512_test_epi8_mask(block, _mm512_set1_epi8(static_cast<char>(0xC0))) != 0) return false;
    const __mmask64 ends = _mm512_testn_epi8_mask(block, _mm512_set1_epi8(0x20)) & valid;
    if (ends == 0) return false;
    const int count = std::popcount(ends);
    const __m512i last = _mm512_maskz_compress_epi8(ends, byte_indices());
    // A number begins behind the end of the one before.
    const __m512i before = _mm512_permutexvar_epi8(_mm512_sub_epi8(byte_indices(), _mm512_set1_epi8(1)), last);
    const __m512i first = _mm512_maskz_add_epi8(~__mmask64{1}, before, _mm512_set1_epi8(1));
    const __mmask64 numbers = ~uint64_t{0} >> (kBlock - count);
    const __m512i more = _mm512_sub_epi8(last, first);  // characters but one
    if (_mm512_mask_cmpgt_epu8_mask(numbers, more, _mm512_set1_epi8(5)) != 0) return false;
    const bool long_numbers = _mm512_mask_cmpgt_epu8_mask(numbers, more, _mm512_set1_epi8(3)) != 0;
    for (int i = 0; i < count; i += kLanes) {
      const __m512i begin = lanes_of(first, i), rest = lanes_of(more, i);
      _mm512_storeu_si512(differences_.data() + held_ + i, numbers_of(block, begin, rest, long_numbers));
    }
    held_ += count;
    at_ += static_cast<size_t>(kBlock - std::countl_zero(ends));
    return true;
  }

  /// 0, 1, .. 63
  AZ_WIDE_RUNS static __m512i byte_indices() {
    alignas(64) static constexpr auto kIndices = [] {
      std::array<int8_t, kBlock> indices{};
      for (int i = 0; i < kBlock; ++i) indices[static_cast<size_t>(i)] = static_cast<int8_t>(i);
      return indices;
    }();
    return _mm512_load_si512(kIndices.data());
  }

  /// Bytes i to i + 15, a lane each.
  AZ_WIDE_RUNS static __m512i lanes_of(__m512i bytes, int i) {
    const __m512i shifted =
        _mm512_permutexvar_epi8(_mm512_add_epi8(byte_indices(), _mm512_set1_epi8(static_cast<char>(i))), bytes);
    return _mm512_cvtepu8_epi32(_mm512_castsi512_si128(shifted));
  }

  /// The characters of four positions of the block that follow `begin`, five bits of each, as 20 bits.
  AZ_WIDE_RUNS static __m512i four_characters(__m512i block, __m512i begin) {
    const __m512i each =
        _mm512_add_epi8(_mm512_mullo_epi32(begin, _mm512_set1_epi32(0x01010101)), _mm512_set1_epi32(0x03020100));
    const __m512i fives = _mm512_and_si512(_mm512_permutexvar_epi8(each, block), _mm512_set1_epi8(0x1F));
    const __m512i tens = _mm512_maddubs_epi16(fives, _mm512_set1_epi16(0x2001));
    return _mm512_madd_epi16(tens, _mm512_set1_epi32(0x04000001));
  }

  /// Numbers of `rest` + 1 characters from `begin` on, with their signs.
  AZ_WIDE_RUNS static __m512i numbers_of(__m512i block, __m512i begin, __m512i rest, bool long_numbers) {
    __m512i bits = four_characters(block, begin);
    if (long_numbers) {
      const __m512i upper = four_characters(block, _mm512_add_epi32(begin, _mm512_set1_epi32(4)));
      bits = _mm512_or_si512(bits, _mm512_slli_epi32(upper, 20));
    }
    const __m512i five = _mm512_set1_epi32(5);
    const __m512i unused = _mm512_sub_epi32(_mm512_set1_epi32(27), _mm512_mullo_epi32(rest, five));
    return _mm512_srav_epi32(_mm512_sllv_epi32(bits, unused), unused);
  }

  /// x[i] + x[i - step] + x[i - 2 step] ..
  template <int Step>
  AZ_WIDE_RUNS static __m512i prefix_sum(__m512i x) {
    const __m512i zero = _mm512_setzero_si512();
    if constexpr (Step <= 1) x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 15));
    if constexpr (Step <= 2) x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 14));
    x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 12));
    return _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 8));
  }

  /// Differences from `i` on into positions. False where a run is negative or 2^31 or more, or the positions wrap.
  AZ_WIDE_RUNS bool make_positions(int i, int count) {
    const auto valid = static_cast<__mmask16>(0xFFFF >> (kLanes - count));
    __m512i runs = _mm512_maskz_loadu_epi32(valid, differences_.data() + i);
    if (begun_) {
      const __m512i two_before =
          _mm512_broadcast_i32x2(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(runs_.data())));
      runs = _mm512_add_epi32(prefix_sum<2>(runs), two_before);
    } else {  // the first three are no differences: the first must not reach the third
      const __m512i alone = _mm512_maskz_mov_epi32(1, runs);
      runs = _mm512_or_si512(prefix_sum<2>(_mm512_maskz_mov_epi32(0xFFFE, runs)), alone);
      begun_ = true;
    }
    if (_mm512_mask_cmplt_epi32_mask(valid, runs, _mm512_setzero_si512()) != 0) return false;
    runs_ = {static_cast<uint32_t>(_mm256_extract_epi32(_mm512_extracti64x4_epi64(runs, 1), 6)),
             static_cast<uint32_t>(_mm256_extract_epi32(_mm512_extracti64x4_epi64(runs, 1), 7))};
    const __m512i ends = _mm512_add_epi32(prefix_sum<1>(_mm512_maskz_mov_epi32(valid, runs)),
                                          _mm512_set1_epi32(static_cast<int>(covered_)));
    const __m512i begins = _mm512_sub_epi32(ends, runs);
    if (_mm512_mask_cmplt_epu32_mask(valid, ends, begins) != 0) return false;
    _mm512_storeu_si512(positions_.data() + i, ends);
    covered_ = positions_[static_cast<size_t>(i + count - 1)];
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  int held_ = 0;  // differences that are not positions yet
  bool begun_ = false;
  std::array<uint32_t, 2> runs_{};  // the last two of the vector before
  uint32_t covered_ = 0;
  alignas(64) std::array<int32_t, kBatch + 2 * kBlock> differences_;
  alignas(64) std::array<uint32_t, kBatch + 2 * kBlock> positions_;
};

/// The foreground runs that stand at `positions`: as many as `count` has pairs, without the empty ones.
AZ_WIDE_RUNS __mmask8 foreground(__m512i positions, int count, __m256i& begins, __m256i& ends) {
  begins = _mm512_cvtepi64_epi32(positions);
  ends = _mm512_cvtepi64_epi32(_mm512_srli_epi64(positions, 32));
  return _mm256_cmpneq_epi32_mask(begins, ends) & static_cast<__mmask8>(0xFF >> (8 - std::min(count, kLanes) / 2));
}

/// Extremes of the foreground's columns and rows.
class Extent {
 public:
  AZ_WIDE_RUNS explicit Extent(uint32_t height)
      : height_(_mm512_set1_pd(height)),
        inverse_(_mm512_set1_pd(1.0 / height)),
        top_(height_),
        left_(_mm512_set1_pd(4294967296.0)) {}

  /// Runs of the picture's pixels, column after column. The half pixel keeps a quotient away from the next integer, so
  /// rounding cannot reach it.
  AZ_WIDE_RUNS void add(__mmask8 some, __m256i begins, __m256i ends) {
    const __m512d begin = _mm512_cvtepu32_pd(begins);
    const __m512d end = _mm512_cvtepu32_pd(_mm256_sub_epi32(ends, _mm256_set1_epi32(1)));
    const __m512d first = column_of(begin), last = column_of(end);
    const __mmask8 spans = _mm512_cmp_pd_mask(first, last, _CMP_NEQ_OQ);
    const __m512d upper = _mm512_sub_pd(begin, _mm512_mul_pd(first, height_));
    const __m512d lower = _mm512_sub_pd(end, _mm512_mul_pd(last, height_));
    top_ = _mm512_mask_min_pd(top_, some, top_, _mm512_maskz_mov_pd(static_cast<__mmask8>(~spans), upper));
    const __m512d full = _mm512_sub_pd(height_, _mm512_set1_pd(1));
    bottom_ = _mm512_mask_max_pd(bottom_, some, bottom_, _mm512_mask_mov_pd(lower, spans, full));
    left_ = _mm512_mask_min_pd(left_, some, left_, first);
    right_ = _mm512_mask_max_pd(right_, some, right_, last);
  }

  AZ_WIDE_RUNS std::array<uint32_t, 4> box() const {
    const double left = _mm512_reduce_min_pd(left_), top = _mm512_reduce_min_pd(top_);
    const double width = _mm512_reduce_max_pd(right_) - left + 1, height = _mm512_reduce_max_pd(bottom_) - top + 1;
    return {static_cast<uint32_t>(left), static_cast<uint32_t>(top), static_cast<uint32_t>(width),
            static_cast<uint32_t>(height)};
  }

 private:
  AZ_WIDE_RUNS __m512d column_of(__m512d pixel) const {
    return _mm512_floor_pd(_mm512_mul_pd(_mm512_add_pd(pixel, _mm512_set1_pd(0.5)), inverse_));
  }
  __m512d height_, inverse_, top_, left_;
  __m512d right_ = __m512d{}, bottom_ = __m512d{};
};

}  // namespace

bool has_wide_runs() {
  return __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vbmi") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("bmi2");
}

AZ_WIDE_RUNS std::optional<RunTotals> run_totals_wide(std::string_view text, uint32_t height) {
  RunPositions reader(text);
  RunTotals totals;
  Extent extent(std::max(height, 1U));
  __m256i area = _mm256_setzero_si256();
  for (int count = reader.next(); count != 0; count = reader.next()) {
    if (count < 0) return std::nullopt;
    for (int i = 0; i < count; i += kLanes) {
      __m256i begins, ends;
      const __mmask8 some = foreground(_mm512_loadu_si512(reader.positions() + i), count - i, begins, ends);
      area = _mm256_mask_add_epi32(area, some, area, _mm256_sub_epi32(ends, begins));
      extent.add(some, begins, ends);
    }
  }
  alignas(32) std::array<uint32_t, 8> areas;
  _mm256_store_si256(reinterpret_cast<__m256i*>(areas.data()), area);
  for (const uint32_t part : areas) totals.area += part;
  totals.covered = reader.covered();
  if (totals.area > 0) totals.box = extent.box();
  return totals;
}

AZ_WIDE_RUNS std::optional<size_t> append_edges_wide(std::string_view text, uint32_t* to) {
  RunPositions reader(text);
  const uint32_t* const start = to;
  for (int count = reader.next(); count != 0; count = reader.next()) {
    if (count < 0) return std::nullopt;
    for (int i = 0; i < count; i += kLanes) {
      const __m512i positions = _mm512_loadu_si512(reader.positions() + i);
      __m256i begins, ends;
      const __mmask8 some = foreground(positions, count - i, begins, ends);
      _mm512_storeu_si512(to, _mm512_maskz_compress_epi64(some, positions));
      to += 2 * std::popcount(static_cast<unsigned>(some));
    }
  }
  return static_cast<size_t>(to - start);
}

}  // namespace az::cpu

#else

namespace az::cpu {

bool has_wide_runs() { return false; }
std::optional<RunTotals> run_totals_wide(std::string_view, uint32_t) { return std::nullopt; }
std::optional<size_t> append_edges_wide(std::string_view, uint32_t*) { return std::nullopt; }

}  // namespace az::cpu

#endif
