#include "cuda/ray_label_batch.h"

#include <algorithm>
#include <climits>

#include "tensor/error.h"

namespace az::cuda {
namespace {

template <class T>
Tensor upload(const std::vector<T>& values, Device& device) {
  return Tensor::from(values, {static_cast<int64_t>(values.size())}, device);
}

template <class T>
T* place(Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data<T>() : nullptr;
}

}  // namespace

RayLabelPlan ray_label_plan(int padded_height, int padded_width, const cpu::LabelOptions& options) {
  cpu::image_targets({}, padded_height, padded_width, options);  // refuses what the CPU refuses
  AZ_CHECK(options.strides.size() <= kRayLabelLevels, "ray labels: {} levels, the device's kernel takes {} at most",
           options.strides.size(), kRayLabelLevels);
  const auto grids = cpu::level_grids(padded_height, padded_width, options.strides);
  AZ_CHECK(cpu::location_count(grids) <= INT_MAX / 512, "ray labels: {} locations in one image",
           cpu::location_count(grids));
  RayLabelPlan plan{};
  for (size_t i = 0; i < grids.size(); ++i) {
    const cpu::LevelGrid& g = grids[i];
    plan.levels[i] = {g.height,
                      g.width,
                      g.stride,
                      static_cast<int>(g.first),
                      plan.segments,
                      options.ranges[i].first,
                      options.ranges[i].second};
    plan.segments += (g.height * g.width + kRayLabelSegment - 1) / kRayLabelSegment;
  }
  plan.level_count = static_cast<int>(grids.size());
  plan.locations = static_cast<int>(cpu::location_count(grids));
  plan.rays = options.rays;
  plan.center_radius = options.center_radius;
  plan.mode = options.mode;
  plan.fill_max_run = std::max(options.fill_max_run, 0);
  plan.wipe_when_center_x_zero = options.compat_wipe_when_center_x_zero;
  return plan;
}

RayLabelBatch pack_objects(std::span<const std::vector<cpu::LabelObject>> images, const cpu::LabelOptions& options) {
  RayLabelBatch batch;
  batch.images = static_cast<int>(images.size());
  batch.object_offsets = {0};
  batch.contour_offsets = {0};
  for (const auto& objects : images) {
    for (const cpu::LabelObject& object : objects) {
      for (const cpu::Point& p : object.shape.contour) batch.points.insert(batch.points.end(), {p.x, p.y});
      AZ_CHECK(batch.points.size() / 2 <= INT_MAX, "ray labels: a batch with {} contour points",
               batch.points.size() / 2);
      batch.contour_offsets.push_back(static_cast<int32_t>(batch.points.size() / 2));
      batch.centres.insert(batch.centres.end(), {object.shape.centre.x, object.shape.centre.y});
      batch.boxes.insert(batch.boxes.end(), object.box.begin(), object.box.end());
      batch.labels.push_back(object.label);
    }
    batch.object_offsets.push_back(static_cast<int32_t>(batch.labels.size()));
  }
  if (options.mode == cpu::LabelMode::exact) batch.directions = cpu::exact_ray_directions(options.rays);
  return batch;
}

cpu::LabelObject label_object(const cpu::Rle& mask, const std::array<float, 4>& box, int32_t label) {
  const cpu::Mask pixels = cpu::rle_decode(mask);
  return {cpu::describe({pixels.pixels.data(), pixels.height, pixels.width, pixels.width}), box, label};
}

void ray_labels(CudaDevice& device, const RayLabelPlan& plan, const RayLabelBatch& batch, RayLabelTensors& out) {
  const Tensor object_offsets = upload(batch.object_offsets, device);
  const Tensor contour_offsets = upload(batch.contour_offsets, device);
  const Tensor points = upload(batch.points, device);
  const Tensor centres = upload(batch.centres, device);
  const Tensor boxes = upload(batch.boxes, device);
  const Tensor labels = upload(batch.labels, device);
  const Tensor directions = upload(batch.directions, device);
  const Tensor ignored = upload(batch.ignored, device);
  const RayLabelInput input{object_offsets.data<int32_t>(),
                            contour_offsets.data<int32_t>(),
                            points.data<int32_t>(),
                            centres.data<int32_t>(),
                            boxes.data<float>(),
                            labels.data<int32_t>(),
                            directions.data<double>(),
                            batch.ignored.empty() ? nullptr : ignored.data<uint8_t>()};
  ray_labels(device.stream(), plan, input, batch.images,
             {place<int32_t>(out.label), place<int32_t>(out.object), place<float>(out.box), place<float>(out.rays),
              place<float>(out.centerness)});
}

RayLabelTensors ray_labels(CudaDevice& device, const RayLabelPlan& plan, const RayLabelBatch& batch) {
  const int64_t n = batch.images, locations = plan.locations;
  RayLabelTensors out{
      Tensor::empty({n, locations}, DType::i32, device), Tensor::empty({n, locations}, DType::i32, device),
      Tensor::empty({n, locations, 4}, DType::f32, device),
      Tensor::empty({n, locations, plan.rays}, DType::f32, device), Tensor::empty({n, locations}, DType::f32, device)};
  ray_labels(device, plan, batch, out);
  return out;
}

}  // namespace az::cuda
