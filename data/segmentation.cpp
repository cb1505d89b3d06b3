#include "data/segmentation.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>

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

struct RunsHeader {
  uint64_t bytes;  // of the text
  uint32_t height, width, area;
  std::array<uint32_t, 4> box;
};
constexpr size_t kHeaderWords = sizeof(RunsHeader) / sizeof(uint32_t);

// A copy: words are only aligned to four bytes.
RunsHeader header_of(const Segmentation& segmentation, const uint32_t* words) {
  AZ_CHECK(segmentation.kind() == Segmentation::Kind::runs, "the segmentation holds no runs");
  RunsHeader header;
  std::memcpy(&header, words, sizeof header);
  return header;
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
  const cpu::Box box = cpu::rle_box(rle);
  cpu::RunTotals totals{.covered = 0, .area = cpu::rle_area(rle), .box = {}};
  for (size_t i = 0; i < box.size(); ++i) totals.box[i] = static_cast<uint32_t>(box[i]);
  return add(cpu::rle_to_string(rle), rle.height, rle.width, totals);
}

Segmentation SegmentationStore::add(std::string_view text, uint32_t height, uint32_t width,
                                    const cpu::RunTotals& totals) {
  const RunsHeader header{text.size(), height, width, totals.area, totals.box};
  Segmentation added;
  added.kind_ = static_cast<uint8_t>(Segmentation::Kind::runs);
  uint32_t* words = allocate(kHeaderWords + (text.size() + 3) / 4);
  added.words_ = words;
  std::memcpy(words, &header, sizeof header);
  std::memcpy(words + kHeaderWords, text.data(), text.size());
  return added;
}

void SegmentationStore::absorb(SegmentationStore&& other) {
  Chunks& own = *chunks_;
  Chunks& taken = *other.chunks_;
  if (&own == &taken) return;
  own.all.insert(own.all.end(), std::make_move_iterator(taken.all.begin()), std::make_move_iterator(taken.all.end()));
  own.total += taken.total;
  taken = {};
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

std::string_view Segmentation::runs_text() const {
  return {reinterpret_cast<const char*>(words_ + kHeaderWords), header_of(*this, words_).bytes};
}

cpu::Rle Segmentation::runs() const {
  const RunsHeader header = header_of(*this, words_);
  return cpu::rle_from_string(runs_text(), header.height, header.width);
}

std::pair<uint32_t, uint32_t> Segmentation::runs_size() const {
  const RunsHeader header = header_of(*this, words_);
  return {header.height, header.width};
}

uint32_t Segmentation::runs_area() const { return header_of(*this, words_).area; }

cpu::Box Segmentation::runs_box() const {
  const RunsHeader header = header_of(*this, words_);
  cpu::Box box{};
  std::ranges::copy(header.box, box.begin());
  return box;
}

void Segmentation::append_edges(std::vector<uint32_t>& edges) const { cpu::append_edges(runs_text(), edges); }

cpu::Rle Segmentation::rle(uint32_t height, uint32_t width) const {
  AZ_CHECK(!empty(), "there is no segmentation");
  if (kind() == Kind::polygons) return cpu::rle_from_polygons(polygons(), height, width);
  cpu::Rle stored = runs();
  AZ_CHECK(stored.height == height && stored.width == width,
           "the runs are of a picture of {} x {}, this one is {} x {}", stored.width, stored.height, width, height);
  return stored;
}

}  // namespace az::data
