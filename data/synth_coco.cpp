#include "data/synth_coco.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cpu/rle.h"
#include "data/coco.h"
#include "data/image.h"
#include "data/synth/mask_polygon.h"
#include "data/synth/scene.h"
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
  write_jpeg(folder / record.image.file_name, scene.image, scene.jpeg_quality);
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
  std::atomic<int> next = 0;
  std::mutex mutex;
  int done = done_before;
  std::exception_ptr error;
  const auto work = [&] {
    for (int i = next++; i < count; i = next++) {
      try {
        records[static_cast<size_t>(i)] = write_picture(options, folder, first + i + 1);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        next = count;
        return;
      }
      const std::lock_guard lock(mutex);
      ++done;
      if (options.progress) options.progress(done, options.train + options.val);
    }
  };
  const int processors = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const int threads = std::clamp(options.workers > 0 ? options.workers : processors, 1, std::max(count, 1));
  std::vector<std::thread> crew;
  for (int k = 1; k < threads; ++k) crew.emplace_back(work);
  work();
  for (std::thread& thread : crew) thread.join();
  if (error) std::rethrow_exception(error);
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
  std::error_code error;
  AZ_CHECK(!fs::exists(options.out, error) || fs::is_directory(options.out, error), "{}: not a folder",
           options.out.string());
  AZ_CHECK(options.force || !fs::exists(options.out, error) || fs::is_empty(options.out, error),
           "{}: not empty; name another folder, or overwrite with --force", options.out.string());
  for (const char* part : {"train2017", "val2017", "annotations"}) {
    fs::create_directories(options.out / part, error);
    AZ_CHECK(!error, "{}: cannot create it: {}", (options.out / part).string(), error.message());
  }
}

}  // namespace

SynthCocoSummary write_synth_coco(const SynthCocoOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  prepare(options);
  const fs::path train_json = options.out / "annotations" / "instances_train2017.json";
  const fs::path val_json = options.out / "annotations" / "instances_val2017.json";
  // Old annotations go first and new ones come last: an interrupted run never looks like a whole set.
  for (const fs::path& file : {train_json, val_json}) {
    std::error_code error;
    fs::remove(file, error);
    AZ_CHECK(!error, "{}: cannot remove it: {}", file.string(), error.message());
  }
  const std::vector<Record> train = write_pictures(options, options.out / "train2017", 0, options.train, 0);
  const std::vector<Record> val =
      write_pictures(options, options.out / "val2017", kFirstVal, options.val, options.train);
  write_annotations(val_json, val);
  write_annotations(train_json, train);
  SynthCocoSummary summary;
  for (const Record& record : train) add(summary.train, record.counts);
  for (const Record& record : val) add(summary.val, record.counts);
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

}  // namespace az::data
