#include <doctest/doctest.h>

#include <filesystem>

#include "models/config.h"
#include "models/siammask/config.h"
#include "tensor/error.h"
#include "tests/support/shell.h"

using namespace az;
using models::Config;

namespace {

std::filesystem::path configs() { return test::source_root() / "configs" / "siammask"; }

models::SiamMaskConfig read(const std::string& name, const std::vector<std::string>& overrides = {}) {
  Config config = Config::load(configs() / name, overrides);
  return models::parse_siammask_config(config);
}

}  // namespace

TEST_CASE("SiamMask's base configuration says what the defaults are") {
  Config file = Config::load(configs() / "_base.toml");
  models::parse_siammask_config(file);
  Config none = Config::parse("", "none");
  models::parse_siammask_config(none);
  CHECK(file.dump() == none.dump());
}

TEST_CASE("every configuration of SiamMask reads, and reads back from its dump") {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(configs())) {
    CAPTURE(entry.path().string());
    Config config = Config::load(entry.path());
    CHECK_NOTHROW(models::parse_siammask_config(config));
    Config again = Config::parse(config.dump(), "dump");
    models::parse_siammask_config(again);
    CHECK(again.dump() == config.dump());
    ++count;
  }
  CHECK(count >= 8);
}

TEST_CASE("SiamMask's published configurations") {
  const auto base = read("base.toml"), sharp = read("sharp.toml"), box = read("box.toml");
  REQUIRE(base.data.sets.size() == 4);
  CHECK(base.data.sets[0].videos == 200000);
  CHECK(base.data.sets[0].frame_range == 20);
  CHECK(base.data.sets[1].frame_range == 100);
  CHECK_FALSE(base.data.sets[1].masks);
  CHECK(base.data.sets[2].videos == 0);
  CHECK(base.data.sets[2].masks);
  CHECK(base.data.sets[3].crops == "det/crop511");
  CHECK_FALSE(base.model.refine);
  CHECK(sharp.model.refine);
  CHECK(sharp.train.stage == models::SiamStage::sharp);
  CHECK(sharp.data.search_side == 143);
  CHECK(sharp.data.pairs_per_epoch == 200000);
  CHECK(sharp.loss.boxes == 0);
  CHECK(sharp.loss.masks == 36);
  CHECK(box.model.mask_side == 0);
  CHECK(box.loss.boxes == 1);
  CHECK(read("base.toml", {"data.sets=coco"}).data.sets.size() == 1);
  CHECK(read("vot.toml").tracker.window_influence == 0.42);
  CHECK(read("vot18.toml").tracker.seg_thr == 0.15);
  CHECK(read("davis.toml").tracker.lr == 1);
}

TEST_CASE("SiamMask values that do not fit are errors that name file and key") {
  const auto throws = [](const std::string& name, const std::vector<std::string>& overrides, const char* text) {
    CHECK_THROWS_WITH_AS(read(name, overrides), doctest::Contains(text), Error);
  };
  throws("sharp.toml", {"model.refine=false"}, "train.stage is sharp, which trains Refine; set model.refine = true");
  throws("box.toml", {"model.refine=true"}, "model.refine needs the mask head");
  throws("base.toml", {"train.warmup_epochs=20"}, "warmup_epochs is 20, but there are 20 epochs");
  throws("base.toml", {"targets.negative_iou=0.7"}, "targets.negative_iou is above positive_iou");
  throws("base.toml", {"train.eval_interval=5"}, "needs a set with masks among data.val_sets");
  throws("base.toml", {"data.sets=a/b"}, "names 'a/b', want letters, digits and _");
  throws("base.toml", {"system=polarmask"}, "system");
  throws("base.toml", {"data.others.masks=true"}, "data.others");  // a table that nobody asks for
  throws("base.toml", {"data.search_side=100"}, "search_side");
}
