#include "cli/bench_siammask.h"

#include <doctest/doctest.h>

#include "tests/support/devices.h"

using namespace az;

TEST_CASE("the losses of SiamMask's first training steps are PyTorch's") {
  // bench/peers/siammask_train_peer.py --double
  const std::vector<double> want = {28.904844, 28.527054, 27.897633};
  const auto got = cli::siammask_losses({}, 3, test::cpu());
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < want.size(); ++i) CHECK(got[i] == doctest::Approx(want[i]).epsilon(2e-6));
}
