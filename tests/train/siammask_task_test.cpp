// SiamMask in training on a handful of made-up crops: what each stage trains, and runs that are cut and go on.
#include "train/siammask_task.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "autograd/node.h"
#include "data/image.h"
#include "models/config.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/devices.h"
#include "tests/support/shell.h"
#include "tests/support/temporary.h"

using namespace az;
namespace fs = std::filesystem;

namespace {

constexpr const char* kTiny = R"(
system = "siammask"
[data]
sets = "ytb_vos"
pairs_per_epoch = 6
workers = 1
[data.ytb_vos]
masks = true
crops = "crops"
list = "crops.json"
[model]
channels = 8
[model.backbone]
blocks = [1, 1, 1]
width = 4
[train]
batch = 2
epochs = 3
warmup_epochs = 1
unfreeze_epoch = 1
lr = 0.01
)";

/// Four videos of three frames: a disc on a dark ground.
void write_crops(const fs::path& folder) {
  using namespace data;
  SiamList list;
  for (int v = 0; v < 4; ++v) {
    const std::string video = fmt::format("v{}", v);
    list.add_video(video);
    fs::create_directories(folder / "crops" / video);
    std::vector<SiamFrame> track;
    for (int f = 0; f < 3; ++f) {
      Image crop(kCropSide, kCropSide), mask(kCropSide, kCropSide, 1);
      for (int y = 0; y < kCropSide; ++y)
        for (int x = 0; x < kCropSide; ++x) {
          const int dx = x - 255, dy = y - 255;
          const bool on = dx * dx + dy * dy < 32 * 32;
          const int shade = on ? 150 + 25 * v : (x * (v + 1) + y * (f + 2)) % 90;
          for (int c = 0; c < 3; ++c) crop.at(x, y)[c] = static_cast<uint8_t>(shade + 5 * c);
          *mask.at(x, y) = on ? 255 : 0;
        }
      write_jpeg(crop511_picture(folder / "crops", video, f, "00"), crop, 95);
      write_png(crop511_mask_file(folder / "crops", video, f, "00"), mask);
      track.push_back({f, {100, 100, 164, 164}});
    }
    list.add_track("00", std::move(track));
  }
  write_siam_list(folder / "crops.json", list);
}

/// The crops, written once.
const fs::path& crops() {
  static const test::TemporaryFolder folder;
  static const bool written = (write_crops(folder.path()), true);
  (void)written;
  return folder.path();
}

models::SiamMaskConfig config_with(std::vector<std::string> overrides) {
  overrides.insert(overrides.begin(), "data.root=" + crops().string());
  models::Config config = models::Config::parse(kTiny, "tiny", overrides);
  return models::parse_siammask_config(config);
}

const std::vector<std::string> kSharp = {"train.stage=sharp",   "model.refine=true",   "data.search_side=143",
                                         "data.negative=0",     "data.search_shift=8", "train.warmup_epochs=0",
                                         "loss.class_weight=0", "loss.box_weight=0"};

/// Network, data and task of a configuration, all made anew as after a kill.
struct Training {
  models::SiamMaskConfig config;
  models::SiamMask network;
  data::SiamPairs pairs;
  train::SiamMaskTask task;

  explicit Training(const std::vector<std::string>& overrides, Device& device = test::cpu(),
                    DType activations = DType::f32)
      : config(config_with(overrides)),
        network(nn::Builder{device, static_cast<uint64_t>(config.train.seed)}, config.model),
        pairs(train::siam_sets(config.data, false), train::siam_pair_options(config, false)),
        task(network, config, pairs, &pairs, device, activations) {}

  train::TrainResult run(const fs::path& folder, int64_t max_steps = 0) {
    train::Optimizer optimizer({}, {});
    const train::TrainOptions options{.run = folder,
                                      .config = "tiny",
                                      .steps = task.total_steps(),
                                      .max_steps = max_steps,
                                      .log_every = 1,
                                      .checkpoint_every = 1,
                                      .keep_last = 2,
                                      .resume = true};
    return train::train(task, optimizer, task.schedule(), options, nn::entries(network).front().tensor->device());
  }
  std::map<std::string, std::vector<float>> values() {
    std::map<std::string, std::vector<float>> all;
    for (const auto& [name, t] : nn::state_dict(network))
      if (t.dtype() == DType::f32) all[name] = t.to_vector<float>();
    return all;
  }
};

/// Parts of a network, by the start of their names, that a function holds for.
template <class F>
std::set<std::string> parts(models::SiamMask& network, const F& holds) {
  std::set<std::string> found;
  for (const nn::Entry& e : nn::entries(network)) {
    if (!e.learned || !holds(e)) continue;
    std::string part = e.name.substr(0, e.name.rfind('.'));
    for (const char* whole : {"features.features.layer1", "features.features.layer2", "features.features.layer3",
                              "features.downsample", "rpn_model.cls", "rpn_model.loc", "mask_model.mask.conv_kernel",
                              "mask_model.mask.conv_search", "mask_model.mask.head", "refine_model"})
      if (part.starts_with(whole)) part = whole;
    found.insert(part);
  }
  return found;
}

