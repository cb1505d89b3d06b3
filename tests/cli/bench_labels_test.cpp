#include "cli/bench_labels.h"

#include <doctest/doctest.h>

#include "tensor/error.h"

using namespace az;

TEST_CASE("the labels' benchmark has the size of the published measurement and does not change") {
  const cli::BenchLabels a = cli::bench_labels({.repeats = 1});
  CHECK(a.objects == 7);
  CHECK((a.positives >= 60 && a.positives <= 80));
  CHECK(a.locations == 112 * 176 + 56 * 88 + 28 * 44 + 14 * 22 + 7 * 11);
  CHECK((a.ms > 0 && a.ms == a.ms_min && a.contours_ms < a.ms && a.rays_ms < a.ms));
  const cli::BenchLabels b = cli::bench_labels({.repeats = 2, .mode = cpu::LabelMode::exact});
  CHECK(b.positives == a.positives);
  CHECK(b.contour_points == a.contour_points);
  CHECK_THROWS_AS(cli::bench_labels({.repeats = 0}), Error);
}
