#include "tensor/shape.h"

#include <algorithm>

#include "tensor/error.h"

namespace az {

Shape::Shape(std::span<const int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  AZ_CHECK(dims.size() <= kMaxRank, "shape: {} extents, at most {} are supported", dims.size(), kMaxRank);
  std::copy(dims.begin(), dims.end(), dims_.begin());
  int64_t count = 1;
  for (const int64_t d : dims) {
    AZ_CHECK(d >= 0, "shape: negative extent in {}", str());
    AZ_CHECK(!__builtin_mul_overflow(count, d, &count), "shape: {} has more elements than can be counted", str());
  }
}

int64_t Shape::operator[](int i) const {
  const int at = i < 0 ? i + rank_ : i;
  AZ_CHECK(at >= 0 && at < rank_, "shape: no dimension {} in {}", i, str());
  return dims_[static_cast<size_t>(at)];
}

int64_t Shape::numel() const {
  int64_t count = 1;
  for (const int64_t d : dims()) count *= d;
  return count;
}

bool Shape::operator==(const Shape& other) const { return std::ranges::equal(dims(), other.dims()); }

std::string Shape::str() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) text += (i ? ", " : "") + std::to_string(dims_[static_cast<size_t>(i)]);
  return text + "]";
}

}  // namespace az
