#include "models/siammask/anchors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace az::models {
namespace {

double rounded(double side, int digits) {
  if (digits == 0) return std::trunc(side);
  return std::stod(fmt::format("{:.{}f}", side, digits));  // Python's round goes by the decimal value too
}

}  // namespace

std::vector<SiamAnchor> siam_anchors(const SiamAnchorOptions& o, int64_t cells, int64_t centre) {
  const auto positive = [](double v) { return v > 0 && std::isfinite(v); };
  AZ_CHECK(o.stride > 0 && o.round_digits >= 0 && o.round_digits <= 12 && cells >= 0,
           "siam_anchors: stride {}, {} digits, {} cells; want a stride above 0, 0 to 12 digits, 0 or more cells",
           o.stride, o.round_digits, cells);
  AZ_CHECK(!o.scales.empty() && !o.ratios.empty() && std::ranges::all_of(o.scales, positive) &&
               std::ranges::all_of(o.ratios, positive),
           "siam_anchors: {} scales and {} ratios; want at least one of each, all above 0", o.scales.size(),
           o.ratios.size());
  std::vector<SiamAnchor> anchors;
  anchors.reserve(o.scales.size() * o.ratios.size() * static_cast<size_t>(cells * cells));
  const auto at = [&](int64_t cell) { return static_cast<double>(centre + (cell - cells / 2) * o.stride); };
  const auto area = static_cast<double>(o.stride * o.stride);
  for (const double ratio : o.ratios) {
    const double w = rounded(std::sqrt(area / ratio), o.round_digits), h = rounded(w * ratio, o.round_digits);
    for (const double scale : o.scales)
      for (int64_t row = 0; row < cells; ++row)
        for (int64_t col = 0; col < cells; ++col) anchors.push_back({at(col), at(row), w * scale, h * scale});
  }
  return anchors;
}

}  // namespace az::models
