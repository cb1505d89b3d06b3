// The rules of golden cases: they must be able to fail.
#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tensor/error.h"
#include "tests/support/golden_rule.h"

namespace az::golden {
namespace {

double worst(const char* rule, std::vector<double> expected, std::vector<double> own, std::vector<int64_t> shape = {},
             std::vector<double> grey = {}) {
  if (shape.empty()) shape = {static_cast<int64_t>(expected.size())};
  const Rule parsed = parse_rule("x", nlohmann::json::parse(rule));
  Report report;
  compare("x", parsed, expected, own, shape, magnitude(parsed.scale, expected), grey, report);
  CHECK(report.ok() == (report.worst() <= 1));
  return report.worst();
}

}  // namespace

TEST_CASE("golden: deviations are shares of the tolerance") {
  CHECK(worst(R"({"atol":0.1})", {1, 2}, {1.05, 2}) == doctest::Approx(0.5));
  CHECK(worst(R"({"rtol":0.1})", {10, -20}, {10, -23}) == doctest::Approx(1.5));
  CHECK(worst(R"({"atol":0.1,"scale":"max"})", {10, -20}, {10, -21}) == doctest::Approx(0.5));
  CHECK(worst(R"({"atol":0.1,"scale":"std"})", {1, 3}, {1, 3.2}) == doctest::Approx(2));
  CHECK(worst(R"({"exact":true})", {1, 2}, {1, 2}) == 0);
  CHECK(std::isinf(worst(R"({"exact":true})", {1, 2}, {1, std::nextafter(2, 3)})));
  CHECK(std::isinf(worst(R"({"atol":5})", {1}, {std::nan("")})));
  CHECK(std::isinf(worst(R"({"atol":5})", {std::nan("")}, {1})));
  CHECK(worst(R"({"atol":5})", {std::nan("")}, {std::nan("")}) == 0);
  CHECK(std::isinf(worst(R"({"atol":5})", {1, 2}, {1})));
  CHECK(worst(R"({"informative":true})", {1}, {9}) == 0);
}

TEST_CASE("golden: rows, columns, selected elements and shares") {
  CHECK(worst(R"({"atol":1,"rows":{"0":{"atol":0.1}}})", {0, 0, 0, 0}, {0.05, 0, 0.5, 0}, {2, 2}) ==
        doctest::Approx(0.5));
  CHECK(worst(R"({"atol":1,"rows":{"0":{"atol":0.1}}})", {0, 0, 0, 0}, {0.2, 0, 0, 0}, {2, 2}) == doctest::Approx(2));
  CHECK(worst(R"({"atol":1,"cols":{"1":{"atol":0.1}}})", {0, 0, 0, 0}, {0, 0, 0, 0.2}, {2, 2}) == doctest::Approx(2));
  CHECK(worst(R"({"atol":1,"elements":[0]})", {0, 0}, {0.5, 9}) == 0.5);
  CHECK(worst(R"({"atol":1,"first":1})", {0, 0}, {0.5, 9}) == 0.5);
  CHECK(worst(R"({"atol":1,"frac_max":0.5})", {0, 0, 0, 0}, {9, 0, 0, 0}) == 0.5);
  CHECK(worst(R"({"abs_max":2})", {7}, {-1}) == 0.5);
  CHECK(worst(R"({"rel_l2":0.5})", {3, 4}, {3, 5}) == doctest::Approx(0.4));
  CHECK(worst(R"({"pixels_max":2})", {0, 1, 0}, {1, 1, 0}) == 0.5);
  CHECK(worst(R"({"agree_min":0.5})", {0, 1, 0, 1}, {1, 1, 0, 1}) == 0.5);
  CHECK(worst(R"({"grey_max":1})", {0, 0}, {0.1, 0}, {2}, {0.2, 0.2}) == doctest::Approx(0.5).epsilon(0.01));
  CHECK_THROWS_AS(worst(R"({"unheard_of":1})", {0}, {0}), Error);
}

TEST_CASE("golden: the pattern with the most letters holds") {
  const auto tol = nlohmann::json::parse(R"({"*":1,"mask*":2,"mask*.stats":3,"@cases.*.area":4})");
  CHECK(best_pattern(tol, "mask3.stats") == "mask*.stats");
  CHECK(best_pattern(tol, "mask3") == "mask*");
  CHECK(best_pattern(tol, "cls") == "*");
  CHECK(best_pattern(tol, "@cases.3.area") == "@cases.*.area");
  CHECK(!matches("a*b", "abc"));
  CHECK(matches("a*b*c", "aXbYbc"));
}

}  // namespace az::golden
