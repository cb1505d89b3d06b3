#include "models/siammask/targets.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "models/siammask/anchors.h"
#include "tensor/error.h"

using namespace az;
using namespace az::models;

TEST_CASE("score maps of search crops are as the network makes them") {
  CHECK(siam_cells(255) == 25);
  CHECK(siam_cells(143) == 3);
  CHECK(siam_cells(287) == 29);
  CHECK(siam_cells(127) == 1);
  CHECK_THROWS_WITH_AS(siam_cells(100), doctest::Contains("a search crop of 100 px is too small"), Error);
}

TEST_CASE("anchors: errors name what is out of range") {
  CHECK_THROWS_WITH_AS(siam_anchors({.stride = 0}, 3, 0), doctest::Contains("siam_anchors: stride 0"), Error);
  CHECK_THROWS_WITH_AS(siam_anchors({.ratios = {}}, 3, 0), doctest::Contains("1 scales and 0 ratios"), Error);
  CHECK_THROWS_WITH_AS(siam_anchors({.ratios = {1, -1}}, 3, 0), doctest::Contains("all above 0"), Error);
  CHECK(siam_anchors({}, 0, 0).empty());
}

TEST_CASE("a pair's labels are a function of the generator's state, and every candidate may come") {
  const SiamBox box{90, 104, 164, 152};  // 13 candidates above 0.6
  const auto anchors = siam_anchors({}, 25, 127);
  const SiamTargetOptions few{.positives = 4, .total = 20};
  const auto match = match_anchors(anchors, box, few);
  std::set<size_t> seen;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Rng rng(seed, Purpose::test), again(seed, Purpose::test);
    const auto labels = choose_labels(match, few, rng);
    CHECK(labels == choose_labels(match, few, again));
    CHECK(std::ranges::count(labels, int8_t{1}) == 4);
    CHECK(std::ranges::count(labels, int8_t{0}) == 16);
    for (size_t i = 0; i < labels.size(); ++i)
      if (labels[i] == 1) seen.insert(i);
  }
  CHECK(seen.size() == 13);
}

TEST_CASE("maps of a batch: channel q * anchors + a, cells of positives, weights that add up to 1") {
  const SiamTargetMaker maker({}, {}, 255);
  const auto n = static_cast<size_t>(maker.cells()), a = static_cast<size_t>(maker.anchors());
  SiamTargetMaps maps;
  Rng rng(3, Purpose::test);
  const SiamBox box{95.5, 95.5, 158.5, 158.5};
  maker.add(box, false, true, rng, maps);
  const size_t first_cells = maps.cells.size() / 3;
  maker.add(box, true, true, rng, maps);
  CHECK(maps.cells.size() / 3 == first_cells);  // a negative pair has none
  maker.add(box, false, false, rng, maps);
  CHECK(maps.cells.size() / 3 == first_cells);  // nor has one without a mask
  maker.add(box, false, true, rng, maps);
  REQUIRE(maps.labels.size() == 4 * n * n * a);
  REQUIRE(maps.boxes.size() == 4 * 4 * n * n * a);
  const size_t pair = n * n * a;
  for (const size_t image : {0, 1, 2, 3}) {
    double sum = 0;
    for (size_t i = image * pair; i < (image + 1) * pair; ++i) {
      sum += static_cast<double>(maps.box_weights[i]);
      CHECK((maps.box_weights[i] > 0) == (maps.labels[i] == 1));
    }
    CHECK(sum == doctest::Approx(image == 1 ? 0 : 1).epsilon(1e-5));
  }
  CHECK(std::count(maps.labels.begin() + static_cast<std::ptrdiff_t>(pair),
                   maps.labels.begin() + static_cast<std::ptrdiff_t>(2 * pair), 0) == 16);
  std::set<std::vector<int32_t>> listed;
  for (size_t i = 0; i < maps.cells.size(); i += 3)
    listed.insert({maps.cells[i], maps.cells[i + 1], maps.cells[i + 2]});
  for (const int32_t image : {0, 3})
    for (size_t row = 0; row < n; ++row)
      for (size_t col = 0; col < n; ++col) {
        bool positive = false;
        for (size_t k = 0; k < a; ++k)
          positive |= maps.labels[((static_cast<size_t>(image) * n + row) * n + col) * a + k] == 1;
        CHECK(positive == listed.contains({image, static_cast<int32_t>(row), static_cast<int32_t>(col)}));
      }
  // The centre's 64 x 64 anchor, number 2: offsets 0 and ln(63 / 64).
  const size_t centre = 12 * n + 12;
  CHECK(maps.boxes[centre * 4 * a + 2] == 0);
  CHECK(maps.boxes[centre * 4 * a + 2 * a + 2] == doctest::Approx(std::log(63.0 / 64)).epsilon(1e-6));
  CHECK_THROWS_WITH_AS(maker.add({5, 5, 5, 9}, false, true, rng, maps), doctest::Contains("has no extent"), Error);
}
