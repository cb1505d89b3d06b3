#include "data/synth/raster.h"

#include <algorithm>
#include <cmath>

namespace az::data::synth {
namespace {

// Adds an edge piece inside one row: it goes down by `fall` (signed) while x runs from a to b. Each cell gets the area
// to the right of the piece; the next cell gets the rest, so that a running sum along the row gives coverage.
void add_piece(float* row, int width, double a, double b, double fall) {
  if (a > b) std::swap(a, b);
  a = std::clamp(a, 0.0, static_cast<double>(width));
  b = std::clamp(b, 0.0, static_cast<double>(width));
  const int first = static_cast<int>(a);
  const int last = static_cast<int>(b);
  for (int cell = first; cell <= last; ++cell) {
    const double low = std::max(a, static_cast<double>(cell));
    const double high = std::min(b, cell + 1.0);
    const double part = last == first ? fall : fall * (high - low) / (b - a);
    const double middle = 0.5 * (low + high) - cell;
    row[cell] += static_cast<float>(part * (1 - middle));
    row[cell + 1] += static_cast<float>(part * middle);
  }
}

// Adds the edge p-q, in box coordinates, to the difference rows of stride width + 2.
void add_edge(std::vector<float>& rows, int width, int height, Point p, Point q) {
  if (p.y == q.y) return;
  const double sign = p.y < q.y ? 1 : -1;
  if (sign < 0) std::swap(p, q);
  const double slope = (q.x - p.x) / (q.y - p.y);
  const int first = std::max(0, static_cast<int>(std::floor(p.y)));
  const int last = std::min(height - 1, static_cast<int>(std::floor(q.y)));
  for (int y = first; y <= last; ++y) {
    const double top = std::max(p.y, static_cast<double>(y));
    const double bottom = std::min(q.y, y + 1.0);
    if (bottom <= top) continue;
    add_piece(rows.data() + static_cast<size_t>(y) * static_cast<size_t>(width + 2), width, p.x + (top - p.y) * slope,
              p.x + (bottom - p.y) * slope, sign * (bottom - top));
  }
}

Box bounds(std::span<const Point> outline, int width, int height, int margin) {
  double left = 1e9;
  double right = -1e9;
  double top = 1e9;
  double bottom = -1e9;
  for (const Point& p : outline) {
    left = std::min(left, p.x);
    right = std::max(right, p.x);
    top = std::min(top, p.y);
    bottom = std::max(bottom, p.y);
  }
  const int x0 = std::max(0, static_cast<int>(std::floor(left)) - margin);
  const int y0 = std::max(0, static_cast<int>(std::floor(top)) - margin);
  const int x1 = std::min(width, static_cast<int>(std::ceil(right)) + margin);
  const int y1 = std::min(height, static_cast<int>(std::ceil(bottom)) + margin);
  return x1 > x0 && y1 > y0 ? Box{x0, y0, x1 - x0, y1 - y0} : Box{};
}

}  // namespace

double signed_area(std::span<const Point> outline) {
  double twice = 0;
  for (size_t i = 0; i < outline.size(); ++i) {
    const Point& p = outline[i];
    const Point& q = outline[(i + 1) % outline.size()];
    twice += p.x * q.y - q.x * p.y;
  }
  return twice / 2;
}

Coverage rasterise(std::span<const Point> outline, int width, int height, int margin) {
  Coverage out;
  out.box = bounds(outline, width, height, margin);
  const int w = out.box.width;
  const int h = out.box.height;
  out.share = Plane(w, h);
  std::vector<float> rows(static_cast<size_t>(w + 2) * static_cast<size_t>(h), 0.0F);
  for (size_t i = 0; i < outline.size(); ++i) {
    const Point& p = outline[i];
    const Point& q = outline[(i + 1) % outline.size()];
    add_edge(rows, w, h, {p.x - out.box.x, p.y - out.box.y}, {q.x - out.box.x, q.y - out.box.y});
  }
  for (int y = 0; y < h; ++y) {
    const float* in = rows.data() + static_cast<size_t>(y) * static_cast<size_t>(w + 2);
    float* share = out.share.row(y);
    float sum = 0;
    for (int x = 0; x < w; ++x) {
      sum += in[x];
      share[x] = std::min(std::fabs(sum), 1.0F);
    }
  }
  return out;
}

}  // namespace az::data::synth
