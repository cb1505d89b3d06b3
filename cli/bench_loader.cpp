#include "cli/bench_loader.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include "cpu/device.h"
#include "data/coco.h"
#include "data/synth/mask_polygon.h"
#include "data/synth/scene.h"
#include "tensor/error.h"

namespace az::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kWidth = 640, kHeight = 480, kObjects = 7, kJpegQuality = 92;

class TemporaryFolder {
 public:
  TemporaryFolder() : path_(fs::temp_directory_path() / fmt::format("azimuth-bench-loader-{}", getpid())) {
    fs::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Generated scenes side by side until they cover a picture of COCO's size. The first seven objects are annotated, by
/// polygons; each lies in one scene, of which the picture's edge may cut a part off.
void add_picture(const fs::path& folder, int64_t id, data::CocoDataset& set) {
  data::Image picture(kWidth, kHeight);
  int64_t objects = 0;
  uint64_t scenes = 0;
  int step_x = kWidth, step_y = kHeight;
  for (int top = 0; top < kHeight; top += step_y) {
    for (int left = 0; left < kWidth; left += step_x) {
      const auto scene = data::synth::draw_scene(7, static_cast<uint64_t>(id) * 100 + ++scenes);
      step_x = scene.image.width, step_y = scene.image.height;
      const int width = std::min(step_x, kWidth - left), height = std::min(step_y, kHeight - top);
      for (int y = 0; y < height; ++y) std::copy_n(scene.image.at(0, y), 3 * width, picture.at(left, top + y));
      for (const data::synth::SceneObject& object : scene.objects) {
        if (objects == kObjects) break;
        cpu::Mask mask{kHeight, kWidth, std::vector<uint8_t>(size_t{kHeight} * kWidth)};
        for (int y = 0; y < height; ++y)
          std::copy_n(&object.mask.pixels[static_cast<size_t>(y) * static_cast<size_t>(step_x)], width,
                      &mask.pixels[static_cast<size_t>(top + y) * kWidth + static_cast<size_t>(left)]);
        const cpu::Rle runs = cpu::rle_encode(mask);
        if (cpu::rle_area(runs) < 200) continue;
        data::CocoAnnotation& annotation = set.annotations.emplace_back();
        annotation.id = static_cast<int64_t>(set.annotations.size());
        annotation.image_id = id;
        annotation.category_id = static_cast<int64_t>(object.kind) + 1;
        annotation.bbox = cpu::rle_box(runs);
        annotation.area = cpu::rle_area(runs);
        annotation.segmentation = set.segmentations.add(data::synth::mask_polygons(mask));
        ++objects;
      }
    }
  }
  set.images.push_back({id, kWidth, kHeight, fmt::format("{:012}.jpg", id)});
  data::write_jpeg(folder / set.images.back().file_name, picture, kJpegQuality);
}

data::CocoDataset make_set(const fs::path& folder, int pictures) {
  data::CocoDataset set;
  for (size_t k = 0; k < data::synth::kKindNames.size(); ++k)
    set.categories.push_back({static_cast<int64_t>(k) + 1, std::string(data::synth::kKindNames[k]), "object"});
  for (int i = 1; i <= pictures; ++i) add_picture(folder, i, set);
  set.build_index();
  return set;
}

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

struct Round {
  double wall_ms = 0, busy_ms = 0;  // from start to end; and of all workers together
  data::LoadTimes stages;
  data::ObjectCounts counts;
  double pixels = 0, bytes = 0;
};

/// Worker `worker` of `workers` makes every `workers`-th batch.
Round make_batches(const data::PolarData& data, const LoaderBenchOptions& options, int64_t pictures, int64_t epoch,
                   int worker) {
  Round round;
  cpu::CpuDevice host;
  const auto start = std::chrono::steady_clock::now();
  for (int64_t first = int64_t{worker} * options.batch; first < pictures;
       first += int64_t{options.workers} * options.batch) {
    std::vector<int64_t> indices;
    for (int64_t i = first; i < std::min(first + options.batch, pictures); ++i) indices.push_back(i);
    const data::PolarBatch batch = data.batch(indices, epoch, host);
    round.stages += batch.times;
    round.counts += batch.counts;
    for (const data::PictureInfo& picture : batch.pictures) {
      round.pixels += static_cast<double>(picture.original.width) * picture.original.height;
      round.bytes += static_cast<double>(fs::file_size(picture.file));
    }
  }
  round.busy_ms = ms_since(start);
  return round;
}

Round run_round(const data::PolarData& data, const LoaderBenchOptions& options, int64_t pictures, int64_t epoch) {
  std::vector<Round> parts(static_cast<size_t>(options.workers));
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (int w = 1; w < options.workers; ++w)
      threads.emplace_back([&, w] { parts[static_cast<size_t>(w)] = make_batches(data, options, pictures, epoch, w); });
    parts[0] = make_batches(data, options, pictures, epoch, 0);
  }
  Round all;
  all.wall_ms = ms_since(start);
  for (const Round& part : parts) {
    all.busy_ms += part.busy_ms;
    all.stages += part.stages;
    all.counts += part.counts;
    all.pixels += part.pixels;
    all.bytes += part.bytes;
  }
  return all;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

LoaderBench bench_loader(const LoaderBenchOptions& options) {
  AZ_CHECK(options.pictures > 0 && options.rounds > 0 && options.batch > 0 && options.workers > 0,
           "bench loader: {} pictures in batches of {}, {} rounds and {} workers, want at least 1 each",
           options.pictures, options.batch, options.rounds, options.workers);
  AZ_CHECK(options.coco.empty() == options.images.empty(),
           "bench loader: --coco names the annotations and --images the folder of the pictures; give both or neither");
  std::optional<TemporaryFolder> made_up;
  if (options.coco.empty()) made_up.emplace();
  data::CocoDataset set = made_up ? make_set(made_up->path(), options.pictures) : data::read_coco(options.coco);
  const data::PolarData data(std::move(set), made_up ? made_up->path() : fs::path(options.images), options.data);
  const int64_t pictures = std::min<int64_t>(options.pictures, data.size());
  run_round(data, options, std::min<int64_t>(pictures, 2 * options.batch), 0);  // warms caches up

  LoaderBench bench;
  std::vector<double> picture_ms, wall_ms;
  const double all = static_cast<double>(pictures * options.rounds);
  for (int i = 0; i < options.rounds; ++i) {
    const Round round = run_round(data, options, pictures, i + 1);
    picture_ms.push_back(round.busy_ms / static_cast<double>(pictures));
    wall_ms.push_back(round.wall_ms);
    bench.stages += round.stages;
    bench.objects += static_cast<double>(round.counts.learnt) / all;
    bench.megapixels += round.pixels / all * 1e-6;
    bench.file_kb += round.bytes / all * 1e-3;
  }
  bench.pictures = pictures;
  bench.ms = median(picture_ms);
  bench.ms_min = std::ranges::min(picture_ms);
  bench.images_per_s_per_core = 1000 / bench.ms;
  bench.images_per_s = static_cast<double>(pictures) * 1000 / median(wall_ms);
  for (double* stage :
       {&bench.stages.decode, &bench.stages.masks, &bench.stages.image, &bench.stages.targets, &bench.stages.collate})
    *stage /= all;
  return bench;
}

}  // namespace az::cli
