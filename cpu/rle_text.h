// COCO's compressed runs taken apart: numbers of 5 bits a character, the last of which lacks bit 5, the first lowest;
// from the fourth number on, differences to the run before the last.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

namespace az::cpu {

/// Calls f(run) for each run. False where the text is damaged (a character outside '0'..'o', a number that does not end
/// within 8 characters or the text, or a run outside 0..2^32-1); f has then seen some runs, and perhaps wrong ones.
///
/// Most numbers have one or two characters, so looking for each end by itself is a misprediction every few numbers.
/// Here the ends of 64 characters become bits of a word, and a number's characters are taken together.
template <class F>
bool for_runs(std::string_view text, const F& f) {
  static_assert(std::endian::native == std::endian::little);
  constexpr size_t kBlock = 64, kWord = 8;
  constexpr uint64_t kZeros = 0x3030303030303030, kMore = 0x2020202020202020, kBeyond = 0xC0C0C0C0C0C0C0C0;
  const auto word_at = [](const char* at) {
    uint64_t word;
    std::memcpy(&word, at, kWord);
    return word - kZeros;  // a character below '0' borrows, but is found before its neighbours matter
  };
  std::array<char, kBlock + kWord> tail;
  int64_t before = 0, last = 0;  // the runs before
  uint64_t bad = 0;
  size_t count = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = std::min(text.size() - at, kBlock);
    const char* block = text.data() + at;
    if (text.size() - at < tail.size()) {
      tail.fill('0');
      std::memcpy(tail.data(), block, length);
      block = tail.data();
    }
    uint64_t ends = 0;
    for (size_t i = 0; i < kBlock / kWord; ++i) {
      const uint64_t word = word_at(block + i * kWord);
      bad |= word & kBeyond;
      ends |= (((~word & kMore) >> 5) * 0x0102040810204080 >> 56) << (i * kWord);  // bit 8 i to bit 56 + i
    }
    if (length < kBlock) ends &= ~(~uint64_t{0} << length);
    if (bad != 0 || ends == 0) return false;
    size_t first = 0;  // of the number
    for (; ends != 0; ends &= ends - 1) {
      const auto end = static_cast<size_t>(std::countr_zero(ends));
      const size_t characters = end + 1 - first;
      if (characters > kWord) return false;
      const uint64_t word = word_at(block + first);
      uint64_t bits = (word & 0x1F) | (word >> 3 & 0x3E0);
      if (characters > 2) {
        bits = (word & 0x001F001F001F001F) | (word >> 3 & 0x03E003E003E003E0);
        bits = (bits & 0x000003FF000003FF) | (bits >> 6 & 0x000FFC00000FFC00);
        bits = (bits & 0xFFFFF) | (bits >> 12 & 0xFFFFF00000);
      }
      const size_t unused = 64 - 5 * characters;
      int64_t run = static_cast<int64_t>(bits << unused) >> unused;  // with its sign
      if (count++ > 2) run += before;
      bad |= static_cast<uint64_t>(run) >> 32;
      before = last;
      last = run;
      f(static_cast<uint32_t>(run));
      first = end + 1;
    }
    if (bad != 0) return false;
    at += first;
  }
  return true;
}

/// Divides 32-bit numbers by the same one over and over: the upper half of a product (Lemire, Kaser, Kurz, "Faster
/// remainder by direct computation", 2019). Exact for all of them.
class Divider {
 public:
  /// 0 is taken for 1.
  explicit Divider(uint32_t divisor) : inverse_(divisor > 1 ? std::numeric_limits<uint64_t>::max() / divisor + 1 : 0) {}
  uint32_t operator()(uint32_t value) const {
    if (inverse_ == 0) return value;
    return static_cast<uint32_t>((static_cast<Wide>(inverse_) * value) >> 64);
  }

 private:
  __extension__ using Wide = unsigned __int128;
  uint64_t inverse_;
};

}  // namespace az::cpu