std::set<std::string> trained(models::SiamMask& network) {
  return parts(network, [](const nn::Entry& e) { return autograd::requires_grad(*e.tensor); });
}

using Names = std::set<std::string>;
const Names kHeads = {
    "features.downsample",         "rpn_model.cls",       "rpn_model.loc", "mask_model.mask.conv_kernel",
    "mask_model.mask.conv_search", "mask_model.mask.head"};

Names with(Names a, const Names& b) {
  a.insert(b.begin(), b.end());
  return a;
}

/// Trains in the given parts and compares the last checkpoint with an uncut run's.
void check_cuts(const std::vector<std::string>& overrides, const std::vector<int64_t>& cuts) {
  const test::TemporaryFolder folder;
  const auto whole = Training(overrides).run(folder.path() / "whole");
  for (const int64_t cut : cuts) {
    CAPTURE(cut);
    const fs::path run = folder.path() / fmt::format("cut{}", cut);
    Training(overrides).run(run, cut);
    const auto result = Training(overrides).run(run);
    CHECK(result.steps == whole.steps);
    const bool same = read_file(result.checkpoint) == read_file(whole.checkpoint);
    CHECK(same);
  }
}

}  // namespace

TEST_CASE("the first stage trains adjust and heads, then layer2 and layer3 at a tenth of the rate") {
  Training t({});
  CHECK(t.task.steps_per_epoch() == 3);
  CHECK(t.task.total_steps() == 9);
  CHECK(t.task.stage(2) == 0);
  CHECK(t.task.stage(3) == 1);
  t.task.enter(0);
  CHECK(trained(t.network) == kHeads);
  t.task.set_training();
  CHECK(nn::find_module(t.network, "features.downsample.downsample.1").training());
  CHECK(nn::find_module(t.network, "mask_model.mask.head.1").training());
  CHECK_FALSE(nn::find_module(t.network, "features.features.layer3.0.bn1").training());
  t.task.enter(1);
  CHECK(trained(t.network) == with(kHeads, {"features.features.layer2", "features.features.layer3"}));
  t.task.set_training();
  CHECK_FALSE(nn::find_module(t.network, "features.features.layer3.0.bn1").training());

  Training live({"train.backbone_norm_live=true"});
  live.task.enter(0);
  live.task.set_training();
  CHECK_FALSE(nn::find_module(live.network, "features.features.layer3.0.bn1").training());
  live.task.enter(1);
  live.task.set_training();
  CHECK(nn::find_module(live.network, "features.features.layer3.0.bn1").training());
  CHECK_FALSE(nn::find_module(live.network, "features.features.layer1.0.bn1").training());
  CHECK_FALSE(nn::find_module(live.network, "features.features.bn1").training());
}

TEST_CASE("other ways with the backbone: all of it, none of it, and the second stage") {
  Training all({"train.backbone=all", "train.backbone_norm_live=true"});
  CHECK(all.task.stage(8) == 0);
  all.task.enter(0);
  CHECK(trained(all.network) ==
        with(kHeads, {"features.features.conv1", "features.features.bn1", "features.features.layer1",
                      "features.features.layer2", "features.features.layer3"}));
  all.task.set_training();
  CHECK(nn::find_module(all.network, "features.features.bn1").training());
  Training none({"train.backbone=frozen"});
  CHECK(none.task.stage(8) == 0);
  none.task.enter(0);
  CHECK(trained(none.network) == kHeads);
  Training box({"model.mask_side=0"});
  box.task.enter(0);
  CHECK(trained(box.network) == Names{"features.downsample", "rpn_model.cls", "rpn_model.loc"});

  Training sharp(kSharp);
  sharp.task.enter(0);
  CHECK(trained(sharp.network) == Names{"mask_model.mask.conv_kernel", "mask_model.mask.conv_search", "refine_model"});
  sharp.task.set_training();
  CHECK(nn::find_module(sharp.network, "mask_model.mask.conv_kernel.1").training());
  CHECK_FALSE(nn::find_module(sharp.network, "rpn_model.cls.conv_kernel.1").training());
  CHECK_FALSE(nn::find_module(sharp.network, "features.downsample.downsample.1").training());
}

TEST_CASE("steps change what is trained and nothing else; unfrozen layers wait for their epoch") {
  const test::TemporaryFolder folder;
  Training t({});
  const auto start = t.values();
  const auto changed = [&](Training& now) {
    const auto values = now.values();
    return parts(now.network, [&](const nn::Entry& e) { return values.at(e.name) != start.at(e.name); });
  };
  t.run(folder.path() / "run", 3);
  CHECK(changed(t) == kHeads);
  Training on({});
  on.run(folder.path() / "run", 5);
  CHECK(changed(on) == with(kHeads, {"features.features.layer2", "features.features.layer3"}));
  const auto values = on.values();  // the backbone's statistics stay
  for (const auto& [name, value] : values)
    if (name.starts_with("features.features") && name.find("running") != std::string::npos)
      CHECK_MESSAGE(value == start.at(name), name);
  CHECK(values.at("rpn_model.cls.head.1.running_mean") != start.at("rpn_model.cls.head.1.running_mean"));
}

