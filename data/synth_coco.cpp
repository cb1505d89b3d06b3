#include "data/synth_coco.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "cpu/rle.h"
#include "data/coco.h"
#include "data/crew.h"
#include "data/image.h"
#include "data/synth/mask_polygon.h"
#include "data/synth/scene.h"
#include "data/synth_output.h"
#include "tensor/error.h"

namespace az::data {
namespace {

namespace fs = std::filesystem;

constexpr int kFirstVal = 900000;

struct RecordedObject {
  int category = 0;  // 1..6
  cpu::Rle mask;
  std::vector<std::vector<double>> polygons;  // in place of the runs, where asked for
};

// What the annotation files say about a picture.
struct Record {
  CocoImage image;
  SynthStatistics counts;
  std::vector<RecordedObject> objects;
};

void count(SynthStatistics& counts, const synth::SceneObject& object) {
  ++counts.objects;
  ++counts.ranges[object.area < 32 * 32 ? 0 : object.area < 96 * 96 ? 1 : 2];
  counts.concave += object.concave;
  counts.whole_concave += object.whole_concave;
  counts.multi_part += object.parts > 1;
  counts.occluded += static_cast<double>(object.area) < 0.95 * static_cast<double>(object.whole_area);
  ++counts.kinds[static_cast<size_t>(object.kind)];
}

void add(SynthStatistics& sum, const SynthStatistics& more) {
  const auto add_each = [](auto& a, const auto& b) {
    std::transform(a.begin(), a.end(), b.begin(), a.begin(), std::plus<>());
  };
  sum.pictures += more.pictures;
  sum.objects += more.objects;
  add_each(sum.ranges, more.ranges);
  sum.concave += more.concave;
  sum.whole_concave += more.whole_concave;
  sum.multi_part += more.multi_part;
  sum.occluded += more.occluded;
  add_each(sum.kinds, more.kinds);
  add_each(sum.pictures_with, more.pictures_with);
}

Record write_picture(const SynthCocoOptions& options, const fs::path& folder, int id) {
  const synth::Scene scene = synth::draw_scene(options.seed, static_cast<uint64_t>(id));
  Record record;
  record.image = {id, scene.image.width, scene.image.height, fmt::format("{:012d}.jpg", id)};
  write_jpeg(folder / record.image.file_name, scene.image, scene.jpeg_quality, Flush::later);
  record.counts.pictures = 1;
  ++record.counts.pictures_with[scene.objects.size()];
  for (const synth::SceneObject& object : scene.objects) {
    count(record.counts, object);
    RecordedObject& recorded = record.objects.emplace_back();
    recorded.category = static_cast<int>(object.kind) + 1;
    recorded.mask = cpu::rle_encode(object.mask);
    if (options.polygons) recorded.polygons = synth::mask_polygons(object.mask);
  }
  return record;
}

// Draws pictures first + 1 .. first + count into the folder, on several threads.
std::vector<Record> write_pictures(const SynthCocoOptions& options, const fs::path& folder, int first, int count,
                                   int done_before) {
  std::vector<Record> records(static_cast<size_t>(count));
  CrewOptions crew{options.workers, {}};
  if (options.progress)
    crew.progress = [&](int64_t done, int64_t) {
      options.progress(done_before + static_cast<int>(done), options.train + options.val);
    };
  for_each_item(count, crew, [&](int64_t i) {
    records[static_cast<size_t>(i)] = write_picture(options, folder, first + static_cast<int>(i) + 1);
  });
  return records;
}

void write_annotations(const fs::path& file, const std::vector<Record>& records) {
  CocoDataset dataset;
  for (size_t k = 0; k < synth::kKindNames.size(); ++k)
    dataset.categories.push_back({static_cast<int64_t>(k) + 1, std::string(synth::kKindNames[k]), "object"});
  for (const Record& record : records) {
    dataset.images.push_back(record.image);
    for (const RecordedObject& object : record.objects) {
      CocoAnnotation& annotation = dataset.annotations.emplace_back();
      annotation.id = static_cast<int64_t>(dataset.annotations.size());
      annotation.image_id = record.image.id;
      annotation.category_id = object.category;
      annotation.bbox = cpu::rle_box(object.mask);
      annotation.area = cpu::rle_area(object.mask);
      annotation.segmentation =
          object.polygons.empty() ? dataset.segmentations.add(object.mask) : dataset.segmentations.add(object.polygons);
    }
  }
  write_coco(file, dataset);
}

void prepare(const SynthCocoOptions& options) {
  AZ_CHECK(!options.out.empty(), "synth coco: no folder given to write to (--out DIR)");
  AZ_CHECK(options.train >= 0 && options.train <= kFirstVal, "synth coco: {} training pictures, want 0 to {}",
           options.train, kFirstVal);
  AZ_CHECK(options.val >= 0 && options.val <= kFirstVal, "synth coco: {} validation pictures, want 0 to {}",
           options.val, kFirstVal);
  AZ_CHECK(options.workers >= 0 && options.workers <= 1024, "synth coco: {} workers, want 0 to 1024", options.workers);
  prepare_output(options.out, options.force);
  for (const char* part : {"train2017", "val2017", "annotations"}) make_folder(options.out / part);
}

}  // namespace

SynthCocoSummary write_synth_coco(const SynthCocoOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  prepare(options);
  const fs::path train_json = options.out / "annotations" / "instances_train2017.json";
  const fs::path val_json = options.out / "annotations" / "instances_val2017.json";
  // Old annotations go first and new ones come last: an interrupted run never looks like a whole set.
  remove_old(train_json);
  remove_old(val_json);
  const std::vector<Record> train = write_pictures(options, options.out / "train2017", 0, options.train, 0);
  const std::vector<Record> val =
      write_pictures(options, options.out / "val2017", kFirstVal, options.val, options.train);
  flush_files(options.out);
  write_annotations(val_json, val);
  write_annotations(train_json, train);
  SynthCocoSummary summary;
  for (const Record& record : train) add(summary.train, record.counts);
  for (const Record& record : val) add(summary.val, record.counts);
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

}  // namespace az::data
