#include "eval/polarmask_run.h"

#include <fmt/format.h>

#include <chrono>

#include "cpu/device.h"
#include "data/loader.h"
#include "data/progress.h"
#include "eval/overlay_item.h"
#include "tensor/error.h"

namespace az::eval {
namespace {

namespace fs = std::filesystem;

struct Loaded {
  data::Image image;
  models::PreparedImage prepared;
};

OverlayItem truth_item(const data::CocoDataset& set, const data::CocoAnnotation& a) {
  OverlayItem item;
  const auto category = set.find_category(a.category_id);
  item.name = category ? set.categories[*category].name : "?";
  item.category = category ? static_cast<int>(*category) : 0;
  item.box = a.bbox;
  if (!a.segmentation.empty()) item.mask = cpu::rle_decode(set.mask_of(a));
  return item;
}

void draw(const data::CocoDataset& set, size_t index, const data::Image& image,
          const std::vector<models::Instance>& found, const PolarRunOptions& options) {
  std::vector<OverlayItem> truth, predictions;
  for (const uint32_t a : set.annotations_of(index)) truth.push_back(truth_item(set, set.annotations[a]));
  for (const auto& one : found)
    predictions.push_back(overlay_item(one, set.categories[static_cast<size_t>(one.label)].name));
  OverlayOptions style;
  style.least_score = options.show_score;
  const std::string name = fs::path(set.images[index].file_name).stem().string();
  data::write_jpeg(options.show / (name + ".jpg"), draw_comparison(image, truth, predictions, style), 90);
}

void append(const data::CocoDataset& set, size_t index, const std::vector<models::Instance>& found,
            data::CocoResults& results) {
  for (const auto& one : found) {
    data::CocoDetection d;
    d.image_id = set.images[index].id;
    d.category_id = set.categories[static_cast<size_t>(one.label)].id;
    d.score = static_cast<double>(one.score);
    d.bbox = one.box;
    d.segmentation = results.segmentations.add(one.mask);
    results.detections.push_back(d);
  }
}

}  // namespace

PolarRun run_polarmask(models::PolarDetector& detector, const models::PolarMaskConfig& config,
                       const models::PolarDataset& dataset, const PolarRunOptions& options) {
  const data::CocoDataset& set = dataset.annotations;
  const auto count = static_cast<int64_t>(set.images.size());
  if (!options.show.empty()) fs::create_directories(options.show);
  const auto start = std::chrono::steady_clock::now();
  cpu::CpuDevice host;  // where pictures are prepared
  data::Loader<Loaded> loader(
      [&](int64_t i) {
        Loaded loaded;
        loaded.image = data::read_image(dataset.images / set.images[static_cast<size_t>(i)].file_name);
        loaded.prepared = models::prepare_image(loaded.image, config.data, host);
        return loaded;
      },
      {.workers = options.workers, .prefetch = 4, .begin = 0, .end = count});
  const int64_t every = std::max<int64_t>(1, count / std::max(options.show_count, 1));
  PolarRun run;
  run.results.area_from_boxes = false;
  std::optional<data::Progress> progress;
  if (options.progress) progress.emplace("eval", "img", count);
  for (int64_t i = 0; i < count; ++i) {
    const Loaded loaded = *loader.next();
    const auto found = detector.detect(loaded.prepared);
    append(set, static_cast<size_t>(i), found, run.results);
    if (!options.show.empty() && i % every == 0) draw(set, static_cast<size_t>(i), loaded.image, found, options);
    if (progress) progress->update(i + 1);
  }
  run.images = count;
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  run.segm = evaluate_coco(set, run.results, {.type = CocoType::segm});
  run.bbox = evaluate_coco(set, run.results, {.type = CocoType::bbox});
  return run;
}

}  // namespace az::eval
