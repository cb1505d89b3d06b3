// Line charts as SVG text, for reports and profiles.
#pragma once

#include <string>
#include <vector>

namespace az::eval {

/// One line of a chart; x and y have equal length. Points that are not finite are left out.
struct Series {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
};

struct ChartOptions {
  std::string title;
  std::string x_label;
  bool from_zero = false;  // whether y begins at 0 where all values are above it
  bool log_y = false;      // points at or below 0 are left out then
  bool log_x = false;      // likewise
  bool marks = false;      // a dot at every point
  /// Share of the past in a running mean drawn over the faint raw line, 0 (no smoothing) to under 1.
  double smoothing = 0;
  int width_px = 480;
  int height_px = 280;
};

/// A complete <svg> element that scales with its container. Text and grid take the colour of the text around it, so it
/// reads on light and dark pages alike; names are escaped. A chart without points says "no data".
/// Error: a series with x and y of unequal length, smoothing outside [0, 1).
std::string line_chart(const std::vector<Series>& series, const ChartOptions& options);

/// The colour of series `i`; they repeat after eight.
const char* chart_colour(size_t i);

/// The text with the five characters escaped that HTML and SVG give a meaning.
std::string escape_html(const std::string& text);

/// About `count` round values (1, 2 or 5 times a power of ten apart) that lie within [low, high].
std::vector<double> round_ticks(double low, double high, int count);

/// Powers of ten within [low, high], with their double and fivefold where there are few; both ends above 0.
std::vector<double> log_ticks(double low, double high);

}  // namespace az::eval
