#include "data/synth/mask_polygon.h"

#include <algorithm>

#include "data/synth/mask_shape.h"

namespace az::data::synth {
namespace {

struct Corner {
  int x = 0;
  int y = 0;
  bool operator==(const Corner&) const = default;
};

// The unit edges between a part's pixels and the rest, foreground on the right, by the corner that they start from.
class Edges {
 public:
  explicit Edges(const cpu::Mask& mask) : width_(mask.width + 1), out_(corners(mask), 0) {
    const auto inside = [&](int x, int y) {
      return x >= 0 && y >= 0 && x < mask.width && y < mask.height &&
             mask.pixels[static_cast<size_t>(y) * static_cast<size_t>(mask.width) + static_cast<size_t>(x)] != 0;
    };
    for (int y = 0; y < mask.height; ++y)
      for (int x = 0; x < mask.width; ++x) {
        if (!inside(x, y)) continue;
        if (!inside(x, y - 1)) add({x, y}, 0);
        if (!inside(x + 1, y)) add({x + 1, y}, 1);
        if (!inside(x, y + 1)) add({x + 1, y + 1}, 2);
        if (!inside(x - 1, y)) add({x, y + 1}, 3);
      }
  }

  // Takes a closed walk of edges away, from a corner that has one; only the corners where it turns are kept.
  std::vector<Corner> take_loop(Corner start) {
    std::vector<Corner> loop;
    Corner at = start;
    int last = -1;
    while (out_[index(at)] != 0) {
      uint8_t& exits = out_[index(at)];
      const int direction = next_direction(exits, last);
      exits = static_cast<uint8_t>(exits & ~(1 << direction));
      if (direction != last) loop.push_back(at);
      last = direction;
      at = {at.x + kStep[direction][0], at.y + kStep[direction][1]};
    }
    return loop;
  }

  // Every loop, in the order of their first corners.
  std::vector<std::vector<Corner>> take_all() {
    std::vector<std::vector<Corner>> loops;
    for (size_t i = 0; i < out_.size(); ++i)
      while (out_[i] != 0) loops.push_back(take_loop({static_cast<int>(i) % width_, static_cast<int>(i) / width_}));
    return loops;
  }

 private:
  static constexpr int kStep[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};

  static size_t corners(const cpu::Mask& mask) {
    return static_cast<size_t>(mask.width + 1) * static_cast<size_t>(mask.height + 1);
  }
  size_t index(Corner c) const {
    return static_cast<size_t>(c.y) * static_cast<size_t>(width_) + static_cast<size_t>(c.x);
  }
  void add(Corner from, int direction) {
    out_[index(from)] = static_cast<uint8_t>(out_[index(from)] | (1 << direction));
  }

  static int next_direction(uint8_t exits, int last) {
    if (last >= 0 && (exits & (1 << last)) != 0) return last;
    for (int direction = 0; direction < 4; ++direction)
      if ((exits & (1 << direction)) != 0) return direction;
    return 0;
  }

  int width_;
  std::vector<uint8_t> out_;  // a bit a direction: right, down, left, up
};

void append(std::vector<double>& polygon, const Corner& corner) {
  polygon.push_back(corner.x);
  polygon.push_back(corner.y);
}

}  // namespace

std::vector<std::vector<double>> mask_polygons(const cpu::Mask& mask) {
  std::vector<std::vector<double>> polygons;
  for (const cpu::Mask& part : mask_parts(mask)) {
    std::vector<double>& polygon = polygons.emplace_back();
    std::vector<std::vector<Corner>> loops = Edges(part).take_all();
    const Corner anchor = loops.front().front();
    for (const std::vector<Corner>& loop : loops) {
      for (const Corner& corner : loop) append(polygon, corner);
      append(polygon, loop.front());
      append(polygon, anchor);
    }
  }
  return polygons;
}

}  // namespace az::data::synth
