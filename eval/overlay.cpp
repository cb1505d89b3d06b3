#include "eval/overlay.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/synth/plane.h"
#include "data/synth/raster.h"
#include "eval/pen.h"
#include "tensor/error.h"

namespace az::eval {
namespace {

constexpr Rgb kRim = {12, 12, 16};
constexpr Rgb kWhite = {255, 255, 255};

// Text and lines grow with the picture: 1 up to about 500 px on the shorter side.
int drawing_scale(const data::Image& image) {
  return std::clamp((std::min(image.width, image.height) + 150) / 400, 1, 8);
}

bool drawn(const OverlayItem& item, const OverlayOptions& options) {
  return item.score < 0 || item.score >= options.least_score;
}

bool covers(const cpu::Mask& mask, int x, int y) {
  return x >= 0 && y >= 0 && x < mask.width && y < mask.height &&
         mask.pixels[static_cast<size_t>(y) * static_cast<size_t>(mask.width) + static_cast<size_t>(x)] != 0;
}

void fill_mask(data::Image& image, const cpu::Mask& mask, const Rgb& colour, double opacity) {
  for (int y = 0; y < mask.height; ++y)
    for (int x = 0; x < mask.width; ++x)
      if (covers(mask, x, y)) blend_pixel(image, x, y, colour, opacity);
}

bool finite(const std::vector<std::array<double, 2>>& polygon) {
  return std::all_of(polygon.begin(), polygon.end(),
                     [](const auto& p) { return std::fabs(p[0]) < 1e6 && std::fabs(p[1]) < 1e6; });
}

void fill_polygon(data::Image& image, const OverlayItem& item, const Rgb& colour, double opacity) {
  std::vector<data::synth::Point> outline;
  for (const auto& p : item.polygon) outline.push_back({p[0], p[1]});
  const data::synth::Coverage cover = data::synth::rasterise(outline, image.width, image.height);
  for (int y = 0; y < cover.box.height; ++y)
    for (int x = 0; x < cover.box.width; ++x)
      blend_pixel(image, cover.box.x + x, cover.box.y + y, colour,
                  opacity * static_cast<double>(cover.share.row(y)[x]));
}

// The rim first and the colour over it.
void outline_mask(data::Image& image, const cpu::Mask& mask, const Rgb& colour, double width_px) {
  for (const auto& [width, ink] : {std::pair{width_px + 2, kRim}, std::pair{width_px, colour}})
    for (int y = 0; y < mask.height; ++y)
      for (int x = 0; x < mask.width; ++x) {
        if (!covers(mask, x, y)) continue;
        // An edge of the picture is no contour.
        if (x > 0 && !covers(mask, x - 1, y)) draw_line(image, {x + 0.0, y + 0.0}, {x + 0.0, y + 1.0}, width, ink);
        if (y > 0 && !covers(mask, x, y - 1)) draw_line(image, {x + 0.0, y + 0.0}, {x + 1.0, y + 0.0}, width, ink);
        if (x + 1 < mask.width && !covers(mask, x + 1, y))
          draw_line(image, {x + 1.0, y + 0.0}, {x + 1.0, y + 1.0}, width, ink);
        if (y + 1 < mask.height && !covers(mask, x, y + 1))
          draw_line(image, {x + 0.0, y + 1.0}, {x + 1.0, y + 1.0}, width, ink);
      }
}

void outline_polygon(data::Image& image, const std::vector<std::array<double, 2>>& polygon, const Rgb& colour,
                     double width_px) {
  for (const auto& [width, ink] : {std::pair{width_px + 2, kRim}, std::pair{width_px, colour}})
    for (size_t i = 0; i < polygon.size(); ++i)
      draw_line(image, polygon[i], polygon[(i + 1) % polygon.size()], width, ink);
}

void draw_item(data::Image& image, const OverlayItem& item, const Rgb& colour, const OverlayOptions& options,
               int scale) {
  const bool has_polygon = item.polygon.size() >= 3 && finite(item.polygon);
  if (item.mask)
    fill_mask(image, *item.mask, colour, options.opacity);
  else if (has_polygon)
    fill_polygon(image, item, colour, options.opacity);
  if (has_polygon && item.centre && options.rays)
    for (const auto& end : item.polygon) {
      draw_line(image, *item.centre, end, 0.7 * scale + 1, kRim, 0.35);
      draw_line(image, *item.centre, end, 0.7 * scale, kWhite, 0.75);
    }
  if (has_polygon)
    outline_polygon(image, item.polygon, colour, 1.5 * scale);
  else if (item.mask)
    outline_mask(image, *item.mask, colour, 1.2 * scale);
  if (options.boxes && item.box[2] > 0 && item.box[3] > 0) {
    const auto [x, y, w, h] = item.box;
    outline_polygon(image, {{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}, colour, 1.0 * scale);
  }
  if (item.centre) {
    draw_disc(image, *item.centre, 2.2 * scale + 1, kRim);
    draw_disc(image, *item.centre, 2.2 * scale, kWhite);
    draw_disc(image, *item.centre, 1.2 * scale, colour);
  }
}

struct Plate {
  int x = 0, y = 0, width = 0, height = 0;

  bool meets(const Plate& o) const {
    return x < o.x + o.width && o.x < x + width && y < o.y + o.height && o.y < y + height;
  }
};

// The rectangle a label belongs to.
std::array<double, 4> extent(const OverlayItem& item) {
  if (item.box[2] > 0 && item.box[3] > 0) return item.box;
  double left = 1e9, top = 1e9, right = -1e9, bottom = -1e9;
  const auto take = [&](double x, double y) {
    left = std::min(left, x);
    right = std::max(right, x);
    top = std::min(top, y);
    bottom = std::max(bottom, y);
  };
  for (const auto& p : item.polygon) take(p[0], p[1]);
  if (item.mask && item.polygon.empty())
    for (int y = 0; y < item.mask->height; ++y)
      for (int x = 0; x < item.mask->width; ++x)
        if (covers(*item.mask, x, y)) take(x, y);
  if (left > right && item.centre) take((*item.centre)[0], (*item.centre)[1]);
  return left > right ? std::array<double, 4>{} : std::array<double, 4>{left, top, right - left, bottom - top};
}

// Above the object, else below, inside, beside it, else the nearest free row; the first place when nothing is free.
Plate find_place(const data::Image& image, const std::array<double, 4>& box, int width, int height,
                 const std::vector<Plate>& taken) {
  const auto whole = [](double v) { return std::isnan(v) ? 0 : static_cast<int>(std::clamp(v, -1e6, 1e6)); };
  const int x = whole(box[0]);
  const int y = whole(box[1]);
  const int right = whole(box[0] + box[2]);
  const int bottom = whole(box[1] + box[3]);
  const auto inside = [&](int px, int py) {
    return Plate{std::clamp(px, 0, std::max(0, image.width - width)),
                 std::clamp(py, 0, std::max(0, image.height - height)), width, height};
  };
  const auto is_free = [&](const Plate& plate) {
    return std::none_of(taken.begin(), taken.end(), [&](const Plate& o) { return plate.meets(o); });
  };
  std::vector<Plate> places = {inside(x, y - height),
                               inside(x, bottom),
                               inside(x, y),
                               inside(right - width, y - height),
                               inside(right, (y + bottom - height) / 2),
                               inside(x - width, (y + bottom - height) / 2)};
  for (int step = 1; step <= image.height / std::max(height, 1); ++step)
    for (const int sign : {-1, 1}) places.push_back(inside(x, y - height + sign * step * height));
  const auto found = std::find_if(places.begin(), places.end(), is_free);
  return found != places.end() ? *found : places.front();
}

void draw_labels(data::Image& image, std::span<const OverlayItem> items, const std::vector<size_t>& order,
                 const std::vector<Rgb>& colours, int scale) {
  std::vector<Plate> taken;
  for (const size_t i : order) {
    const OverlayItem& item = items[i];
    const std::string text =
        item.score < 0 ? item.name : fmt::format("{}{}{:.2f}", item.name, item.name.empty() ? "" : " ", item.score);
    if (text.empty()) continue;
    const Plate plate =
        find_place(image, extent(item), text_width(text, scale) + 4 * scale, text_height(scale) + 2 * scale, taken);
    const Rgb& colour = colours[i];
    fill_rectangle(image, plate.x, plate.y, plate.width, plate.height, kRim, 0.8);
    fill_rectangle(image, plate.x, plate.y, scale, plate.height, colour);
    const Rgb ink = {static_cast<uint8_t>((colour[0] + 765) / 4), static_cast<uint8_t>((colour[1] + 765) / 4),
                     static_cast<uint8_t>((colour[2] + 765) / 4)};
    draw_text(image, plate.x + 3 * scale, plate.y + 2 * scale, text, ink, scale);
    taken.push_back(plate);
  }
}

}  // namespace

Rgb overlay_colour(int index) {
  // Steps of the golden angle never come close to a recent hue; three levels of brightness part the later rounds.
  const data::synth::Colour colour =
      data::synth::from_hsv(20 + 137.508 * index, index % 3 == 1 ? 0.55 : 0.8, index % 3 == 2 ? 0.82 : 1.0);
  return {static_cast<uint8_t>(colour[0]), static_cast<uint8_t>(colour[1]), static_cast<uint8_t>(colour[2])};
}

data::Image draw_overlay(const data::Image& image, std::span<const OverlayItem> items, const OverlayOptions& options) {
  AZ_CHECK(image.channels == 3, "overlay: the picture has {} channels, want 3", image.channels);
  data::Image out = image;
  const int scale = drawing_scale(image);
  std::vector<size_t> order;
  std::vector<Rgb> colours;
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].mask)
      AZ_CHECK(items[i].mask->width == image.width && items[i].mask->height == image.height,
               "overlay: the mask of item {} is {}x{}, the picture {}x{} (width x height)", i, items[i].mask->width,
               items[i].mask->height, image.width, image.height);
    colours.push_back(
        overlay_colour(options.colour_by == ColourBy::category ? items[i].category : static_cast<int>(i)));
    if (drawn(items[i], options)) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return items[a].score > items[b].score; });
  for (auto i = order.rbegin(); i != order.rend(); ++i) draw_item(out, items[*i], colours[*i], options, scale);
  if (options.labels) draw_labels(out, items, order, colours, scale);
  return out;
}

