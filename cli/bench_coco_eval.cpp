#include "cli/bench_coco_eval.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <vector>

#include "eval/coco.h"
#include "tensor/error.h"
#include "tensor/rng.h"

namespace az::cli {
namespace {

constexpr int kHeight = 480, kWidth = 640, kCategories = 80, kMeanObjects = 8;

struct Outline {
  double x, y, radius;
  std::array<double, 3> wave, phase;

  // Twenty corners, in hundredths of a pixel as COCO's own, within the picture.
  std::vector<double> corners() const {
    std::vector<double> xy;
    for (int i = 0; i < 20; ++i) {
      const double angle = 2 * std::numbers::pi * i / 20;
      double reach = radius;
      for (size_t w = 0; w < wave.size(); ++w)
        reach += radius * wave[w] * std::sin(static_cast<double>(w + 1) * angle + phase[w]);
      xy.push_back(std::round(std::clamp(x + reach * std::cos(angle), 0.0, double{kWidth}) * 100) / 100);
      xy.push_back(std::round(std::clamp(y + reach * std::sin(angle), 0.0, double{kHeight}) * 100) / 100);
    }
    return xy;
  }
};

Outline random_outline(Rng& rng) {
  Outline outline{rng.uniform(20, kWidth - 20),
                  rng.uniform(20, kHeight - 20),
                  std::exp(rng.uniform(std::log(6), std::log(150))),
                  {},
                  {}};
  for (double& wave : outline.wave) wave = rng.uniform(0, 0.15);
  for (double& phase : outline.phase) phase = rng.uniform(0, 2 * std::numbers::pi);
  return outline;
}

// The outline as a detector might find it: moved, scaled and bent by up to `error` of its radius.
Outline disturbed(Outline outline, double error, Rng& rng) {
  outline.x += outline.radius * rng.uniform(-error, error);
  outline.y += outline.radius * rng.uniform(-error, error);
  outline.radius *= 1 + rng.uniform(-error, error);
  for (double& wave : outline.wave) wave += rng.uniform(-error, error) / 4;
  return outline;
}

cpu::Box box_of(const std::vector<double>& xy) {
  double low_x = kWidth, low_y = kHeight, high_x = 0, high_y = 0;
  for (size_t i = 0; i < xy.size(); i += 2) {
    low_x = std::min(low_x, xy[i]), high_x = std::max(high_x, xy[i]);
    low_y = std::min(low_y, xy[i + 1]), high_y = std::max(high_y, xy[i + 1]);
  }
  return {low_x, low_y, high_x - low_x, high_y - low_y};
}

struct MadeUp {
  data::CocoDataset set;
  data::CocoResults results;
};

int64_t random_category(Rng& rng) { return rng.integer(1, kCategories); }

void add_picture(MadeUp& made, int64_t id, const CocoEvalBenchOptions& options, Rng& rng) {
  made.set.images.push_back({id, kWidth, kHeight, fmt::format("{:012}.jpg", id)});
  std::vector<Outline> outlines;
  std::vector<int64_t> categories;
  const int64_t objects = rng.integer(1, 2 * kMeanObjects - 1);
  for (int64_t i = 0; i < objects; ++i) {
    outlines.push_back(random_outline(rng));
    categories.push_back(random_category(rng));
    const std::vector<std::vector<double>> parts = {outlines.back().corners()};
    data::CocoAnnotation object;
    object.id = static_cast<int64_t>(made.set.annotations.size()) + 1;
    object.image_id = id;
    object.category_id = categories.back();
    object.bbox = box_of(parts[0]);
    object.area = cpu::rle_area(cpu::rle_from_polygons(parts, kHeight, kWidth));
    object.segmentation = made.set.segmentations.add(parts);
    made.set.annotations.push_back(object);
  }
  for (int i = 0; i < options.detections; ++i) {
    const auto of = static_cast<size_t>(rng.integer(0, objects - 1));
    const double error = rng.uniform(0, 0.6);
    const std::vector<std::vector<double>> parts = {disturbed(outlines[of], error, rng).corners()};
    data::CocoDetection detection;
    detection.image_id = id;
    detection.category_id = rng.chance(0.8) ? categories[of] : random_category(rng);
    detection.score = std::clamp(1 - error + rng.uniform(-0.3, 0.3), 0.001, 0.999);
    detection.bbox = box_of(parts[0]);
    if (options.masks)
      detection.segmentation = made.results.segmentations.add(cpu::rle_from_polygons(parts, kHeight, kWidth));
    made.results.detections.push_back(detection);
  }
}

MadeUp make_set(const CocoEvalBenchOptions& options) {
  MadeUp made;
  for (int k = 1; k <= kCategories; ++k) made.set.categories.push_back({k, fmt::format("category {}", k), ""});
  Rng rng(options.seed, Purpose::test);
  for (int i = 1; i <= options.images; ++i) add_picture(made, i, options, rng);
  made.set.build_index();
  return made;
}

// A folder for the files, removed at the end unless the caller named it.
class Folder {
 public:
  explicit Folder(const std::string& named) : keep_(!named.empty()) {
    path_ = keep_ ? std::filesystem::path(named)
                  : std::filesystem::temp_directory_path() / fmt::format("azimuth-coco-eval-{}", getpid());
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    if (!keep_) std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  bool keep_;
  std::filesystem::path path_;
};

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<int64_t>(values.size() / 2));
  return values[values.size() / 2];
}

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

CocoEvalBench bench_coco_eval(const CocoEvalBenchOptions& options) {
  AZ_CHECK(options.images > 0 && options.detections > 0 && options.runs > 0,
           "bench coco-eval: counts must be positive");
  const Folder folder(options.from.empty() ? options.out : options.from);
  const auto annotations = folder.path() / "annotations.json", file = folder.path() / "results.json";
  if (options.from.empty()) {
    const MadeUp made = make_set(options);
    data::write_coco(annotations, made.set);
    data::write_coco_results(file, made.results, options.masks ? data::CocoFields::masks : data::CocoFields::boxes);
  }
  const data::CocoDataset set = data::read_coco(annotations);
  CocoEvalBench bench;
  std::vector<double> read, evaluate, total;
  for (int run = 0; run < options.runs; ++run) {
    const auto start = std::chrono::steady_clock::now();
    const data::CocoResults results = data::read_coco_results(file, set, options.threads);
    read.push_back(ms_since(start));
    const auto type = options.masks ? eval::CocoType::segm : eval::CocoType::bbox;
    bench.stats = eval::evaluate_coco(set, results, {.type = type, .threads = options.threads}).stats;
    total.push_back(ms_since(start));
    evaluate.push_back(total.back() - read.back());
  }
  bench.read_ms = median(read);
  bench.evaluate_ms = median(evaluate);
  bench.total_ms = median(total);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  bench.peak_rss_mb = static_cast<double>(usage.ru_maxrss) / 1024;
  return bench;
}

}  // namespace az::cli