TEST_CASE("a first stage that is cut before, at or after the unfreezing ends with the same bits") {
  check_cuts({}, {2, 3, 4});
}

TEST_CASE("so it does where momentum is kept, and where it starts at zero each epoch") {
  check_cuts({"train.fresh_optimizer=never"}, {3});
  check_cuts({"train.fresh_optimizer=epoch"}, {4});
}

TEST_CASE("a second stage that is cut ends with the same bits, whatever the number of workers") {
  check_cuts(kSharp, {4});
  const test::TemporaryFolder folder;
  std::vector<std::string> more = kSharp;
  more.push_back("data.workers=3");
  const auto one = Training(kSharp).run(folder.path() / "one", 3),
             three = Training(more).run(folder.path() / "three", 3);
  const bool same = read_file(one.checkpoint) == read_file(three.checkpoint);
  CHECK(same);
}

TEST_CASE("momentum starts at zero where layers are unfrozen, unless it is told to stay") {
  const test::TemporaryFolder folder;
  const auto weights = [&](const char* name, const std::vector<std::string>& overrides) {
    Training t(overrides);
    t.run(folder.path() / name, 5);
    return t.values().at("rpn_model.cls.head.3.weight");
  };
  const auto change = weights("change", {}), never = weights("never", {"train.fresh_optimizer=never"});
  CHECK(change != never);
  CHECK(change == weights("epoch", {"train.fresh_optimizer=epoch"}));  // of epochs 0 and 1 both begin anew
}

TEST_CASE("the tiny network learns its four discs, and validation sees it") {
  const test::TemporaryFolder folder;
  Training t({"train.backbone=all", "train.backbone_norm_live=true", "train.backbone_lr_mult=1", "train.optimizer=adam",
              "train.lr=0.003", "train.last_lr=0.003", "train.warmup_epochs=0", "data.pairs_per_epoch=60",
              "data.val_pairs=8", "train.epochs=1"});
  t.network.set_training(false);
  t.task.enter(0);
  const auto before = t.task.validate();
  const auto result = t.run(folder.path() / "run");
  t.network.set_training(false);
  const auto after = t.task.validate();
  REQUIRE(before.has_value());
  REQUIRE(after.has_value());
  MESSAGE("mean IoU " << *before << " before, " << *after << " after, loss " << result.last_loss);
  CHECK(*after > *before + 0.1);
  CHECK(result.last_loss < 20);
}

TEST_CASE("names of a batch, and what a configuration lacks") {
  Training t({});
  t.task.load(1);
  const auto names = t.task.names();
  REQUIRE(names.size() == 2);
  CHECK(names[0].find(".00.00000") != std::string::npos);
  CHECK(names[0].find(" > v") != std::string::npos);
  auto config = config_with({"data.sets="});
  CHECK_THROWS_WITH_AS(train::siam_sets(config.data, false), doctest::Contains("data.sets names no set"), Error);
  CHECK_THROWS_WITH_AS(Training({"data.pairs_per_epoch=1"}), doctest::Contains("want one or more each"), Error);
}

TEST_CASE("a step on the CUDA device gives the CPU's losses") {
  if (!test::cuda()) return;
  for (const bool sharp : {false, true}) {
    const std::vector<std::string> overrides = sharp ? kSharp : std::vector<std::string>{};
    Training here(overrides), there(overrides, *test::cuda());
    nn::load_state_dict(there.network, nn::state_dict(here.network));
    for (Training* t : {&here, &there}) {
      t->task.enter(0);
      t->task.load(0);
      t->task.set_training();
    }
    const auto want = here.task.forward(), got = there.task.forward();
    for (size_t i = 0; i < want.terms.size(); ++i)
      CHECK(got.terms[i].second.item() == doctest::Approx(want.terms[i].second.item()).epsilon(1e-4));
  }
}

TEST_CASE("a step with activations of bf16 gives nearly the losses of f32, and finite gradients") {
  for (const bool sharp : {false, true}) {
    const std::vector<std::string> overrides = sharp ? kSharp : std::vector<std::string>{};
    Training wide(overrides), narrow(overrides, test::cpu(), DType::bf16);
    for (Training* t : {&wide, &narrow}) {
      t->task.enter(0);
      t->task.load(0);
      t->task.set_training();
    }
    const auto want = wide.task.forward(), got = narrow.task.forward();
    CHECK(got.total.dtype() == DType::f32);
    CHECK(got.total.item() == doctest::Approx(want.total.item()).epsilon(0.05));
    autograd::backward(got.total);
    for (const nn::Entry& e : nn::entries(narrow.network)) {
      const Tensor gradient = autograd::grad(*e.tensor);
      if (!gradient.defined()) continue;
      const auto values = gradient.to_vector<float>();
      CHECK_MESSAGE(std::ranges::all_of(values, [](float v) { return std::isfinite(v); }), e.name);
    }
  }
}