data::Image side_by_side(const data::Image& left, const std::string& left_title, const data::Image& right,
                         const std::string& right_title) {
  AZ_CHECK(left.channels == 3 && right.channels == 3, "overlay: pictures have {} and {} channels, want 3",
           left.channels, right.channels);
  const int scale = drawing_scale(left);
  const int gap = 4 * scale;
  const int title = text_height(scale) + 5 * scale;
  data::Image out;
  out.width = left.width + gap + right.width;
  out.height = title + std::max(left.height, right.height);
  out.pixels.assign(static_cast<size_t>(out.width) * static_cast<size_t>(out.height) * 3, 32);
  int x = 0;
  for (const auto& [image, text] : {std::pair{&left, &left_title}, std::pair{&right, &right_title}}) {
    for (int y = 0; y < image->height; ++y) std::copy_n(image->at(0, y), image->width * 3, out.at(x, title + y));
    draw_text(out, x + 3 * scale, 3 * scale, *text, kWhite, scale);
    x += image->width + gap;
  }
  return out;
}

data::Image draw_comparison(const data::Image& image, std::span<const OverlayItem> truth,
                            std::span<const OverlayItem> predictions, const OverlayOptions& options) {
  return side_by_side(draw_overlay(image, truth, options), "ground truth", draw_overlay(image, predictions, options),
                      "predictions");
}

}  // namespace az::eval
