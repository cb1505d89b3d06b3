// Golden cases of PolarMask (specs/polarmask.md section 13): which function runs which kind.
#include <array>

#include "tests/golden_runner/polarmask/kinds.h"
#include "tests/golden_runner/polarmask/network.h"

int main() {
  namespace pm = az::golden::polarmask;
  using az::golden::Kind;
  const std::array kinds = {
      Kind{"pipeline", pm::run_pipeline},
      Kind{"ray_labels_masks", pm::run_ray_labels_masks},
      Kind{"ray_labels_image", pm::run_ray_labels_image},
      Kind{"losses", pm::run_losses},
      Kind{"postprocess", pm::run_postprocess},
      Kind{"pipeline", pm::run_pipeline},
      Kind{"forward", pm::run_forward},
      Kind{"train_steps", pm::run_train_steps},
      Kind{"train", pm::run_train},
  };
  return az::golden::run("polarmask", kinds);
}
