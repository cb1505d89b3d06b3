#include "cli/bench_loader.h"

#include <doctest/doctest.h>

#include "tensor/error.h"

using namespace az;

TEST_CASE("the loader's benchmark makes pictures of COCO's size with seven objects") {
  cli::LoaderBenchOptions options{.pictures = 3, .rounds = 1, .batch = 2, .workers = 2};
  options.data.input.scale.scales = {{160, 96}};
  const cli::LoaderBench r = cli::bench_loader(options);
  CHECK(r.pictures == 3);
  CHECK(r.megapixels == doctest::Approx(640 * 480 * 1e-6));
  CHECK(r.objects > 3);
  CHECK(r.objects <= 7);
  CHECK(r.file_kb > 20);
  CHECK(r.stages.decode > 0);
  CHECK(r.ms > 0);
  CHECK_THROWS_AS(cli::bench_loader({.coco = "a.json"}), Error);
  CHECK_THROWS_AS(cli::bench_loader({.batch = 0}), Error);
}
