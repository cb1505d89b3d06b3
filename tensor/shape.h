// The extents of a tensor, outermost first. Images are [n, h, w, c].
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace az {

class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;  ///< rank 0: a scalar
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}
  /// Errors: more than kMaxRank extents, a negative extent, or more elements than an int64 counts.
  explicit Shape(std::span<const int64_t> dims);

  int rank() const { return rank_; }
  /// Extent `i`; negative counts from the end. Error: out of range.
  int64_t operator[](int i) const;
  int64_t numel() const;
  std::span<const int64_t> dims() const& { return {dims_.data(), static_cast<size_t>(rank_)}; }
  std::span<const int64_t> dims() const&& = delete;  // of a temporary nothing would be left
  bool operator==(const Shape& other) const;
  std::string str() const;  ///< "[2, 64, 80, 256]"

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace az
