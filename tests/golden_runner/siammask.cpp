// Golden cases of SiamMask (specs/siammask.md section 18): which function runs which kind.
#include <vector>

#include "tests/golden_runner/siammask/kinds.h"

int main() {
  namespace sm = az::golden::siammask;
  using az::golden::Kind;
  std::vector<Kind> kinds;
  // Networks.
  kinds.push_back({"forward", sm::run_forward});
  kinds.push_back({"xcorr", sm::run_xcorr});
  // Data.
  kinds.push_back({"augment_geometry", sm::run_augment_geometry});
  kinds.push_back({"crop511", sm::run_crop511});
  // Tracking.
  kinds.push_back({"rotated_rect", sm::run_rotated_rect});
  kinds.push_back({"subwindow", sm::run_subwindow});
  // Training.
  for (const char* later :
       {"anchors", "losses", "lr", "targets", "track_sequence", "tracker_step", "train", "vos_meter"})
    kinds.push_back({later, [](const auto&, auto&) { throw az::golden::Pending("SiamMask's training and tracker"); }});
  return az::golden::run("siammask", kinds);
}
