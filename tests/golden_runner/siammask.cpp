// Golden cases of SiamMask (specs/siammask.md section 18): which function runs which kind.
#include <vector>

#include "tests/golden_runner/siammask/kinds.h"

int main() {
  namespace sm = az::golden::siammask;
  using az::golden::Kind;
  std::vector<Kind> kinds;
  kinds.push_back({"anchors", sm::run_anchors});
  kinds.push_back({"augment_geometry", sm::run_augment_geometry});
  kinds.push_back({"crop511", sm::run_crop511});
  kinds.push_back({"forward", sm::run_forward});
  kinds.push_back({"losses", sm::run_losses});
  kinds.push_back({"lr", sm::run_lr});
  kinds.push_back({"rotated_rect", sm::run_rotated_rect});
  kinds.push_back({"subwindow", sm::run_subwindow});
  kinds.push_back({"targets", sm::run_targets});
  kinds.push_back({"track_sequence", sm::run_track_sequence});
  kinds.push_back({"tracker_step", sm::run_tracker_step});
  kinds.push_back({"train", sm::run_train});
  kinds.push_back({"vos_meter", sm::run_vos_meter});
  kinds.push_back({"xcorr", sm::run_xcorr});
  return az::golden::run("siammask", kinds);
}
