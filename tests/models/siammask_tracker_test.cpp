#include "models/siammask/tracker.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/node.h"
#include "tensor/error.h"
#include "tensor/rng.h"
#include "tests/support/devices.h"

using namespace az;
using models::SiamStepOptions;
using models::SiamTracked;
using models::SiamTracker;
using models::SiamTrackOptions;

namespace {

models::SiamMaskOptions small(int64_t mask_side, bool refine) {
  models::SiamMaskOptions o;
  o.backbone.blocks = {1, 1, 1};
  o.backbone.width = 4;
  o.channels = 8;
  o.mask_side = mask_side;
  o.refine = refine;
  return o;
}

std::unique_ptr<models::SiamMask> network(Device& d, int64_t mask_side = 63, bool refine = true) {
  auto made = std::make_unique<models::SiamMask>(nn::Builder{d, 3}, small(mask_side, refine));
  for (const nn::Entry& e : nn::entries(*made)) {
    // Pictures are not normalised; the first convolution's fresh weights would saturate every score.
    if (e.name != "features.features.conv1.weight") continue;
    auto values = e.tensor->to_vector<float>();
    for (float& v : values) v *= 0.01F;
    e.tensor->copy_from(Tensor::from(values, e.tensor->shape(), d));
  }
  made->set_training(false);
  return made;
}

/// A bright square on noise, a little further in every frame.
data::Image frame(int index, int width = 120, int height = 90) {
  data::Image image(width, height);
  Rng rng(static_cast<uint64_t>(index), Purpose::test);
  for (uint8_t& p : image.pixels) p = static_cast<uint8_t>(rng.integer(40, 90));
  for (int y = 30; y < 54; ++y)
    for (int x = 40 + 2 * index; x < 70 + 2 * index && x < width; ++x) image.at(x, y)[0] = 220;
  return image;
}

const cpu::InitialBox kBox{55, 42, 30, 24};

std::vector<double> numbers(const SiamTracked& r) {
  std::vector<double> all = {r.state.x, r.state.y,     r.state.w,        r.state.h,
                             r.score,   double(r.row), double(r.column), r.mask_area};
  for (const auto& [x, y] : r.corners) all.insert(all.end(), {x, y});
  return all;
}

void check_close(const std::vector<double>& a, const std::vector<double>& b, double limit) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= limit);
}

}  // namespace

TEST_CASE("a tracker begins anew exactly as a fresh one") {
  for (Device* device : test::devices()) {
    const auto net = network(*device);
    SiamTracker one(*net, {SiamTrackOptions{}}, *device, {.graphs = false});
    one.start(0, frame(0), kBox);
    for (int i = 1; i < 4; ++i) one.track(frame(i));
    one.start(0, frame(5), {60, 42, 30, 24});
    CHECK_THROWS_WITH_AS(one.result(0), "tracker: object 0 has not been tracked yet", Error);
    SiamTracker fresh(*net, {SiamTrackOptions{}}, *device, {.graphs = false});
    fresh.start(0, frame(5), {60, 42, 30, 24});
    for (SiamTracker* t : {&one, &fresh}) t->track(frame(6));
    CHECK(numbers(one.result(0)) == numbers(fresh.result(0)));
    CHECK(one.mask(0).values == fresh.mask(0).values);
  }
}

TEST_CASE("several objects side by side are tracked as each alone") {
  for (Device* device : test::devices()) {
    const auto net = network(*device);
    SiamTrackOptions other{.penalty_k = 0.2, .window_influence = 0.2, .lr = 0.9};
    SiamTracker both(*net, {SiamTrackOptions{}, other}, *device, {.graphs = false});
    SiamTracker first(*net, {SiamTrackOptions{}}, *device, {.graphs = false}),
        second(*net, {other}, *device, {.graphs = false});
    both.start(0, frame(0), kBox);
    first.start(0, frame(0), kBox);
    for (SiamTracker* t : {&both, &first}) t->track(frame(1));
    both.start(1, frame(1), {30, 20, 20, 26});
    second.start(0, frame(1), {30, 20, 20, 26});
    for (int i = 2; i < 4; ++i)
      for (SiamTracker* t : {&both, &first, &second}) t->track(frame(i));
    // Convolutions of two pictures may take another algorithm than those of one.
    check_close(numbers(both.result(0)), numbers(first.result(0)), 1e-2);
    check_close(numbers(both.result(1)), numbers(second.result(0)), 1e-2);
    const auto before = numbers(both.result(1));
    both.stop(1);
    CHECK_FALSE(both.running(1));
    both.track(frame(4));
    CHECK(numbers(both.result(1)) == before);
  }
}

TEST_CASE("every variant has its masks, and the box variant its box") {
  for (Device* device : test::devices())
    for (const auto& [side, refine] : {std::pair{63, true}, {63, false}, {0, false}}) {
      const auto net = network(*device, side, refine);
      // A configuration's out_size for another variant changes nothing.
      SiamTracker tracker(*net, {SiamTrackOptions{.out_size = 127}}, *device, {.graphs = false});
      tracker.start(0, frame(0), kBox);
      tracker.track(frame(1));
      const SiamTracked& r = tracker.result(0);
      CHECK(tracker.step().mask_side() == (refine ? 127 : side));
      CHECK(tracker.mask(0).values.empty() == (side == 0));
      CHECK(r.state.x >= 0);
      CHECK(r.state.x <= 120);
      CHECK(r.score > 0);
      if (side == 0) CHECK(r.corners == models::corners_of(r.state));
      for (const auto& [x, y] : r.corners) CHECK((std::isfinite(x) && std::isfinite(y)));
    }
}

