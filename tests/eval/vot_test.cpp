// VOT figures on a real tracker's results, computed a second time as the specification words them.
#include "eval/vot.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "eval/otb.h"
#include "tensor/error.h"

namespace az::eval {
namespace {

namespace fs = std::filesystem;
using Row = std::vector<double>;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

bool is_code(const cpu::Region& r, float code) { return r.special() && r.values[0] == code; }

/// Frame by frame, by section 5; bounds smaller by `less`.
Row overlaps(const data::VotSequence& s, const std::vector<cpu::Region>& run, float less) {
  Row row;
  const cpu::RegionBounds bounds{static_cast<float>(s.width) - less, static_cast<float>(s.height) - less};
  for (size_t i = 0; i < run.size(); ++i)
    row.push_back(static_cast<double>(cpu::region_overlap(s.truth[i], run[i], bounds)));
  return row;
}

struct Figures {
  double accuracy = 0, robustness = 0, eao = 0;
};

/// Section 7 as a table: a row a fragment, a column a frame.
struct Table {
  std::vector<Row> rows;
  Row weights;

  void add(const data::VotSequence& s, const std::vector<cpu::Region>& run, size_t columns) {
    const Row o = overlaps(s, run, 1);
    std::vector<size_t> points;
    for (size_t i = 0; i < run.size(); ++i)
      if (is_code(run[i], 2) && i + 5 <= run.size()) points.push_back(i + 5);
    bool failed = false;
    for (const cpu::Region& line : run) failed = failed || is_code(line, 2);
    size_t begin = 0;
    for (size_t p = 0; p <= points.size(); ++p) {
      const bool last = p == points.size();
      const size_t end = last ? o.size() : points[p] + 1;
      Row row(columns, last ? kNone : 0.0);
      for (size_t i = begin; i < std::min(end, o.size()); ++i) row[i - begin] = failed && std::isnan(o[i]) ? 0.0 : o[i];
      rows.push_back(row);
      const auto marked = static_cast<double>(std::min(end, o.size()) - begin);
      weights.push_back(marked / static_cast<double>(last ? std::max<size_t>(o.size() - begin, 1) : end - begin));
      if (!last) begin = points[p];
    }
  }

