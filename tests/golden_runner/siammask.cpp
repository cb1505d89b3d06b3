// Golden cases of SiamMask (specs/siammask.md section 18): which function runs which kind.
#include <array>

#include "tests/golden_runner/siammask/kinds.h"

int main() {
  namespace sm = az::golden::siammask;
  using az::golden::Kind;
  const std::array kinds = {Kind{"forward", sm::run_forward}, Kind{"xcorr", sm::run_xcorr}};
  return az::golden::run("siammask", kinds);
}
