// One update of the tracker, and a tracked sequence.
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/image.h"
#include "models/siammask/tracker.h"
#include "ops/siam_select.h"
#include "tensor/error.h"
#include "tests/golden_runner/siammask/kinds.h"
#include "tests/golden_runner/siammask/network.h"
#include "tests/support/devices.h"
#include "tests/support/golden_network.h"
#include "tests/support/golden_polygon.h"

namespace az::golden::siammask {
namespace {

using nlohmann::json;

models::SiamTrackOptions track_options(const json& hp) {
  models::SiamTrackOptions o;
  o.penalty_k = hp.value("penalty_k", o.penalty_k);
  o.window_influence = hp.value("window_influence", o.window_influence);
  o.lr = hp.value("lr", o.lr);
  o.seg_thr = hp.value("seg_thr", o.seg_thr);
  o.out_size = hp.value("out_size", o.out_size);
  AZ_CHECK(hp.value("instance_size", 255) == 255 && hp.value("base_size", 8) == 8, "siammask: another search crop");
  return o;
}

Polygon polygon_of(const models::Corners& corners) { return {corners.begin(), corners.end()}; }

/// What step 2 to 4 ranks: the maps of a case with their bumps, the anchors and the window.
struct Maps {
  std::vector<float> classes, boxes;
  std::vector<double> priors, window;
  int64_t side, anchors = 5;

