#include "eval/roofline_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "eval/chart.h"
#include "tensor/error.h"

namespace az::eval {
namespace {

constexpr double kWidth = 960, kLeft = 62, kTop = 40, kRight = 590, kList = 612, kRow = 19;
constexpr double kPi = 3.14159265358979323846;

/// Where values go on the page; both axes through log10.
struct Page {
  double x_low, x_high, y_low, y_high, bottom;

  double x(double v) const {
    return kLeft + (std::log10(v) - std::log10(x_low)) / (std::log10(x_high) - std::log10(x_low)) * (kRight - kLeft);
  }
  double y(double v) const {
    return bottom - (std::log10(v) - std::log10(y_low)) / (std::log10(y_high) - std::log10(y_low)) * (bottom - kTop);
  }
};

double intensity(const RooflineDot& d) { return d.flops / d.bytes; }
double gflop_s(const RooflineDot& d) { return d.flops / d.ms / 1e6; }

Page page_for(const std::vector<RooflineDot>& dots, const std::vector<Roof>& roofs, double bottom) {
  double top = 0, wide = 0, narrow = std::numeric_limits<double>::infinity();
  for (const Roof& r : roofs) {
    if (!r.bandwidth) top = std::max(top, r.value);
    if (r.bandwidth) narrow = std::min(narrow, r.value), wide = std::max(wide, r.value);
  }
  Page page{top / wide / 4, 4 * top / narrow, top / 100, 2 * top, bottom};
  for (const RooflineDot& d : dots) {
    page.x_low = std::min(page.x_low, intensity(d) / 2);
    page.x_high = std::max(page.x_high, intensity(d) * 2);
    page.y_low = std::min(page.y_low, gflop_s(d) / 2);
    page.y_high = std::max(page.y_high, gflop_s(d) * 2);
  }
  return page;
}

std::string tick_text(double v) { return v >= 0.01 && v < 1e6 ? fmt::format("{:g}", v) : fmt::format("{:.0e}", v); }

std::string axes(const Page& p) {
  std::string out = "<g stroke='currentColor' stroke-opacity='.14'>\n";
  const auto xs = log_ticks(p.x_low, p.x_high), ys = log_ticks(p.y_low, p.y_high);
  for (const double v : xs)
    out += fmt::format("<line x1='{0:.1f}' x2='{0:.1f}' y1='{1}' y2='{2:.1f}'/>\n", p.x(v), kTop, p.bottom);
  for (const double v : ys)
    out += fmt::format("<line x1='{0}' x2='{1}' y1='{2:.1f}' y2='{2:.1f}'/>\n", kLeft, kRight, p.y(v));
  out += "</g>\n<g fill='currentColor' fill-opacity='.75'>\n";
  for (const double v : xs)
    out += fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='middle'>{}</text>\n", p.x(v), p.bottom + 16,
                       tick_text(v));
  for (const double v : ys)
    out += fmt::format("<text x='{}' y='{:.1f}' text-anchor='end'>{}</text>\n", kLeft - 6, p.y(v) + 4, tick_text(v));
  out += fmt::format("<text x='{}' y='{:.1f}' text-anchor='middle'>operations a byte (FLOP/B)</text>\n",
                     (kLeft + kRight) / 2, p.bottom + 34);
  return out +
         fmt::format("<text transform='translate(14 {:.1f}) rotate(-90)' text-anchor='middle'>GFLOP/s</text>\n</g>\n",
                     (kTop + p.bottom) / 2);
}

/// A flat roof from where the widest bandwidth reaches it, or a slanted one up to the highest flat roof, its name above
/// or below its line.
std::string roof_line(const Page& p, const Roof& roof, double highest, double widest, bool name_below) {
  double x0, y0, x1, y1;
  std::string text, place;
  if (roof.bandwidth) {
    x0 = std::max(p.x_low, p.y_low / roof.value);
    x1 = std::min(highest / roof.value, p.x_high);
    y0 = x0 * roof.value, y1 = x1 * roof.value;
    const double angle = std::atan2(p.y(y0) - p.y(y1), p.x(x1) - p.x(x0)) * 180 / kPi;
    text = fmt::format("{} {:.3g} GB/s", roof.name, roof.value);
    place = fmt::format("transform='translate({:.1f} {:.1f}) rotate({:.1f})' dx='8' dy='{}'", p.x(x0), p.y(y0), -angle,
                        name_below ? 13 : -4);
  } else {
    x0 = std::max(p.x_low, roof.value / widest), x1 = p.x_high;
    y0 = y1 = roof.value;
    text = fmt::format("{} {:.4g} GFLOP/s", roof.name, roof.value);
    place = fmt::format("x='{:.1f}' y='{:.1f}' text-anchor='end'", p.x(x1) - 4, p.y(y1) - 5);
  }
  return fmt::format(
      "<line x1='{:.1f}' y1='{:.1f}' x2='{:.1f}' y2='{:.1f}' stroke='currentColor' stroke-opacity='.7' "
      "stroke-width='1.5'/>\n<text {} font-size='11' fill='currentColor'>{}</text>\n",
      p.x(x0), p.y(y0), p.x(x1), p.y(y1), place, escape_html(text));
}

std::vector<std::string> groups_of(const std::vector<RooflineDot>& dots) {
  std::vector<std::string> groups;
  for (const RooflineDot& d : dots)
    if (std::ranges::find(groups, d.group) == groups.end()) groups.push_back(d.group);
  std::ranges::sort(groups);
  return groups;
}

std::string list(const std::vector<RooflineDot>& dots, const std::vector<std::string>& groups, double total) {
  std::string out;
  double y = kTop + 8;
  for (size_t g = 0; g < groups.size(); ++g, y += kRow)
    out += fmt::format(
        "<circle cx='{}' cy='{:.0f}' r='6' fill='{}' fill-opacity='.75'/><text x='{}' y='{:.0f}' "
        "fill='currentColor'>{}</text>\n",
        kList + 6, y - 4, chart_colour(g), kList + 20, y, escape_html(groups[g]));
  y += 6;
  for (size_t i = 0; i < dots.size(); ++i, y += kRow)
    out += fmt::format(
        "<text x='{}' y='{:.0f}' text-anchor='end' fill='currentColor' font-weight='600'>{}</text>"
        "<text x='{}' y='{:.0f}' fill='currentColor'>{}</text>"
        "<text x='{}' y='{:.0f}' text-anchor='end' fill='currentColor'>{:.1f} %</text>\n",
        kList + 14, y, i + 1, kList + 20, y, escape_html(dots[i].name), kWidth - 8, y, 100 * dots[i].ms / total);
  return out;
}

std::string circles(const Page& p, const std::vector<RooflineDot>& dots, const std::vector<std::string>& groups,
                    double total) {
  std::string out;
  for (size_t i = 0; i < dots.size(); ++i) {  // small ones over large ones
    const RooflineDot& d = dots[i];
    const double x = p.x(intensity(d)), y = p.y(gflop_s(d));
    const auto group = static_cast<size_t>(std::ranges::find(groups, d.group) - groups.begin());
    out += fmt::format(
        "<circle cx='{:.1f}' cy='{:.1f}' r='{:.1f}' fill='{}' fill-opacity='.6' stroke='{}'><title>{}: "
        "{:.1f} GFLOP/s, {:.2f} FLOP/B, {:.3f} ms</title></circle>\n",
        x, y, 5 + 27 * std::sqrt(d.ms / total), chart_colour(group), chart_colour(group), escape_html(d.name),
        gflop_s(d), intensity(d), d.ms);
  }
  for (size_t i = 0; i < dots.size(); ++i)
    out += fmt::format(
        "<text x='{:.1f}' y='{:.1f}' text-anchor='middle' font-size='11' font-weight='700' "
        "fill='currentColor'>{}</text>\n",
        p.x(intensity(dots[i])), p.y(gflop_s(dots[i])) + 4, i + 1);
  return out;
}

}  // namespace

