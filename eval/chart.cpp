#include "eval/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tensor/error.h"

namespace az::eval {
namespace {

// Middle tones, told apart by lightness too, at least 3:1 against white and against #14171a.
constexpr std::array<const char*, 8> kColours = {"#2f7bd6", "#d9701f", "#2f9e5b", "#c2486e",
                                                 "#8a63d2", "#98801f", "#1c95a8", "#7d838c"};
constexpr int kLegendRow_px = 18;
constexpr double kLetter_px = 6.6;  // mean width of a letter at the 12 px of labels

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
  bool empty() const { return low > high; }
};

// Where data go on the page: x to the right, y upward, each through log10 where asked.
struct Frame {
  Range x, y;
  double left, top, right, bottom;
  bool log_x, log_y;

  static double share(const Range& range, double v, bool log) {
    return log ? (std::log10(v) - std::log10(range.low)) / (std::log10(range.high) - std::log10(range.low))
               : (v - range.low) / (range.high - range.low);
  }
  double place_x(double v) const { return left + share(x, v, log_x) * (right - left); }
  double place_y(double v) const { return bottom - share(y, v, log_y) * (bottom - top); }
};

bool drawable(double x, double y, const ChartOptions& options) {
  return std::isfinite(x) && std::isfinite(y) && (!options.log_y || y > 0) && (!options.log_x || x > 0);
}

// The points that can be drawn, at most two per pixel: neighbours are averaged beyond that.
Series thinned(const Series& s, const ChartOptions& options) {
  Series kept{s.name, {}, {}};
  for (size_t i = 0; i < s.x.size(); ++i) {
    if (!drawable(s.x[i], s.y[i], options)) continue;
    kept.x.push_back(s.x[i]);
    kept.y.push_back(s.y[i]);
  }
  const size_t most = 2 * static_cast<size_t>(options.width_px);
  if (kept.x.size() <= most) return kept;
  const size_t group = (kept.x.size() + most - 1) / most;
  Series mean{s.name, {}, {}};
  for (size_t begin = 0; begin < kept.x.size(); begin += group) {
    const size_t end = std::min(begin + group, kept.x.size());
    double x = 0, y = 0;
    for (size_t i = begin; i < end; ++i) {
      x += kept.x[i];
      y += kept.y[i];
    }
    mean.x.push_back(x / static_cast<double>(end - begin));
    mean.y.push_back(y / static_cast<double>(end - begin));
  }
  return mean;
}

// Running mean whose start is not pulled towards 0 (the weights so far are divided out).
std::vector<double> smoothed(const std::vector<double>& y, double past) {
  std::vector<double> out(y.size());
  double sum = 0, weight = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    sum = past * sum + (1 - past) * y[i];
    weight = past * weight + (1 - past);
    out[i] = sum / weight;
  }
  return out;
}

// A range of one value, or of values that differ by rounding only, gets room on both sides.
void widen(Range& range, bool log) {
  const double size = std::max(std::abs(range.low), std::abs(range.high));
  if (range.high - range.low > 1e-9 * size && range.high - range.low > 1e-300) return;
  const double room = size > 1e-300 ? 0.1 * size : 1.0;
  range.low = log ? range.low / 1.5 : range.low - room;
  range.high = log ? range.high * 1.5 : range.high + room;
}

std::string polyline(const Frame& frame, const Series& s, const std::vector<double>& y, const char* colour,
                     const char* style) {
  if (s.x.size() == 1) {
    return fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='3.5' fill='{}'/>\n", frame.place_x(s.x[0]),
                       frame.place_y(y[0]), colour);
  }
  std::string points;
  for (size_t i = 0; i < s.x.size(); ++i) {
    points += fmt::format("{}{:.1f},{:.1f}", i == 0 ? "" : " ", frame.place_x(s.x[i]), frame.place_y(y[i]));
  }
  return fmt::format("<polyline points='{}' fill='none' stroke='{}' stroke-linejoin='round' {}/>\n", points, colour,
                     style);
}

std::string axes(const Frame& frame, const ChartOptions& options) {
  std::string out = "<g stroke='currentColor' stroke-opacity='.16'>\n";
  const std::vector<double> ys =
      frame.log_y ? log_ticks(frame.y.low, frame.y.high) : round_ticks(frame.y.low, frame.y.high, 5);
  const std::vector<double> xs =
      frame.log_x ? log_ticks(frame.x.low, frame.x.high) : round_ticks(frame.x.low, frame.x.high, 6);
  for (const double v : ys) {
    out += fmt::format("<line x1='{:.1f}' x2='{:.1f}' y1='{:.1f}' y2='{:.1f}'/>\n", frame.left, frame.right,
                       frame.place_y(v), frame.place_y(v));
  }
  out += fmt::format(
      "</g>\n<path d='M{:.1f} {:.1f}V{:.1f}H{:.1f}' fill='none' stroke='currentColor' stroke-opacity='.5'/>\n",
      frame.left, frame.top, frame.bottom, frame.right);
  out += "<g fill='currentColor' fill-opacity='.75'>\n";
  for (const double v : ys) {
    out += fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='end'>{:.6g}</text>\n", frame.left - 6,
                       frame.place_y(v) + 4, v);
  }
  for (const double v : xs) {
    out += fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='middle'>{:.6g}</text>\n", frame.place_x(v),
                       frame.bottom + 16, v);
  }
  out += fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='middle'>{}</text>\n</g>\n",
                     (frame.left + frame.right) / 2, frame.bottom + 32, escape_html(options.x_label));
  return out;
}

