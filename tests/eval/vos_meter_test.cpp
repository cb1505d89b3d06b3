#include "eval/vos_meter.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/error.h"

using namespace az;

TEST_CASE("of equal probabilities the first object counts, and only what is above the threshold") {
  eval::MaskFusion fusion;
  fusion.begin(4, 1);
  fusion.add(1, {{0, 0, 3, 1}, {0.5F, 0.2F, 0.4F}});
  fusion.add(2, {{1, 0, 3, 1}, {0.9F, 0.4F, 0.3F}});
  std::vector<uint8_t> labels;
  fusion.labels(0.3, labels);
  CHECK(labels == std::vector<uint8_t>{1, 2, 1, 0});
  const uint8_t given[] = {0, 0, 7, 7};
  fusion.add(3, given, 7);
  fusion.labels(0.3, labels);
  CHECK(labels == std::vector<uint8_t>{1, 2, 3, 3});
  CHECK_THROWS_AS(fusion.add(1, {{2, 0, 3, 1}, {0, 0, 0}}), Error);
  CHECK_THROWS_AS(fusion.begin(0, 4), Error);
}

TEST_CASE("the meter leaves out the first and the last frame, and empty against empty is 1") {
  eval::VosMeter meter({eval::vos_span(4), eval::vos_span(2, 6)}, {0.3});
  eval::MaskFusion fusion;
  const std::vector<uint8_t> truth = {1, 1, 0, 0};
  for (int64_t frame = 0; frame < 4; ++frame) {
    CHECK(meter.wants(frame) == (frame >= 1 && frame <= 3));
    if (!meter.wants(frame)) continue;
    fusion.begin(4, 1);
    fusion.add(1, {{0, 0, 1, 1}, {frame == 1 ? 0.9F : 0.1F}});
    meter.add(frame, fusion, truth);
  }
  const auto overlaps = meter.overlaps();
  CHECK(overlaps[0][0] == 0.25);  // 1/2, 0
  CHECK(overlaps[1][0] == 1);
  CHECK(meter.means()[0] == 0.625);
  const eval::VosMeter none({eval::vos_span(2)}, {0.3, 0.4});
  CHECK(std::isnan(none.overlaps()[0][1]));
  CHECK(std::isnan(none.means()[0]));
}
