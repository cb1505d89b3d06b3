// Kinds ray_labels_masks and ray_labels_image_*: contours, mass centres, rays, assignment.
#include "cpu/ray_labels.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cpu/rle.h"
#include "cuda/build.h"
#include "cuda/ray_label_batch.h"
#include "math/polar_loss.h"
#include "tests/golden_runner/polarmask/kinds.h"
#include "tests/support/devices.h"

namespace az::golden::polarmask {
namespace {

std::vector<cpu::Mask> stored_masks(const Case& golden, const std::vector<std::pair<uint32_t, uint32_t>>& sizes) {
  const auto counts = golden.values<uint32_t>("rle_counts");
  const auto offsets = golden.values<int64_t>("rle_offsets");
  std::vector<cpu::Mask> masks;
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    const cpu::Rle rle{
        sizes.at(i).first, sizes.at(i).second, {counts.begin() + offsets[i], counts.begin() + offsets[i + 1]}};
    masks.push_back(cpu::rle_decode(rle));
  }
  return masks;
}

cpu::MaskView view(const cpu::Mask& mask) { return {mask.pixels.data(), mask.height, mask.width, mask.width}; }

/// Background regions (4-connected) that the image's border does not touch: OpenCV counts a contour for each.
int count_holes(const cpu::Mask& mask) {
  const int w = mask.width + 2, h = mask.height + 2;
  std::vector<uint8_t> taken(static_cast<size_t>(w) * static_cast<size_t>(h));
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x) {
      taken[static_cast<size_t>((y + 1) * w + x + 1)] = mask.pixels[static_cast<size_t>(y * mask.width + x)];
    }
  }
  int regions = 0;
  std::vector<int> stack;
  for (int start = 0; start < w * h; ++start) {
    if (taken[static_cast<size_t>(start)] != 0) continue;
    ++regions;
    stack = {start};
    taken[static_cast<size_t>(start)] = 1;
    while (!stack.empty()) {
      const int p = stack.back();
      stack.pop_back();
      for (const int q : {p % w > 0 ? p - 1 : p, p % w < w - 1 ? p + 1 : p, p - w, p + w}) {
        if (q < 0 || q >= w * h || taken[static_cast<size_t>(q)] != 0) continue;
        taken[static_cast<size_t>(q)] = 1;
        stack.push_back(q);
      }
    }
  }
  return regions - 1;
}

/// Rays and centerness of every object from points of its own [objects * per_mask, 2], by the device. A location of the
/// kernel lies on a grid, so each pair of object and point is a picture of one location, moved to have it at 0, 0.
template <bool kBuilt>
void check_points([[maybe_unused]] Case& golden, [[maybe_unused]] const std::vector<cpu::ObjectShape>& objects,
                  [[maybe_unused]] const std::vector<int>& points) {
  if constexpr (kBuilt) {
    if (!test::cuda()) return;
    const std::vector<int64_t>& shape = golden.tensor("distances").shape;  // [masks, points, rays]
    cpu::LabelOptions options;
    options.rays = static_cast<int>(shape.at(2));
    options.strides = {1};
    options.ranges = {{-1.F, 1e8F}};
    std::vector<std::vector<cpu::LabelObject>> pictures;
    for (size_t i = 0; i < points.size(); i += 2) {
      cpu::LabelObject moved{objects.at(i / 2 / static_cast<size_t>(shape.at(1))), {-9, -9, 9, 9}, 1};
      for (cpu::Point& p : moved.shape.contour) p = {p.x - points[i], p.y - points[i + 1]};
      moved.shape.centre = {0, 0};
      pictures.push_back({moved});
    }
    const auto targets = cuda::ray_labels(cuda::device_of(*test::cuda()), cuda::ray_label_plan(1, 1, options),
                                          cuda::pack_objects(pictures, options));
    golden.check("distances", targets.rays.template to_vector<float>(), shape);
    golden.check("centerness", targets.centerness.template to_vector<float>(), {shape.at(0), shape.at(1)});
  }
}

}  // namespace

void run_ray_labels_masks(const std::filesystem::path& json_file, Report& report) {
  Case golden(json_file, report);
  const auto sizes = golden.values<uint32_t>("image_hw");
  std::vector<std::pair<uint32_t, uint32_t>> mask_sizes;
  for (size_t i = 0; i + 1 < sizes.size(); i += 2) mask_sizes.emplace_back(sizes[i], sizes[i + 1]);
  const std::vector<cpu::Mask> masks = stored_masks(golden, mask_sizes);
  const auto points = golden.values<int>("points");
  const std::vector<int64_t>& shape = golden.tensor("distances").shape;  // [masks, points, rays]
  const size_t per_mask = static_cast<size_t>(shape.at(1)), rays = static_cast<size_t>(shape.at(2));
  const size_t full = golden.tensor("contour_offsets").values.size() - 1;

  std::vector<cpu::ObjectShape> objects;
  std::vector<double> centre, fallback, count, length, area, contour, offsets = {0}, distances, centerness;
  for (size_t i = 0; i < masks.size(); ++i) {
    const cpu::ObjectShape& object = objects.emplace_back(cpu::describe(view(masks[i])));
    centre.insert(centre.end(), {double(object.centre.x), double(object.centre.y)});
    fallback.push_back(object.fallback);
    count.push_back(object.components + count_holes(masks[i]));
    length.push_back(static_cast<double>(object.contour.size()));
    area.push_back(object.area);
    if (i < full) {
      for (const cpu::Point& p : object.contour) contour.insert(contour.end(), {double(p.x), double(p.y)});
      offsets.push_back(static_cast<double>(contour.size() / 2));
    }
    const cpu::RayCaster caster(object.contour);
    std::vector<float> own(rays);
    for (size_t p = 0; p < per_mask; ++p) {
      const size_t at = (i * per_mask + p) * 2;
      caster.cast(points.at(at), points.at(at + 1), cpu::LabelMode::compat, 0, own);
      distances.insert(distances.end(), own.begin(), own.end());
      centerness.push_back(math::polar_centerness(own.data(), shape[2]));
    }
  }
  const auto n = static_cast<int64_t>(masks.size());
  golden.check("center", centre, {n, 2});
  golden.check("center_fallback", fallback, {n});
  golden.check("contour_count", count, {n});
  golden.check("contour_length", length, {n});
  golden.check("contour_area", area, {n});
  golden.check("contour_points", contour, {static_cast<int64_t>(contour.size() / 2), 2});
  golden.check("contour_offsets", offsets, {static_cast<int64_t>(offsets.size())});
  golden.check("distances", distances, shape);
  golden.check("centerness", centerness, {n, shape[1]});
  check_points<cuda::kBuilt>(golden, objects, points);
  golden.finish();
}

