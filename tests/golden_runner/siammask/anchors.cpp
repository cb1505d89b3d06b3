#include "models/siammask/anchors.h"

#include <nlohmann/json.hpp>

#include "tests/golden_runner/siammask/kinds.h"

namespace az::golden::siammask {
namespace {

using models::SiamAnchor;

/// One of an anchor's numbers after another, each over all anchors, rounded to f32 as the case has them.
std::vector<float> planes(const std::vector<SiamAnchor>& anchors, bool corners) {
  std::vector<float> out;
  const auto add = [&](auto value) {
    for (const SiamAnchor& a : anchors) out.push_back(static_cast<float>(value(a)));
  };
  add([&](const SiamAnchor& a) { return corners ? a.cx - a.w / 2 : a.cx; });
  add([&](const SiamAnchor& a) { return corners ? a.cy - a.h / 2 : a.cy; });
  add([&](const SiamAnchor& a) { return corners ? a.cx + a.w / 2 : a.w; });
  add([&](const SiamAnchor& a) { return corners ? a.cy + a.h / 2 : a.h; });
  return out;
}

/// [4, n] to [n, 4]
std::vector<float> rows(const std::vector<float>& planes) {
  const size_t n = planes.size() / 4;
  std::vector<float> out(planes.size());
  for (size_t i = 0; i < planes.size(); ++i) out[i % n * 4 + i / n] = planes[i];
  return out;
}

}  // namespace

void run_anchors(const std::filesystem::path& file, Report& report) {
  Case c(file, report);
  const models::SiamAnchorOptions options;
  c.check("base", rows(planes(models::siam_anchors(options, 1, 0), true)), {5, 4});
  // base_alt in words: stride 16, ratios 0.5, 1, 2, scales 4, 8, two digits
  c.check("base_alt",
          rows(planes(
              models::siam_anchors({.stride = 16, .scales = {4, 8}, .ratios = {0.5, 1, 2}, .round_digits = 2}, 1, 0),
              true)),
          {6, 4});
  for (const auto& [cells, centre] : c.json().at("im_c").items()) {
    const int64_t n = std::stoll(cells);
    const auto anchors = models::siam_anchors(options, n, centre.get<int64_t>());
    c.check("corner." + cells, planes(anchors, true), {4, 5, n, n});
    c.check("center." + cells, planes(anchors, false), {4, 5, n, n});
  }
  c.check("tracker.25", rows(planes(models::siam_anchors(options, 25, 0), false)), {5 * 25 * 25, 4});
  c.finish();
}

}  // namespace az::golden::siammask
