// Cases of `bench kernels` that are PolarMask's own: losses, ray labels, detection, and the optimiser.
#pragma once

#include <bit>
#include <cmath>

#include "cli/kernel_cases_maps.h"
#include "cpu/ray_labels.h"
#include "cuda/focal.h"
#include "cuda/nms.h"
#include "cuda/optim.h"
#include "cuda/polar_detect.h"
#include "cuda/polar_loss.h"
#include "cuda/ray_label_batch.h"
#include "cuda/topk.h"

namespace az::cli {

template <class Cuda>
void time_focal(KernelTimer<Cuda>& b, int64_t n) {
  const KernelSizes& z = b.sizes;
  const int64_t rows = n * z.locations(), count = rows * z.classes;
  const Shape shape{rows, z.classes};
  const float* x = b.template random<float>(count);
  const int32_t* labels = b.labels(rows);
  float *dx = b.template empty<float>(count), *scalars = b.template random<float>(3);
  double* parts = b.template empty<double>(cuda::focal_parts(rows, z.classes));
  const math::FocalOptions options{0.25, 2, 1};
  b.template time<float>("focal", "loss", shape, moved<float>(count + rows), [&] {
    cuda::sigmoid_focal_loss<float>(b.stream(), x, labels, rows, z.classes, options, parts, scalars, scalars + 1);
  });
  b.template time<float>("focal", "loss backward", shape, moved<float>(2 * count + rows), [&] {
    cuda::sigmoid_focal_loss_backward<float>(b.stream(), x, labels, rows, z.classes, options, scalars + 1, scalars + 2,
                                             dx);
  });
  b.clear();
}

/// Losses of positive rows, one in twenty: of the others only the label is read.
template <class Cuda>
void time_polar_loss(KernelTimer<Cuda>& b, int64_t n) {
  const KernelSizes& z = b.sizes;
  const int64_t rows = n * z.locations(), positive = (rows + 19) / 20, l = z.locations();
  const int32_t* labels = b.labels(rows);
  const float *pred = b.template random<float>(rows * z.rays), *target = b.template random<float>(rows * z.rays);
  const float* weight = b.template random<float>(rows);
  const float* points = b.template random<float>(2 * l);
  float *out = b.template empty<float>(rows * z.rays), *scalars = b.template random<float>(3);
  double* parts = b.template empty<double>(cuda::row_loss_parts(rows));
  const math::Rows<float> which{labels, weight, rows};
  float *loss = scalars, *norm = scalars + 1;
  const float* dy = scalars + 2;
  // Values a row that a forward reads, and that a backward writes besides.
  const auto time = [&](const std::string& what, int64_t width, const std::function<void()>& forward,
                        const std::function<void()>& backward) {
    const int64_t read = rows + positive * (2 * width + 1);
    b.template time<float>("polar_loss", what, {rows, width}, moved<float>(read), forward);
    b.template time<float>("polar_loss", what + " backward", {rows, width}, moved<float>(read + rows * width),
                           backward);
  };
  using Kind = math::PolarIouKind;
  b.template time<float>("polar_loss", "centerness", {rows, z.rays}, moved<float>(2 * rows + positive * z.rays),
                         [&] { cuda::polar_centerness<float>(b.stream(), target, labels, rows, z.rays, out); });
  time(
      "polar IoU", z.rays,
      [&] { cuda::polar_iou_loss<float>(b.stream(), Kind::v1, pred, target, which, z.rays, parts, loss, norm); },
      [&] { cuda::polar_iou_loss_backward<float>(b.stream(), Kind::v1, pred, target, which, z.rays, norm, dy, out); });
  time(
      "box IoU", 4, [&] { cuda::box_iou_loss<float>(b.stream(), points, l, pred, target, which, parts, loss, norm); },
      [&] { cuda::box_iou_loss_backward<float>(b.stream(), points, l, pred, target, which, norm, dy, out); });
  time(
      "centerness BCE", 1, [&] { cuda::centerness_bce<float>(b.stream(), pred, target, which, parts, loss, norm); },
      [&] { cuda::centerness_bce_backward<float>(b.stream(), pred, target, which, norm, dy, out); });
  b.clear();
}

/// Seven round objects a picture, as `bench labels` has them.
inline std::vector<cpu::LabelObject> round_objects(double height, double width) {
  std::vector<cpu::LabelObject> objects;
  for (int i = 0; i < 7; ++i) {
    const double radius = height / 50 * std::pow(1.5, i), cx = width * (i + 1) / 8, cy = height / 2;
    cpu::LabelObject object;
    const int points = static_cast<int>(std::ceil(6.5 * radius));  // one a pixel of the outline
    for (int p = 0; p < points; ++p) {
      const double angle = 6.283185307179586 * p / points;
      object.shape.contour.push_back(
          {static_cast<int>(cx + radius * std::cos(angle)), static_cast<int>(cy + radius * std::sin(angle))});
    }
    object.shape.centre = {static_cast<int>(cx), static_cast<int>(cy)};
    object.box = {static_cast<float>(cx - radius), static_cast<float>(cy - radius), static_cast<float>(cx + radius),
                  static_cast<float>(cy + radius)};
    objects.push_back(object);
  }
  return objects;
}

template <class Cuda>
void time_ray_labels(KernelTimer<Cuda>& b, int64_t n) {
  const KernelSizes& z = b.sizes;
  const cpu::LabelOptions options;
  const std::vector<std::vector<cpu::LabelObject>> images(
      static_cast<size_t>(n), round_objects(static_cast<double>(z.height), static_cast<double>(z.width)));
  const auto plan = cuda::ray_label_plan(static_cast<int>(z.height), static_cast<int>(z.width), options);
  const cuda::RayLabelBatch batch = cuda::pack_objects(images, options);
  const cuda::RayLabelInput input{b.upload(batch.object_offsets),
                                  b.upload(batch.contour_offsets),
                                  b.upload(batch.points),
                                  b.upload(batch.centres),
                                  b.upload(batch.boxes),
                                  b.upload(batch.labels),
                                  nullptr};
  const int64_t rows = n * z.locations();
  const cuda::RayLabelOutput output{b.template empty<int32_t>(rows), b.template empty<int32_t>(rows),
                                    b.template empty<float>(rows * 4), b.template empty<float>(rows * z.rays),
                                    b.template empty<float>(rows)};
  const auto points = static_cast<int64_t>(batch.points.size());
  b.template time<float>("ray_labels", "7 objects a picture", {n, z.locations(), z.rays},
                         moved<float>(rows * (7 + z.rays) + points),
                         [&] { cuda::ray_labels(b.stream(), plan, input, static_cast<int>(n), output); });
  b.clear();
}

/// From head outputs to detections: rank, the best 1000 of each level, boxes, keys, suppression, rows.
template <class Cuda>
void time_detection(KernelTimer<Cuda>& b, int64_t n) {
  const KernelSizes& z = b.sizes;
  cuda::PolarMaps maps;
  maps.images = static_cast<int>(n);
  maps.classes = static_cast<int>(z.classes);
  cuda::TopkRuns runs;
  for (const int64_t stride : KernelSizes::kStrides) {
    const int64_t count = z.pixels(stride), rows = n * count;
    maps.level[maps.levels++] = {b.template random<float>(rows * z.classes),
                                 b.template random<float>(rows),
                                 b.template random<float>(rows * 4),
                                 b.template random<float>(rows * z.rays),
                                 maps.locations,
                                 static_cast<int>(count),
                                 static_cast<int>(z.w(stride)),
                                 static_cast<int>(stride)};
    maps.locations += static_cast<int>(count);
    runs.add(static_cast<int>(count), 1000);
  }
  const int slots = runs.chosen(), limit = 100;
  std::vector<math::PolarFrame> frames(static_cast<size_t>(n),
                                       {static_cast<float>(z.width - 1), static_cast<float>(z.height - 1), 1, 1});
  std::vector<math::Direction> directions;
  for (int k = 0; k < maps.rays; ++k) directions.push_back(math::ray_direction(k, maps.rays));
  const int64_t locations = n * maps.locations, candidates = n * slots, scores = candidates * z.classes;
  int32_t* chosen = b.template zeros<int32_t>(candidates);
  float* rank = b.template zeros<float>(locations);
  auto* scratch = b.template empty<uint64_t>(n * runs.scratch_row());
  const cuda::PolarCandidates which{chosen, slots, b.upload(frames), b.upload(directions)};
  // Logits are 0.1..1: a few in a hundred count, as in a busy picture.
  const cuda::PolarScoring scoring{0.95f, 0.725f, 0.5f};
  auto* boxes = b.template empty<math::Box>(candidates);
  auto* keys = b.template empty<uint32_t>(scores);
  const cuda::NmsShape shape{static_cast<int>(n), maps.classes, slots, limit, 0.5f, 1};
  char* workspace = b.template empty<char>(cuda::nms_workspace_bytes(shape));
  int32_t *count = b.template zeros<int32_t>(n), *picked = b.template zeros<int32_t>(n * limit * 2);
  const int64_t words = n * cuda::polar_result_words(maps.rays, limit);
  int32_t* result = b.template empty<int32_t>(words);
  const auto time = [&](const char* family, const char* what, const Shape& s, int64_t values,
                        const std::function<void()>& work) {
    b.template time<float>(family, what, s, moved<float>(values), work);
  };
  cuda::Stream& stream = b.stream();
  time("polar_detect", "rank", {n, maps.locations, z.classes}, locations * (z.classes + 2),
       [&] { cuda::polar_rank(stream, maps, rank); });
  time("topk", "1000 of each level", {n, maps.locations}, locations + candidates,
       [&] { cuda::topk(stream, rank, static_cast<int>(n), runs, chosen, scratch); });
  time("polar_detect", "boxes", {n, slots, 4}, candidates * 9,
       [&] { cuda::polar_boxes(stream, maps, which, /*from_rays=*/false, boxes); });
  time("polar_detect", "boxes of rays", {n, slots, z.rays}, candidates * (z.rays + 5),
       [&] { cuda::polar_boxes(stream, maps, which, /*from_rays=*/true, boxes); });
  time("polar_detect", "keys", {n, slots, z.classes}, 2 * scores + 2 * candidates,
       [&] { cuda::polar_keys(stream, maps, which, scoring, keys); });
  time("nms", "class-wise", {n, z.classes, slots}, scores + candidates * 4,
       [&] { cuda::class_nms(stream, keys, boxes, shape, workspace, count, picked); });
  time("polar_detect", "results", {n, limit, cuda::polar_row_words(maps.rays)}, 2 * words,
       [&] { cuda::polar_results(stream, maps, which, boxes, scoring, count, picked, limit, result); });
  b.clear();
}

/// PolarMask-R50's number of parameters, in tensors of a 3x3 convolution's size.
template <class Cuda>
void time_optim(KernelTimer<Cuda>& b) {
  const int64_t each = 9 * b.sizes.channels * b.sizes.channels, tensors = b.sizes.channels < 256 ? 3 : 58;
  const int64_t count = each * tensors;
  std::vector<cuda::OptimParameter<float>> parameters;
  std::vector<cuda::OptimChunk> chunks;
  std::vector<const void*> gradients;
  for (int64_t i = 0; i < tensors; ++i) {
    parameters.push_back(
        {b.template random<float>(each), b.template zeros<float>(each), b.template zeros<float>(each), each, 1, 1e-4});
    gradients.push_back(b.template random<float>(each));
    for (int64_t at = 0; at < each; at += cuda::kOptimChunk)
      chunks.push_back({static_cast<int32_t>(i), static_cast<int32_t>(at / cuda::kOptimChunk)});
  }
  const auto chunk_count = static_cast<int64_t>(chunks.size());
  const cuda::OptimTable<float> table{b.upload(parameters),
                                      b.upload(chunks),
                                      b.template zeros<const float*>(tensors),
                                      b.template zeros<int64_t>(tensors),
                                      b.template zeros<char>(tensors * cuda::kOptimUpdateBytes),
                                      b.template zeros<double>(chunk_count),
                                      b.upload(std::vector<double>{1e-6}),
                                      b.template zeros<cuda::OptimStatus>(1),
                                      nullptr,
                                      0,
                                      tensors,
                                      chunk_count};
  const auto set = [&] {
    cuda::set_pointers(b.stream(), gradients.data(), tensors, reinterpret_cast<const void**>(table.gradients));
  };
  b.template time<float>("optim", "set pointers", {tensors}, {8.0 * static_cast<double>(tensors)}, set);
  b.template time<float>("optim", "sgd", {count}, moved<float>(5 * count),
                         [&] { cuda::sgd_step(b.stream(), table, 0.9, 0); });
  b.template time<float>("optim", "sgd, clipped", {count}, moved<float>(6 * count),
                         [&] { cuda::sgd_step(b.stream(), table, 0.9, 10); });
  b.template time<float>("optim", "adam", {count}, moved<float>(7 * count), [&] {
    cuda::adam_step(b.stream(), table, {0.9, 0.999, 1e-8, false}, 0);
  });
  b.clear();
}

}  // namespace az::cli