namespace {

/// The device's dense targets at the CPU's positive locations; a template, so that a build without CUDA has none.
template <bool kBuilt>
void check_device([[maybe_unused]] Case& golden, [[maybe_unused]] const std::vector<cpu::LabelObject>& objects,
                  [[maybe_unused]] const std::vector<int>& padded, [[maybe_unused]] const cpu::LabelOptions& options) {
  if constexpr (kBuilt) {
    if (!test::cuda()) return;
    const auto plan = cuda::ray_label_plan(padded[0], padded[1], options);
    const auto targets =
        cuda::ray_labels(cuda::device_of(*test::cuda()), plan, cuda::pack_objects(std::span(&objects, 1), options));
    const auto object_at = targets.object.template to_vector<int32_t>(),
               label_at = targets.label.template to_vector<int32_t>();
    const auto box_at = targets.box.template to_vector<float>(), rays_at = targets.rays.template to_vector<float>();
    const auto centerness_at = targets.centerness.template to_vector<float>();
    std::vector<double> index, label, object, box, centerness, rays;
    for (size_t i = 0; i < object_at.size(); ++i) {
      if (object_at[i] < 0) continue;
      index.push_back(static_cast<double>(i));
      label.push_back(label_at[i]);
      object.push_back(object_at[i]);
      centerness.push_back(double{centerness_at[i]});
      for (size_t k = 0; k < 4; ++k) box.push_back(double{box_at[i * 4 + k]});
      const auto count = static_cast<size_t>(options.rays);
      for (size_t k = 0; k < count; ++k) rays.push_back(double{rays_at[i * count + k]});
    }
    const auto n = static_cast<int64_t>(index.size());
    golden.check("pos_index", index, {n});
    golden.check("pos_label", label, {n});
    golden.check("pos_gt", object, {n});
    golden.check("pos_box_targets", box, {n, 4});
    golden.check("pos_distances", rays, {n, options.rays});
    golden.check("pos_centerness", centerness, {n});
  }
}

}  // namespace

void run_ray_labels_image(const std::filesystem::path& json_file, Report& report) {
  Case golden(json_file, report);
  const nlohmann::json& json = golden.json();
  const auto padded = json.at("pad_hw").get<std::vector<int>>();
  cpu::LabelOptions options;
  options.rays = json.at("rays").get<int>();
  options.strides = json.at("strides").get<std::vector<int>>();
  options.ranges = json.at("regress_ranges").get<std::vector<std::pair<float, float>>>();
  options.center_radius = json.at("center_radius").get<float>();
  options.compat_wipe_when_center_x_zero = true;

  const auto labels = golden.values<int32_t>("gt_labels");
  const auto boxes = golden.values<float>("gt_boxes");
  const auto size = std::pair(static_cast<uint32_t>(padded.at(0)), static_cast<uint32_t>(padded.at(1)));
  const auto masks = stored_masks(golden, std::vector(labels.size(), size));
  std::vector<cpu::LabelObject> objects(labels.size());
  std::vector<double> centres, levels;
  for (size_t i = 0; i < objects.size(); ++i) {
    objects[i].shape = cpu::describe(view(masks[i]));
    std::copy_n(&boxes.at(i * 4), 4, objects[i].box.begin());
    objects[i].label = labels[i];
    centres.insert(centres.end(), {double(objects[i].shape.centre.x), double(objects[i].shape.centre.y)});
  }
  for (const cpu::LevelGrid& grid : cpu::level_grids(padded[0], padded[1], options.strides)) {
    levels.insert(levels.end(), {double(grid.height), double(grid.width)});
  }

  const cpu::ImageTargets targets = cpu::image_targets(objects, padded[0], padded[1], options);
  std::vector<double> index, label, object, box, centerness;
  for (const cpu::PositiveLocation& p : targets.positives) {
    index.push_back(static_cast<double>(p.location));
    label.push_back(p.label);
    object.push_back(p.object);
    box.insert(box.end(), p.box.begin(), p.box.end());
    centerness.push_back(p.centerness);
  }
  const auto n = static_cast<int64_t>(index.size());
  golden.check("gt_centers", centres, {static_cast<int64_t>(objects.size()), 2});
  golden.check("level_sizes", levels, {static_cast<int64_t>(levels.size() / 2), 2});
  golden.check("pos_index", index, {n});
  golden.check("pos_label", label, {n});
  golden.check("pos_gt", object, {n});
  golden.check("pos_box_targets", box, {n, 4});
  golden.check("pos_distances", targets.lengths, {n, options.rays});
  golden.check("pos_centerness", centerness, {n});
  check_device<cuda::kBuilt>(golden, objects, padded, options);
  golden.finish();
}

}  // namespace az::golden::polarmask
