// Reads result files: JsonStream cuts a stretch of entries, and threads parse a part of the stretch each.
#include <omp.h>

#include <exception>
#include <fstream>
#include <sstream>

#include "cpu/parallel.h"
#include "data/coco.h"
#include "data/coco_entry.h"
#include "data/json_stream.h"
#include "tensor/error.h"

namespace az::data {
namespace {

namespace json = simdjson::ondemand;

constexpr size_t kStretchBytes = size_t{1} << 20;  // of the file in memory at a time
constexpr size_t kGrain = 64;                      // entries that are worth a thread

// One detection, with what it is not allowed to lack: a score, and the kind of place that the first entry has.
CocoDetection detection(CocoEntry& entry, size_t index, SegmentationStore& store, bool& area_from_boxes,
                        const CocoDataset& dataset) {
  CocoDetection read;
  bool has_image = false, has_category = false, has_score = false, has_box = false;
  entry.for_fields([&](std::string_view key, json::value value) {
    if (key == "image_id")
      read.image_id = entry.integer(key, value), has_image = true;
    else if (key == "category_id")
      read.category_id = entry.integer(key, value), has_category = true;
    else if (key == "score")
      read.score = entry.number(key, value), has_score = true;
    else if (key == "segmentation")
      read.segmentation = entry.segmentation(key, value, store);
    else if (key == "bbox") {
      const auto box = entry.box(key, value);
      has_box = box.has_value();
      read.bbox = box.value_or(cpu::Box{});
    }
  });
  if (!has_image) entry.fail("image_id", "is missing");
  if (!has_category) entry.fail("category_id", "is missing");
  if (!has_score) entry.fail("score", "is missing");
  const auto image = dataset.find_image(read.image_id);
  if (!image) entry.fail("image_id", fmt::format("{} is not among the annotation file's images", read.image_id));
  const auto height = static_cast<uint32_t>(dataset.images[*image].height);
  const auto width = static_cast<uint32_t>(dataset.images[*image].width);
  if (read.segmentation.kind() == Segmentation::Kind::runs && read.segmentation.runs_size() != std::pair(height, width))
    entry.fail("segmentation",
               fmt::format("is of a picture of {} x {}, image {} is {} x {}", read.segmentation.runs_size().second,
                           read.segmentation.runs_size().first, read.image_id, width, height));
  if (index == 0) area_from_boxes = has_box;
  if (area_from_boxes && !has_box) entry.fail("bbox", "is missing, while the first entry has one");
  if (!has_box && read.segmentation.empty()) entry.fail("", "has neither bbox nor segmentation");
  if (!has_box)
    read.bbox = read.segmentation.kind() == Segmentation::Kind::runs
                    ? read.segmentation.runs_box()
                    : cpu::rle_box(read.segmentation.rle(height, width));
  if (!area_from_boxes && read.segmentation.empty())
    entry.fail("segmentation", "is missing, while the first entry has no bbox");
  return read;
}

class ResultsReader {
 public:
  ResultsReader(std::istream& input, const std::string& name, const CocoDataset& dataset, int threads)
      : stream_(input, name), name_(name), dataset_(dataset), parts_(static_cast<size_t>(std::max(threads, 1))) {}

  CocoResults read() {
    AZ_CHECK(stream_.peek() != '{', "{}: is an object, not a list of detections (an annotation file?)", name_);
    stream_.for_stretches(kStretchBytes, [&](size_t first, std::span<const std::string_view> texts) {
      results_.detections.resize(first + texts.size());
      const size_t alone = first == 0 ? 1 : 0;  // the first entry decides what the others need
      if (alone > 0) parse(parts_[0], 0, texts[0]);
      parse_stretch(first + alone, texts.subspan(alone));
    });
    stream_.expect_end();
    for (Part& part : parts_) results_.segmentations.absorb(std::move(part.store));
    return std::move(results_);
  }

 private:
  // What a thread needs of its own. Parts take consecutive entries, so the first part with an error has the first one.
  struct Part {
    json::parser parser;
    SegmentationStore store;
    std::exception_ptr error;
  };

  void parse_stretch(size_t first, std::span<const std::string_view> texts) {
    const size_t count = std::min(parts_.size(), std::max<size_t>(texts.size() / kGrain, 1));
    cpu::parallel_for(static_cast<int64_t>(count), 1, [&](int64_t begin, int64_t end) {
      for (auto p = static_cast<size_t>(begin); p < static_cast<size_t>(end); ++p) {
        try {
          for (size_t i = texts.size() * p / count; i < texts.size() * (p + 1) / count; ++i)
            parse(parts_[p], first + i, texts[i]);
        } catch (...) {
          parts_[p].error = std::current_exception();
        }
      }
    });
    for (const Part& part : parts_)
      if (part.error) std::rethrow_exception(part.error);
  }

  void parse(Part& part, size_t index, std::string_view text) {
    CocoEntry entry(part.parser, text, name_, "", index);
    results_.detections[index] = detection(entry, index, part.store, results_.area_from_boxes, dataset_);
  }

  JsonStream stream_;
  const std::string& name_;
  const CocoDataset& dataset_;
  std::vector<Part> parts_;
  CocoResults results_;
};

int thread_count(int threads) { return threads > 0 ? threads : omp_get_max_threads(); }

}  // namespace

CocoResults read_coco_results(const std::filesystem::path& file, const CocoDataset& dataset, int threads) {
  std::ifstream input(file, std::ios::binary);
  AZ_CHECK(input, "{}: cannot be opened", file.string());
  const std::string name = file.string();
  return ResultsReader(input, name, dataset, thread_count(threads)).read();
}

CocoResults decode_coco_results(std::string_view text, const std::string& name, const CocoDataset& dataset,
                                int threads) {
  std::istringstream input{std::string(text)};
  return ResultsReader(input, name, dataset, thread_count(threads)).read();
}

}  // namespace az::data
