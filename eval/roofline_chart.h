// The roofline model as SVG: work by its operations a byte, under what a machine can do.
// Source: Williams, Waterman & Patterson, "Roofline: An Insightful Visual Performance Model", CACM 52(4), 2009.
#pragma once

#include <string>
#include <vector>

namespace az::eval {

/// A limit: GFLOP/s whatever the work (bandwidth false), or GB/s, a slanted line.
struct Roof {
  std::string name;
  double value = 0;
  bool bandwidth = false;
};

/// Work of one kind, all above 0.
struct RooflineDot {
  std::string name;
  std::string group;  ///< dots of a group share a colour
  double flops = 0, bytes = 0, ms = 0;
};

/// A complete <svg> element: both axes logarithmic, a numbered dot for each kind of work with an area that grows with
/// its time, and a list of the numbers, longest first, at most `most`. Text takes the colour of the text around it.
/// Without dots it says "no data". Error: no roof of each kind, or a value that is not above 0.
std::string roofline_chart(const std::vector<RooflineDot>& dots, const std::vector<Roof>& roofs,
                           const std::string& title, size_t most = 20);

}  // namespace az::eval