std::string roofline_chart(const std::vector<RooflineDot>& all, const std::vector<Roof>& roofs,
                           const std::string& title, size_t most) {
  double highest = 0, widest = 0, total = 0;
  for (const Roof& r : roofs) {
    AZ_CHECK(r.value > 0, "roofline: roof {} is {}, want a value above 0", r.name, r.value);
    double& best = r.bandwidth ? widest : highest;
    best = std::max(best, r.value);
  }
  AZ_CHECK(highest > 0 && widest > 0, "roofline: wants a roof in GFLOP/s and one in GB/s");
  for (const RooflineDot& d : all) {
    AZ_CHECK(d.flops > 0 && d.bytes > 0 && d.ms > 0, "roofline: {} has {} operations, {} bytes, {} ms; want above 0",
             d.name, d.flops, d.bytes, d.ms);
    total += d.ms;
  }
  std::vector<RooflineDot> dots = all;
  std::ranges::stable_sort(dots, [](const RooflineDot& a, const RooflineDot& b) { return a.ms > b.ms; });
  dots.resize(std::min(dots.size(), most));
  const auto groups = groups_of(dots);
  const double height = std::max(520.0, kTop + kRow * static_cast<double>(dots.size() + groups.size()) + 40);
  std::string out = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {} {:.0f}' width='100%' role='img' aria-label='{}' "
      "font-family='system-ui,sans-serif' font-size='12'>\n"
      "<text x='8' y='20' font-size='14' font-weight='600' fill='currentColor'>{}</text>\n",
      kWidth, height, escape_html(title), escape_html(title));
  if (dots.empty())
    return out +
           fmt::format("<text x='{}' y='{:.0f}' text-anchor='middle' fill='currentColor'>no data</text>\n</svg>\n",
                       (kLeft + kRight) / 2, height / 2);
  const Page page = page_for(dots, roofs, height - 46);
  out += axes(page);
  for (const Roof& roof : roofs) {
    const bool close_to_next = std::ranges::any_of(roofs, [&](const Roof& next) {
      return roof.bandwidth && next.bandwidth && next.value > roof.value && next.value < 1.5 * roof.value;
    });
    out += roof_line(page, roof, highest, widest, close_to_next);
  }
  return out + circles(page, dots, groups, total) + list(dots, groups, total) + "</svg>\n";
}

}  // namespace az::eval