// Names with a sample of their line, in rows from `top`; returns the height taken.
int legend(const std::vector<Series>& series, const ChartOptions& options, int top, std::string& out) {
  if (series.size() < 2) return 0;
  double x = 8;
  int row = 0;
  for (size_t i = 0; i < series.size(); ++i) {
    const double width = 30 + kLetter_px * static_cast<double>(series[i].name.size());
    if (x + width > options.width_px && x > 8) {
      x = 8;
      ++row;
    }
    const int y = top + kLegendRow_px * row;
    out += fmt::format(
        "<line x1='{:.1f}' x2='{:.1f}' y1='{}' y2='{}' stroke='{}' stroke-width='3'/>"
        "<text x='{:.1f}' y='{}' fill='currentColor'>{}</text>\n",
        x, x + 16, y + 9, y + 9, kColours[i % kColours.size()], x + 21, y + 13, escape_html(series[i].name));
    x += width + 8;
  }
  return kLegendRow_px * (row + 1);
}

}  // namespace

const char* chart_colour(size_t i) { return kColours[i % kColours.size()]; }

std::string escape_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::vector<double> round_ticks(double low, double high, int count) {
  if (!(high > low) || count < 1) return {low};
  const double raw = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double lead = raw / power;
  const double step = power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  const double first = std::ceil(low / step - 1e-9);
  for (int i = 0; i <= 4 * count; ++i) {
    const double tick = (first + i) * step;
    if (tick > high + 1e-9 * step) break;
    ticks.push_back(std::abs(tick) < 1e-9 * step ? 0.0 : tick);
  }
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::floor(std::log10(high)));
  const int decades = last - first + 1;
  const int stride = 1 + decades / 8;
  std::vector<double> ticks;
  for (int power = first; power <= last; power += stride) {
    for (const double lead : {1.0, 2.0, 5.0}) {
      if (lead > 1 && decades > 3) continue;
      const double tick = lead * std::pow(10.0, power);
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string line_chart(const std::vector<Series>& series, const ChartOptions& options) {
  AZ_CHECK(options.smoothing >= 0 && options.smoothing < 1, "chart: smoothing is {}, want 0 to under 1",
           options.smoothing);
  Frame frame{{}, {}, 56, 0, options.width_px - 20.0, options.height_px - 40.0, options.log_x, options.log_y};
  std::vector<Series> lines;
  for (const Series& s : series) {
    AZ_CHECK(s.x.size() == s.y.size(), "chart: series {} has {} x and {} y", s.name, s.x.size(), s.y.size());
    lines.push_back(thinned(s, options));
    for (const double v : lines.back().x) frame.x.add(v);
    for (const double v : lines.back().y) frame.y.add(v);
  }

  std::string out = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {} {}' width='100%' role='img' aria-label='{}' "
      "font-family='system-ui,sans-serif' font-size='12'>\n",
      options.width_px, options.height_px, escape_html(options.title));
  out += fmt::format("<text x='8' y='18' font-size='14' font-weight='600' fill='currentColor'>{}</text>\n",
                     escape_html(options.title));
  if (frame.x.empty()) {
    out += fmt::format("<text x='{}' y='{}' text-anchor='middle' fill='currentColor'>no data</text>\n</svg>\n",
                       options.width_px / 2, options.height_px / 2);
    return out;
  }
  frame.top = 34 + legend(lines, options, 26, out);
  if (options.from_zero && !options.log_y && frame.y.low > 0) frame.y.low = 0;
  widen(frame.x, options.log_x);
  widen(frame.y, options.log_y);
  out += axes(frame, options);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].x.empty()) continue;
    const char* colour = chart_colour(i);
    const bool smooth = options.smoothing > 0 && lines[i].x.size() > 1;
    if (smooth) out += polyline(frame, lines[i], lines[i].y, colour, "stroke-width='1' stroke-opacity='.3'");
    out += polyline(frame, lines[i], smooth ? smoothed(lines[i].y, options.smoothing) : lines[i].y, colour,
                    "stroke-width='2'");
    if (!options.marks) continue;
    for (size_t k = 0; k < lines[i].x.size(); ++k)
      out += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='3.5' fill='{}'/>\n", frame.place_x(lines[i].x[k]),
                         frame.place_y(lines[i].y[k]), colour);
  }
  return out + "</svg>\n";
}

}  // namespace az::eval
