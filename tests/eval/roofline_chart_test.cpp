#include "eval/roofline_chart.h"

#include <doctest/doctest.h>

#include <string>

#include "tensor/error.h"

using namespace az;
using eval::roofline_chart;

namespace {

const std::vector<eval::Roof> kRoofs{{"f32", 100, false}, {"memory", 10, true}};

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

}  // namespace

TEST_CASE("a roofline has a numbered dot and a line of its list for each kind of work") {
  const std::string svg =
      roofline_chart({{"a < b", "forward", 1e9, 1e7, 20}, {"copy", "backward", 1e6, 1e7, 5}}, kRoofs, "title & more");
  CHECK(svg.starts_with("<svg"));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(svg.find("a &lt; b") != std::string::npos);
  CHECK(svg.find("title &amp; more") != std::string::npos);
  CHECK(svg.find("f32 100 GFLOP/s") != std::string::npos);
  CHECK(svg.find("memory 10 GB/s") != std::string::npos);
  CHECK(svg.find("80.0 %") != std::string::npos);
  CHECK(count_of(svg, "<title>") == 2);
  CHECK(svg.find("a &lt; b: 50.0 GFLOP/s, 100.00 FLOP/B") != std::string::npos);
  CHECK(svg.find("nan") == std::string::npos);
}

TEST_CASE("the shortest are left out of a roofline that is full, and none is no data") {
  std::vector<eval::RooflineDot> dots;
  for (int i = 1; i <= 30; ++i) dots.push_back({"op" + std::to_string(i), "forward", 1e9, 1e7, static_cast<double>(i)});
  const std::string svg = roofline_chart(dots, kRoofs, "", 5);
  CHECK(count_of(svg, "<title>") == 5);
  CHECK(svg.find("op30") != std::string::npos);
  CHECK(svg.find("op25<") == std::string::npos);
  CHECK(roofline_chart({}, kRoofs, "").find("no data") != std::string::npos);
}

TEST_CASE("a roofline refuses what it cannot draw") {
  CHECK_THROWS_AS(roofline_chart({}, {{"f32", 100, false}}, ""), Error);
  CHECK_THROWS_AS(roofline_chart({}, {{"f32", 0, false}, {"memory", 10, true}}, ""), Error);
  CHECK_THROWS_WITH_AS(roofline_chart({{"copy", "", 0, 1, 1}}, kRoofs, ""), doctest::Contains("copy has 0"), Error);
}
