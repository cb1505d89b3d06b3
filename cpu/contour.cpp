#include "cpu/contour.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "tensor/error.h"

namespace az::cpu {
namespace {

/// The object's rectangle with a border of background around it, so that neighbours need no bounds check.
class Window {
 public:
  void fill(const MaskView& mask, const Rect& bounds) {
    width_ = bounds.width + 2;
    height_ = bounds.height + 2;
    pixels_.assign(static_cast<size_t>(width_) * static_cast<size_t>(height_), 0);
    for (int y = 0; y < bounds.height; ++y) {
      const uint8_t* source = mask.pixels + (bounds.y + y) * mask.stride + bounds.x;
      std::memcpy(row(y + 1) + 1, source, static_cast<size_t>(bounds.width));
    }
  }

  int width() const { return width_; }
  int height() const { return height_; }
  uint8_t* row(int y) { return &pixels_[static_cast<size_t>(y) * static_cast<size_t>(width_)]; }
  const uint8_t* row(int y) const { return &pixels_[static_cast<size_t>(y) * static_cast<size_t>(width_)]; }

 private:
  int width_ = 0, height_ = 0;
  std::vector<uint8_t> pixels_;
};

/// Foreground pixels first..last of row y, and the run that stands for its component.
struct Run {
  int y, first, last;
  int parent;
};

/// First non-zero byte of [p, end), 64 at a time, then eight; end when there is none.
const uint8_t* find_set(const uint8_t* p, const uint8_t* end) {
  for (std::array<uint64_t, 8> words; end - p >= 64; p += 64) {
    std::memcpy(words.data(), p, sizeof words);
    uint64_t any = 0;
    for (const uint64_t word : words) any |= word;
    if (any != 0) break;
  }
  for (uint64_t word = 0; end - p >= 8; p += 8) {
    std::memcpy(&word, p, 8);
    if (word != 0) break;
  }
  while (p < end && *p == 0) ++p;
  return p;
}

int find_root(std::vector<Run>& runs, int i) {
  auto parent = [&](int r) -> int& { return runs[static_cast<size_t>(r)].parent; };
  while (parent(i) != i) i = parent(i) = parent(parent(i));
  return i;
}

/// Joins the runs of one row to those of the row above that they touch, corners included. The smaller index becomes
/// the root, so a component's root is its first run in raster order.
void join_rows(std::vector<Run>& runs, size_t above, size_t row_begin) {
  for (size_t i = row_begin; i < runs.size(); ++i) {
    while (above < row_begin && runs[above].last < runs[i].first - 1) ++above;
    for (size_t j = above; j < row_begin && runs[j].first <= runs[i].last + 1; ++j) {
      const int a = find_root(runs, static_cast<int>(i));
      const int b = find_root(runs, static_cast<int>(j));
      runs[static_cast<size_t>(std::max(a, b))].parent = std::min(a, b);
    }
  }
}

/// All runs of the window in raster order, joined into 8-connected components.
void find_runs(const Window& window, std::vector<Run>& runs) {
  runs.clear();
  size_t above = 0;
  for (int y = 1; y + 1 < window.height(); ++y) {
    const size_t row_begin = runs.size();
    const uint8_t* row = window.row(y);
    const uint8_t* end = row + window.width() - 1;
    for (const uint8_t* p = find_set(row + 1, end); p < end; p = find_set(p, end)) {
      // The border's last byte is background, so the search ends inside the row.
      const auto* stop = static_cast<const uint8_t*>(std::memchr(p, 0, static_cast<size_t>(end + 1 - p)));
      runs.push_back({y, static_cast<int>(p - row), static_cast<int>(stop - row) - 1, static_cast<int>(runs.size())});
      p = stop;
    }
    join_rows(runs, above, row_begin);
    above = row_begin;
  }
}

struct Component {
  Point first;  // in raster order
  int left, right, bottom;
  int64_t pixels;
};

struct Components {
  std::vector<Component> list;
  std::vector<Run> runs;
  std::vector<size_t> slot;  // of a root run's component
};

void find_components(const Window& window, Components& found) {
  auto& [components, runs, slot] = found;
  find_runs(window, runs);
  components.clear();
  slot.resize(runs.size());
  for (size_t i = 0; i < runs.size(); ++i) {
    const Run& run = runs[i];
    const size_t root = static_cast<size_t>(find_root(runs, static_cast<int>(i)));
    if (root == i) {
      slot[i] = components.size();
      components.push_back({{run.first, run.y}, run.first, run.last, run.y, 0});
    }
    Component& c = components[slot[root]];
    c.left = std::min(c.left, run.first);
    c.right = std::max(c.right, run.last);
    c.bottom = run.y;
    c.pixels += run.last - run.first + 1;
  }
}

/// Outer border of the component whose first pixel is `start` (specification 6.1), in window coordinates.
/// Directions count counter-clockwise on screen from east.
void trace(const Window& window, Point start, std::vector<Point>& contour) {
  static constexpr std::array<int, 8> kDx = {1, 1, 0, -1, -1, -1, 0, 1};
  static constexpr std::array<int, 8> kDy = {0, -1, -1, -1, 0, 1, 1, 1};
  std::array<std::ptrdiff_t, 8> offset{};
  for (size_t d = 0; d < 8; ++d) offset[d] = std::ptrdiff_t{kDy[d]} * window.width() + kDx[d];

  const uint8_t* first = window.row(start.y) + start.x;
  unsigned towards_second = 4;  // west; then clockwise
  int tries = 0;
  while (tries < 8 && first[offset[towards_second]] == 0) towards_second = (towards_second - 1) & 7, ++tries;
  contour.clear();
  if (tries == 8) {
    contour.push_back(start);
    return;
  }
  const uint8_t* second = first + offset[towards_second];

  const uint8_t* current = first;
  Point at = start;
  unsigned towards_previous = towards_second;
  for (;;) {
    unsigned d = (towards_previous + 1) & 7;
    while (current[offset[d]] == 0) d = (d + 1) & 7;
    contour.push_back(at);
    const uint8_t* next = current + offset[d];
    if (next == first && current == second) return;
    at = {at.x + kDx[d], at.y + kDy[d]};
    current = next;
    towards_previous = (d + 4) & 7;
  }
}

/// Twice the polygon's area, exact.
int64_t doubled_area(const std::vector<Point>& contour) {
  int64_t sum = 0;
  Point previous = contour.back();
  for (const Point& p : contour) {
    sum += int64_t{previous.x} * p.y - int64_t{previous.y} * p.x;
    previous = p;
  }
  return std::abs(sum);
}

/// Mass centre (specification 6.2). The truncation makes the order of these roundings matter.
void find_centre(ObjectShape& shape) {
  double area = 0, moment_x = 0, moment_y = 0, sum_x = 0, sum_y = 0;
  Point previous = shape.contour.back();
  for (const Point& p : shape.contour) {
    const double x = p.x, y = p.y, x0 = previous.x, y0 = previous.y;
    const double f = (x * y0 - y * x0) / 2.0;
    area += f;
    moment_x += f * (x + x0) / 3.0;
    moment_y += f * (y + y0) / 3.0;
    sum_x += x;
    sum_y += y;
    previous = p;
  }
  shape.fallback = area == 0;
  const double count = static_cast<double>(shape.contour.size());
  const double x = shape.fallback ? sum_x / count : moment_x / area;
  const double y = shape.fallback ? sum_y / count : moment_y / area;
  shape.centre = {static_cast<int32_t>(x), static_cast<int32_t>(y)};
}

void check_bounds(const MaskView& mask, const Rect& bounds) {
  AZ_CHECK(bounds.x >= 0 && bounds.y >= 0 && bounds.width >= 0 && bounds.height >= 0 &&
               bounds.width <= mask.width - bounds.x && bounds.height <= mask.height - bounds.y,
           "contour: rectangle x {} y {} {}x{} leaves the mask of {}x{}", bounds.x, bounds.y, bounds.width,
           bounds.height, mask.width, mask.height);
}

/// From window to mask coordinates.
void move_to_mask(std::vector<Point>& contour, const Rect& bounds) {
  for (Point& p : contour) p = {p.x + bounds.x - 1, p.y + bounds.y - 1};
}

}  // namespace

struct ContourFinder::Buffers {
  Window window;
  Components components;
  std::vector<Point> contour;
  ObjectShape shape;
};

ContourFinder::ContourFinder() : buffers_(std::make_unique<Buffers>()) {}
ContourFinder::~ContourFinder() = default;

const ObjectShape& ContourFinder::describe(const MaskView& mask, const Rect& bounds) {
  check_bounds(mask, bounds);
  auto& [window, components, contour, shape] = *buffers_;
  window.fill(mask, bounds);
  find_components(window, components);
  shape.contour.clear();
  shape.pixels = shape.kept_pixels = 0;
  shape.components = static_cast<int>(components.list.size());
  int64_t best = -1;
  for (const Component& c : components.list) {
    shape.pixels += c.pixels;
    // The polygon lies in the part's rectangle: a part that cannot win is not traced.
    if (2 * int64_t{c.right - c.left} * (c.bottom - c.first.y) < best) continue;
    trace(window, c.first, contour);
    const int64_t area = doubled_area(contour);
    if (area < best) continue;
    best = area;
    std::swap(shape.contour, contour);
    shape.kept_pixels = c.pixels;
  }
  shape.area = 0;
  shape.fallback = false;
  shape.centre = {};
  if (shape.contour.empty()) return shape;
  move_to_mask(shape.contour, bounds);
  shape.area = static_cast<double>(best) / 2.0;
  find_centre(shape);
  return shape;
}

ObjectShape describe(const MaskView& mask, const Rect& bounds) { return ContourFinder().describe(mask, bounds); }

std::vector<std::vector<Point>> outer_contours(const MaskView& mask) {
  const Rect bounds = bounding_rect(mask);
  Window window;
  Components components;
  window.fill(mask, bounds);
  find_components(window, components);
  std::vector<std::vector<Point>> contours(components.list.size());
  for (size_t i = 0; i < contours.size(); ++i) {
    trace(window, components.list[i].first, contours[i]);
    move_to_mask(contours[i], bounds);
  }
  return contours;
}

double contour_area(const std::vector<Point>& contour) {
  return contour.empty() ? 0 : static_cast<double>(doubled_area(contour)) / 2.0;
}

ObjectShape describe(const MaskView& mask) { return describe(mask, bounding_rect(mask)); }

Rect bounding_rect(const MaskView& mask) {
  int left = mask.width, right = -1, top = mask.height, bottom = -1;
  for (int y = 0; y < mask.height; ++y) {
    const uint8_t* row = mask.pixels + y * mask.stride;
    const uint8_t* end = row + mask.width;
    const uint8_t* first = find_set(row, end);
    if (first == end) continue;
    const uint8_t* last = end - 1;
    while (*last == 0) --last;
    left = std::min(left, static_cast<int>(first - row));
    right = std::max(right, static_cast<int>(last - row));
    top = std::min(top, y);
    bottom = y;
  }
  if (right < 0) return {};
  return {left, top, right - left + 1, bottom - top + 1};
}

}  // namespace az::cpu