TEST_CASE("boxes and frames that cannot be tracked are refused in one clear line") {
  Device& d = test::cpu();
  const auto net = network(d);
  SiamTracker tracker(*net, {SiamTrackOptions{}}, d);
  CHECK_THROWS_WITH_AS(tracker.track(frame(0)), "tracker: searched before any object was given", Error);
  const auto refused = [&](const cpu::InitialBox& box, const char* message) {
    CHECK_THROWS_WITH_AS(tracker.start(0, frame(0), box), message, Error);
  };
  refused({200, 42, 30, 24}, "tracker: the first box, 30 x 24 around (200, 42), lies outside the frame of 120 x 90");
  refused({55, -12, 30, 24}, "tracker: the first box, 30 x 24 around (55, -12), lies outside the frame of 120 x 90");
  refused({55, 42, 0, 24}, "tracker: the first box, 0 x 24 around (55, 42), has no area");
  refused({55, 42, 30, -1}, "tracker: the first box, 30 x -1 around (55, 42), has no area");
  refused({std::nan(""), 42, 30, 24}, "tracker: the first box, 30 x 24 around (nan, 42), is not finite");
  refused({55, 42, 0.1, 0.1}, "tracker: the first box is 0.1 x 0.1 pixels; want 1 to 2^20 with its context");
  tracker.start(0, frame(0), {-10, 42, 30, 24});  // part of it is in the frame
  CHECK_THROWS_WITH_AS(tracker.track(frame(1, 121, 90)),
                       "tracker: a frame of 121 x 90 pixels after frames of 120 x 90; start a new tracker where the "
                       "size changes",
                       Error);
  CHECK_THROWS_AS(tracker.track(data::Image(120, 90, 1)), Error);
  CHECK_THROWS_WITH_AS(SiamTracker(*net, {}, d), "tracker: no object to track", Error);
  CHECK_THROWS_WITH_AS(SiamTracker(*net, {SiamTrackOptions{.lr = 2}}, d), "tracker: lr is 2, want 0 to 1", Error);
  SiamStepOptions fewer;
  fewer.anchors.ratios = {1};
  CHECK_THROWS_WITH_AS(SiamTracker(*net, {SiamTrackOptions{}}, d, fewer),
                       "tracker: 1 scales and 1 ratios are not the network's 5 anchors", Error);
}

TEST_CASE("outputs that are no numbers end the tracking with a reason") {
  Device& d = test::cpu();
  const auto net = network(d);
  for (const nn::Entry& e : nn::entries(*net))
    if (e.name == "rpn_model.loc.head.3.bias")
      e.tensor->copy_from(Tensor::full(e.tensor->shape(), std::nan(""), DType::f32, d));
  SiamTracker tracker(*net, {SiamTrackOptions{}}, d);
  tracker.start(0, frame(0), kBox);
  CHECK_THROWS_WITH_AS(tracker.track(frame(1)),
                       "tracker: the network's outputs are not numbers; are these the weights of a trained network?",
                       Error);
}

TEST_CASE("memory stays as it is from frame to frame") {
  Device& d = test::cpu();
  const auto net = network(d);
  SiamTracker tracker(*net, {SiamTrackOptions{}}, d);
  tracker.start(0, frame(0), kBox);
  for (int i = 1; i < 5; ++i) tracker.track(frame(i));
  const AllocatorStats before = d.allocator().stats();
  for (int i = 0; i < 60; ++i) tracker.track(frame(i % 8));
  const AllocatorStats after = d.allocator().stats();
  CHECK(after.live_bytes == before.live_bytes);
  CHECK(after.reserved_bytes == before.reserved_bytes);
  CHECK(after.raw_allocations == before.raw_allocations);
}

TEST_CASE("on a CUDA device a frame is a graph's replay, with the eager frame's numbers") {
  Device* device = test::cuda();
  if (!device) {
    MESSAGE("no CUDA device in this build");
    return;
  }
  const auto net = network(*device);
  SiamTracker replayed(*net, {SiamTrackOptions{}}, *device),
      eager(*net, {SiamTrackOptions{}}, *device, {.graphs = false});
  for (SiamTracker* t : {&replayed, &eager}) t->start(0, frame(0), kBox);
  for (int i = 1; i < 6; ++i) {
    for (SiamTracker* t : {&replayed, &eager}) t->track(frame(i));
    CHECK(numbers(replayed.result(0)) == numbers(eager.result(0)));
  }
  CHECK(replayed.step().graphs() == 1);
  CHECK(replayed.step().graph_failure() == "");
  CHECK(eager.step().graphs() == 0);
}

TEST_CASE("an upright box and a clamped state") {
  CHECK(models::corners_of({10, 20, 4, 6}) == models::Corners{{{8, 17}, {12, 17}, {12, 23}, {8, 23}}});
  const models::SiamState in = models::clamped({-5, 400, 3, 900}, 120, 90);
  CHECK(std::array{in.x, in.y, in.w, in.h} == std::array{0.0, 90.0, 10.0, 90.0});
  // A frame smaller than the least side: the least side holds.
  CHECK(models::clamped({1, 1, 5, 5}, 6, 4).w == 10);
}