  Maps(const Case& c, const std::string& i, const json& item) {
    const auto fill = [&](const std::string& name) {
      const json& input = c.json().at("fill_inputs").at(name);
      return fill_maps(name, input.at("shape").get<std::vector<int64_t>>(), input.at("seed").get<uint64_t>(),
                       input.at("offset").get<double>(), input.at("scale").get<double>(), test::cpu());
    };
    const Tensor scores = fill("score." + i);
    side = scores.dim(1);
    classes = scores.to_vector<float>();
    boxes = fill("delta." + i).to_vector<float>();
    for (const json& bump : item.at("bumps"))
      classes[static_cast<size_t>((bump[1].get<int64_t>() * side + bump[2].get<int64_t>()) * 2 * anchors + anchors +
                                  bump[0].get<int64_t>())] += bump[3].get<float>();
    for (const auto& a : models::siam_anchors({}, side, 0)) priors.insert(priors.end(), {a.cx, a.cy, a.w, a.h});
    const auto hann = [&](int64_t k) {
      return 0.5 - 0.5 * std::cos(2 * 3.14159265358979323846 * static_cast<double>(k) / static_cast<double>(side - 1));
    };
    for (int64_t row = 0; row < side; ++row)
      for (int64_t column = 0; column < side; ++column) window.push_back(hann(row) * hann(column));
  }
  math::SiamChoice choose(const math::SiamView& view, Device& d) const {
    const auto found = ops::siam_select(
        Tensor::from(classes, {1, side, side, 2 * anchors}, d), Tensor::from(boxes, {1, side, side, 4 * anchors}, d),
        Tensor::from(priors, {anchors * side * side, 4}, d), Tensor::from(window, {side * side}, d),
        Tensor::from(std::vector<double>{view.w, view.h, view.penalty_k, view.window_influence}, {1, 4}, d));
    const auto v = found.choices.to_vector<double>();
    return {v[0], {v[1], v[2], v[3], v[4], v[5], v[6], v[7]}};
  }
  double second_best(const math::SiamView& view) const {
    const math::SiamMaps maps{classes.data(), boxes.data(), reinterpret_cast<const math::SiamPrior*>(priors.data()),
                              window.data(),  &view,        1,
                              anchors,        side};
    std::vector<double> ranks;
    for (int64_t i = 0; i < anchors * side * side; ++i) ranks.push_back(maps.candidate(0, i).rank);
    std::ranges::nth_element(ranks, ranks.begin() + 1, std::greater<>());
    return ranks[1];
  }
};

/// Rows of bits, first pixel highest.
std::vector<uint8_t> unpacked_rows(const std::vector<uint8_t>& bytes, int width, int height) {
  const int row_bytes = (width + 7) / 8;
  std::vector<uint8_t> pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      pixels.push_back(bytes[static_cast<size_t>(y * row_bytes + x / 8)] >> (7 - x % 8) & 1);
  return pixels;
}

/// Steps 6 and 7 from the stored logits.
void check_outline(Case& c, const std::string& i, const json& item, const cpu::MaskPlace& place, double threshold,
                   const models::SiamState& state) {
  const std::string path = "cases." + i;
  const int width = item.at("image_wh").at(0), height = item.at("image_wh").at(1);
  const auto logits = c.values<float>("logits." + i);
  const int side = static_cast<int>(c.tensor("logits." + i).shape.at(0));
  models::SiamOutline outline;
  const bool found = outline.find(logits.data(), side, place, threshold, width, height);
  c.check_json(path + ".sub_box_x_y_side", std::array{place.x, place.y, place.side});
  std::vector<double> grey;
  int64_t over = 0, differing = 0;
  const auto expected = unpacked_rows(c.values<uint8_t>("over." + i), width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const float p = outline.mask().at(x, y);
      const bool own = p > static_cast<float>(threshold);
      grey.push_back(std::nearbyint(200 * std::clamp(static_cast<double>(p), 0.0, 1.0)));
      over += own;
      differing += own != (expected[static_cast<size_t>(y * width + x)] != 0);
    }
  c.check("mask." + i, grey, {height, width});
  c.check_json(path + ".mask_area_over_threshold", over);
  c.mark_checked("over." + i);
  c.report().add(static_cast<double>(differing) / (width * height) / *c.rule("over." + i).pixels_frac_max,
                 "over." + i + " (share of differing pixels)");
  check_polygon(c, path + ".polygon", polygon_of(found ? outline.corners() : models::corners_of(state)),
                /*end_to_end=*/true);
  models::SiamOutline fed;
  const bool fed_found = fed.find({expected.data(), height, width, width}, {0, 0, width, height});
  check_polygon(c, path + ".polygon", polygon_of(fed_found ? fed.corners() : models::corners_of(state)));
}

void check_step(Case& c, const std::string& i, const json& item, Device& device) {
  const std::string path = "cases." + i;
  const models::SiamTrackOptions options = track_options(c.json().at("hp").at(item.at("hp")));
  const models::SiamGeometry geometry;
  const models::SiamState before{item.at("pos")[0], item.at("pos")[1], item.at("size")[0], item.at("size")[1]};
  const models::SiamLook look = models::look_around(before, geometry);
  const math::SiamView view = models::view_of(before, look, options);
  const Maps maps(c, i, item);
  const math::SiamChoice choice = maps.choose(view, device);
  const int flat = static_cast<int>(choice.flat), cells = geometry.cells(), cell = flat % (cells * cells);
  const models::SiamState raw = models::follow(before, look, choice.best, options.lr);
  const models::SiamState after = models::clamped(raw, item.at("image_wh")[0], item.at("image_wh")[1]);
  c.check_json(path + ".crop_side", look.side);
  c.check_json(path + ".best", {{"flat", flat},
                                {"anchor", flat / (cells * cells)},
                                {"row", cell / cells},
                                {"col", cell % cells},
                                {"score", choice.best.score},
                                {"penalty", choice.best.penalty},
                                {"pscore", choice.best.rank}});
  c.check_json(path + ".second_best_pscore", maps.second_best(view));
  c.check_json(path + ".new_pos", std::array{after.x, after.y});
  c.check_json(path + ".new_size", std::array{after.w, after.h});
  if (item.at("mask").get<bool>())
    check_outline(c, i, item, models::mask_place(look, cell / cells, cell % cells, geometry), options.seg_thr, raw);
}

data::Image stored_frame(const Case& c, const std::string& name) {
  const auto& shape = c.tensor(name).shape;
  data::Image image(static_cast<int>(shape.at(1)), static_cast<int>(shape.at(0)));
  image.pixels = c.values<uint8_t>(name);
  for (size_t i = 0; i < image.pixels.size(); i += 3) std::swap(image.pixels[i], image.pixels[i + 2]);
  return image;
}

std::vector<float> nchw(const std::vector<float>& nhwc, size_t channels) {
  std::vector<float> out(nhwc.size());
  const size_t pixels = nhwc.size() / channels;
  for (size_t i = 0; i < nhwc.size(); ++i) out[i % channels * pixels + i / channels] = nhwc[i];
  return out;
}

void check_frame(Case& c, const json& item, size_t index, models::SiamTracker& tracker,
                 const models::SiamSearchStep::Maps& maps) {
  const std::string path = "track." + std::to_string(index), frame = item.at("frame").dump();
  const models::SiamTracked& own = tracker.result(0);
  const size_t anchors = maps.boxes.size() / (625 * 4);
  c.check_samples(frame + ".cls", nchw(maps.classes, 2 * anchors));
  c.check_samples(frame + ".loc", nchw(maps.boxes, 4 * anchors));
  const auto side = static_cast<int64_t>(tracker.step().mask_side());
  c.check_samples(frame + ".logits",
                  std::vector<float>(tracker.step().logits(0), tracker.step().logits(0) + side * side));
  c.check_json(path + ".cell", std::array{own.row, own.column});
  c.check_json(path + ".score", own.score);
  c.check_json(path + ".pos", std::array{own.state.x, own.state.y});
  c.check_json(path + ".size", std::array{own.state.w, own.state.h});
  int64_t area = 0;
  for (const float p : tracker.mask(0).values)
    area += static_cast<double>(p) > c.json().at("hp").at("seg_thr").get<double>();
  c.check_json(path + ".mask_area", area);
  check_polygon(c, path + ".polygon", polygon_of(own.corners));
}

}  // namespace

void run_tracker_step(const std::filesystem::path& file, Report& report) {
  Case c(file, report);
  for (Device* device : test::devices())
    for (const json& item : c.json().at("cases")) check_step(c, item.at("i").dump(), item, *device);
  c.finish();
}

void run_track_sequence(const std::filesystem::path& file, Report& report) {
  Case c(file, report);
  for (Device* device : test::devices()) {
    const auto network = make_network(c.json().at("net"), *device);
    scale_weights(*network, c.json().at("weight_scale"));
    models::SiamTracker tracker(*network, {track_options(c.json().at("hp"))}, *device, {.graphs = false});
    models::SiamSearchStep::Maps maps;
    tracker.step().keep_maps(&maps);
    const auto box = c.json().at("init_box_xywh").get<std::array<double, 4>>();
    tracker.start(0, stored_frame(c, "frame.0"), {box[0] + box[2] / 2, box[1] + box[3] / 2, box[2], box[3]});
    size_t index = 0;
    for (const json& item : c.json().at("track")) {
      tracker.track(stored_frame(c, "frame." + item.at("frame").dump()));
      check_frame(c, item, index++, tracker, maps);
    }
  }
  c.finish();
}

}  // namespace az::golden::siammask
