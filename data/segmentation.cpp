#include "data/segmentation.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "tensor/error.h"

namespace az::data {
namespace {

constexpr size_t kFirstChunkWords = size_t{1} << 10;  // chunks grow with what is held, up to:
constexpr size_t kChunkWords = size_t{1} << 18;

// x as a number of hundredths, if dividing that by 100 gives x back. It does for every decimal of up to two places:
// both the parser and the division round the same rational number.
bool to_hundredths(double x, int32_t& hundredths) {
  const double n = std::round(x * 100);
  if (!(std::abs(n) < 2e9)) return false;
  hundredths = static_cast<int32_t>(n);
  return n / 100 == x;
}

bool all_hundredths(std::span<const std::vector<double>> parts) {
  int32_t unused;
  return std::ranges::all_of(parts, [&](const auto& part) {
    return std::ranges::all_of(part, [&](double x) { return to_hundredths(x, unused); });
  });
}

}  // namespace

struct SegmentationStore::Chunks {
  std::vector<std::unique_ptr<uint32_t[]>> all;
  uint32_t* next = nullptr;
  size_t left = 0;
  size_t total = 0;
};

SegmentationStore::SegmentationStore() : chunks_(std::make_shared<Chunks>()) {}

size_t SegmentationStore::bytes() const { return chunks_->total * sizeof(uint32_t); }

uint32_t* SegmentationStore::allocate(size_t words) {
  Chunks& chunks = *chunks_;
  const auto add_chunk = [&](size_t size) {
    chunks.all.push_back(std::make_unique_for_overwrite<uint32_t[]>(size));
    chunks.total += size;
    return chunks.all.back().get();
  };
  if (words > kChunkWords / 8) return add_chunk(words);
  if (words > chunks.left) {
    chunks.left = std::max(words, std::clamp(chunks.total, kFirstChunkWords, kChunkWords));
    chunks.next = add_chunk(chunks.left);
  }
  uint32_t* const given = chunks.next;
  chunks.next += words;
  chunks.left -= words;
  return given;
}

Segmentation SegmentationStore::add(std::span<const std::vector<double>> parts) {
  size_t coordinates = 0;
  for (const auto& part : parts) coordinates += part.size();
  Segmentation added;
  added.kind_ = static_cast<uint8_t>(Segmentation::Kind::polygons);
  added.hundredths_ = all_hundredths(parts);
  uint32_t* word = allocate(1 + parts.size() + coordinates * (added.hundredths_ ? 1 : 2));
  added.words_ = word;
  *word++ = static_cast<uint32_t>(parts.size());
  for (const auto& part : parts) *word++ = static_cast<uint32_t>(part.size());
  for (const auto& part : parts) {
    for (const double x : part) {
      if (int32_t hundredths; added.hundredths_ && to_hundredths(x, hundredths)) {
        *word++ = static_cast<uint32_t>(hundredths);
      } else {
        const auto bits = std::bit_cast<uint64_t>(x);
        *word++ = static_cast<uint32_t>(bits);
        *word++ = static_cast<uint32_t>(bits >> 32);
      }
    }
  }
  return added;
}

Segmentation SegmentationStore::add(const cpu::Rle& rle) {
  Segmentation added;
  added.kind_ = static_cast<uint8_t>(Segmentation::Kind::runs);
  uint32_t* word = allocate(3 + rle.counts.size());
  added.words_ = word;
  *word++ = static_cast<uint32_t>(rle.counts.size());
  *word++ = rle.height;
  *word++ = rle.width;
  std::ranges::copy(rle.counts, word);
  return added;
}

std::vector<std::vector<double>> Segmentation::polygons() const {
  if (kind() != Kind::polygons) return {};
  std::vector<std::vector<double>> parts(words_[0]);
  const uint32_t* word = words_ + 1 + parts.size();
  for (size_t i = 0; i < parts.size(); ++i) {
    parts[i].resize(words_[1 + i]);
    for (double& x : parts[i]) {
      if (hundredths_) {
        x = static_cast<double>(static_cast<int32_t>(*word++)) / 100;
      } else {
        x = std::bit_cast<double>(uint64_t{word[0]} | uint64_t{word[1]} << 32);
        word += 2;
      }
    }
  }
  return parts;
}

cpu::Rle Segmentation::runs() const {
  AZ_CHECK(kind() == Kind::runs, "the segmentation holds no runs");
  return {words_[1], words_[2], std::vector<uint32_t>(words_ + 3, words_ + 3 + words_[0])};
}

std::pair<uint32_t, uint32_t> Segmentation::runs_size() const {
  AZ_CHECK(kind() == Kind::runs, "the segmentation holds no runs");
  return {words_[1], words_[2]};
}

cpu::Rle Segmentation::rle(uint32_t height, uint32_t width) const {
  AZ_CHECK(!empty(), "there is no segmentation");
  if (kind() == Kind::polygons) return cpu::rle_from_polygons(polygons(), height, width);
  cpu::Rle stored = runs();
  AZ_CHECK(stored.height == height && stored.width == width,
           "the runs are of a picture of {} x {}, this one is {} x {}", stored.width, stored.height, width, height);
  return stored;
}

}  // namespace az::data