  double expected(size_t column) const {
    double sum = 0, weight = 0;
    for (size_t r = 0; r < rows.size(); ++r) {
      if (std::isnan(rows[r][column])) continue;
      double mean = 0;
      for (size_t i = 1; i <= column; ++i) mean += rows[r][i] / static_cast<double>(column);
      sum += weights[r] * mean;
      weight += weights[r];
    }
    return sum / weight;
  }
};

Figures second_calculation(const data::VotSet& set, const data::VotResults& results, VotInterval interval) {
  double sum = 0, counted = 0, failures = 0, frames = 0;
  size_t columns = 0;
  for (const auto& runs : results.runs) columns = std::max(columns, runs[0].size());
  Table table;
  for (size_t s = 0; s < set.sequences.size(); ++s) {
    const std::vector<cpu::Region>& run = results.runs[s][0];
    const Row o = overlaps(set.sequences[s], run, 0);
    size_t fresh = 0;  // frames since the last start, itself counted
    for (size_t i = 0; i < run.size(); ++i) {
      fresh = is_code(run[i], 1) ? 1 : fresh + 1;
      failures += is_code(run[i], 2);
      ++frames;
      if (fresh <= 10 || std::isnan(o[i])) continue;
      sum += o[i];
      ++counted;
    }
    table.add(set.sequences[s], run, columns);
  }
  double expected = 0;
  for (int i = interval.low - 1; i < interval.high; ++i) expected += table.expected(static_cast<size_t>(i));
  return {sum / counted, 100 * failures / frames, expected / (interval.high - interval.low + 1)};
}

/// A set of one sequence of `frames` rectangles, and a tracker that is right for ever.
data::VotSet still_set(size_t frames) {
  data::VotSet set;
  set.sequences.push_back({"s", {}, std::vector<cpu::Region>(frames, {{10, 10, 20, 20}}), 100, 80, {}});
  for (const char* attribute : data::kVotAttributes) set.sequences[0].attributes[attribute] = {};
  return set;
}

}  // namespace

TEST_CASE("accuracy, robustness and EAO of a real tracker equal a second calculation") {
  const char* source = std::getenv("AZIMUTH_SOURCE");
  const fs::path folder = fs::path(source ? source : ".") / "../shared/data/vot2018_results";
  if (!fs::is_directory(folder)) {
    MESSAGE("skipped: " << folder.string() << " is not there");
    return;
  }
  const data::VotSet set = data::read_vot(folder / "VOT2018.json");
  REQUIRE(set.sequences.size() == 60);
  const data::VotResults results = data::read_vot_results(folder / "siamcar", set);
  const VotScores own = evaluate_vot(set, results, {.interval = vot_interval("VOT2018")});
  const Figures second = second_calculation(set, results, own.interval);
  CHECK(own.accuracy == doctest::Approx(second.accuracy).epsilon(1e-12));
  CHECK(own.robustness == doctest::Approx(second.robustness).epsilon(1e-12));
  CHECK(own.eao == doctest::Approx(second.eao).epsilon(1e-6));  // the curve is kept in float32
  CHECK(own.repetitions == 1);
  CHECK(evaluate_vot(set, results, {.interval = own.interval, .threads = 1}).eao == own.eao);
}

TEST_CASE("a tracker that never fails has EAO 1; one that fails at once has 0") {
  const data::VotSet set = still_set(120);
  const auto run = [&](const cpu::Region& says) {
    const auto lines = run_supervised(
        set.sequences[0], [](size_t, const cpu::Region&) {}, [&](size_t) { return says; });
    return evaluate_vot(set, {"t", {{lines}}}, {.interval = {50, 100}});
  };
  const VotScores right = run({{10, 10, 20, 20}});
  CHECK(right.accuracy > 0.85);  // the annotation's corners lie one pixel inside the rectangle's in a run
  CHECK(right.robustness == 0);
  CHECK(right.eao == doctest::Approx(1).epsilon(1e-6));
  const VotScores wrong = run({{60, 60, 5, 5}});
  CHECK(wrong.lost_number == 20);
  CHECK(wrong.eao == 0);
  CHECK(std::isnan(wrong.accuracy));
  CHECK(std::isnan(wrong.attributes.at("occlusion")));
}

TEST_CASE("a set that is too short for the interval has no EAO, and one without sizes is refused") {
  data::VotSet set = still_set(20);
  const data::VotResults results{"t", {{std::vector<cpu::Region>(20, {{10, 10, 20, 20}})}}};
  CHECK(std::isnan(evaluate_vot(set, results, {}).eao));
  set.sequences[0].width = 0;
  CHECK_THROWS_WITH_AS(evaluate_vot(set, results, {}),
                       "vot: the picture size of the sequence s is unknown: neither its frames nor a width and height "
                       "are there",
                       Error);
  CHECK_THROWS_AS(evaluate_vot(set, {"t", {}}, {}), Error);
  CHECK_THROWS_AS(vot_interval("VOT1999"), Error);
}

TEST_CASE("OTB: a perfect run, and a run that is off by a fixed distance") {
  const std::vector<cpu::Box> truth(10, {50, 40, 20, 10});
  const OtbCurves perfect = otb_curves(truth, truth);
  CHECK(perfect.success[19] == 1);
  CHECK(perfect.success[20] == 0);  // IoU 1 is not above 1
  CHECK(perfect.precision[0] == 1);
  const OtbCurves off = otb_curves(truth, std::vector<cpu::Box>(10, {53, 44, 20, 10}));
  CHECK(off.precision[4] == 0);
  CHECK(off.precision[5] == 1);
  CHECK_THROWS_AS(otb_curves({}, truth), Error);
}

}  // namespace az::eval
