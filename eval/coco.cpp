#include "eval/coco.h"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <exception>
#include <numeric>

#include "eval/coco_accumulate.h"
#include "eval/coco_overlaps.h"
#include "tensor/error.h"
#include "tensor/fork_join.h"

namespace az::eval {
namespace {

constexpr size_t kMaxDetections = 100;  // a picture and category

// Keeps the error of the lowest index that a parallel loop met.
class FirstError {
 public:
  void keep(size_t index) {
#pragma omp critical(az_eval_first_error)
    if (!error_ || index < index_) {
      error_ = std::current_exception();
      index_ = index;
    }
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
  size_t index_ = 0;
};

// Calls f(i, scratch) for every i in [0, count) over threads, each with a Scratch of its own; an error of the lowest
// index goes on from here.
template <class Scratch, class F>
void parallel_items(size_t count, int threads, const F& f) {
  FirstError error;
  ForkJoin order;
#pragma omp parallel num_threads(threads > 0 ? threads : omp_get_max_threads())
  {
    order.enter();
    Scratch scratch;
#pragma omp for schedule(dynamic, 4) nowait
    for (size_t i = 0; i < count; ++i) {
      try {
        f(i, scratch);
      } catch (...) {
        error.keep(i);
      }
    }
    order.leave();
  }
  order.join();
  error.rethrow();
}

struct Nothing {};

// What a thread keeps from group to group.
struct Scratch {
  GroupMasks masks;
  Overlaps overlaps;
  std::vector<double> areas;
  std::vector<MatchObject> objects;
};

// A list's entries of one picture, grouped by the category's place in the scores, file order within.
struct Member {
  size_t category;
  uint32_t index;
};

void group(std::vector<Member>& members) { std::ranges::stable_sort(members, {}, &Member::category); }

class Evaluation {
 public:
  Evaluation(const data::CocoDataset& dataset, const data::CocoResults& results, const CocoOptions& options)
      : dataset_(dataset), results_(results), options_(options), by_id_(dataset.images.size()) {
    std::iota(by_id_.begin(), by_id_.end(), size_t{0});
    std::ranges::sort(by_id_, {}, [&](size_t i) { return dataset.images[i].id; });
    place_categories();
    place_detections();
  }

  CocoScores run() {
    std::vector<std::vector<Picture>> pictures(by_id_.size());
    parallel_items<Scratch>(by_id_.size(), options_.threads,
                            [&](size_t i, Scratch& scratch) { pictures[i] = match_picture(by_id_[i], scratch); });
    const size_t categories = scores_.categories.size();
    std::vector<std::vector<const PictureMatches*>> of_category(categories);
    for (const auto& groups : pictures)
      for (const Picture& picture : groups) of_category[picture.category].push_back(&picture.matches);

    const size_t recalls = size_t{kCocoThresholds} * categories * kCocoAreas * kCocoLimits;
    scores_.recall.assign(recalls, -1);
    scores_.precision.assign(recalls * kCocoRecalls, -1);
    scores_.scores.assign(recalls * kCocoRecalls, -1);
    parallel_items<Nothing>(categories, options_.threads,
                            [&](size_t k, Nothing&) { accumulate_category(of_category[k], k, categories, scores_); });
    parallel_items<Nothing>(scores_.stats.size() + categories, options_.threads,
                            [&](size_t i, Nothing&) { summarize_coco(i, scores_); });
    return std::move(scores_);
  }

 private:
  struct Picture {
    size_t category;
    PictureMatches matches;
  };

  // Categories by rising id.
  void place_categories() {
    std::vector<size_t> order(dataset_.categories.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::sort(order, {}, [&](size_t i) { return dataset_.categories[i].id; });
    place_of_category_.resize(order.size());
    for (size_t place = 0; place < order.size(); ++place) place_of_category_[order[place]] = place;
    if (!options_.use_categories) {
      scores_.categories.push_back({.name = "all"});
      return;
    }
    for (const size_t i : order)
      scores_.categories.push_back({.category_id = dataset_.categories[i].id, .name = dataset_.categories[i].name});
  }

  // Detections by image, file order within.
  void place_detections() {
    const auto& detections = results_.detections;
    AZ_CHECK(detections.size() <= UINT32_MAX, "coco: {} detections are too many", detections.size());
    std::vector<uint32_t> image_of(detections.size());
    first_of_image_.assign(dataset_.images.size() + 1, 0);
    for (size_t i = 0; i < detections.size(); ++i) {
      if (i > 0 && detections[i].image_id == detections[i - 1].image_id) {  // as most files are ordered
        image_of[i] = image_of[i - 1];
      } else {
        const auto image = dataset_.find_image(detections[i].image_id);
        AZ_CHECK(image, "coco: detection {} is of image {}, which the set does not have", i, detections[i].image_id);
        image_of[i] = static_cast<uint32_t>(*image);
      }
      ++first_of_image_[image_of[i] + 1];
    }
    std::partial_sum(first_of_image_.begin(), first_of_image_.end(), first_of_image_.begin());
    std::vector<size_t> next(first_of_image_.begin(), first_of_image_.end() - 1);
    detections_.resize(detections.size());
    for (size_t i = 0; i < detections.size(); ++i) detections_[next[image_of[i]]++] = static_cast<uint32_t>(i);
  }

  std::span<const uint32_t> detections_of(size_t image) const {
    return std::span(detections_).subspan(first_of_image_[image], first_of_image_[image + 1] - first_of_image_[image]);
  }

  template <class Indices, class List>
  std::vector<Member> members(const Indices& indices, const List& list) const {
    std::vector<Member> found;
    found.reserve(indices.size());
    for (const uint32_t i : indices)
      if (const auto category = dataset_.find_category(list[i].category_id))
        found.push_back({place_of_category_[*category], i});
    group(found);
    if (!options_.use_categories)
      for (Member& member : found) member.category = 0;
    return found;
  }

  // Every category that has an object or a detection in the picture.
  std::vector<Picture> match_picture(size_t image, Scratch& scratch) const {
    const std::vector<Member> objects = members(dataset_.annotations_of(image), dataset_.annotations);
    const std::vector<Member> detections = members(detections_of(image), results_.detections);
    std::vector<Picture> pictures;
    for (size_t o = 0, d = 0; o < objects.size() || d < detections.size();) {
      const size_t category =
          d == detections.size() || (o < objects.size() && objects[o].category < detections[d].category)
              ? objects[o].category
              : detections[d].category;
      const auto take = [category](std::span<const Member> from, size_t& at) {
        std::vector<uint32_t> taken;
        for (; at < from.size() && from[at].category == category; ++at) taken.push_back(from[at].index);
        return taken;
      };
      const std::vector<uint32_t> own_objects = take(objects, o);
      pictures.push_back({category, match_group(dataset_.images[image], own_objects, take(detections, d), scratch)});
    }
    return pictures;
  }

  PictureMatches match_group(const data::CocoImage& image, std::span<const uint32_t> objects,
                             std::vector<uint32_t> detections, Scratch& scratch) const {
    std::ranges::stable_sort(detections, std::ranges::greater{},
                             [&](uint32_t d) { return results_.detections[d].score; });
    detections.resize(std::min(detections.size(), kMaxDetections));
    scratch.masks.clear();
    scratch.areas.clear();
    scratch.objects.clear();
    PictureMatches found;
    found.scores.reserve(detections.size());
    const bool compare_masks = options_.type == CocoType::segm;
    const bool need_masks = (compare_masks && !objects.empty()) || !results_.area_from_boxes;
    for (const uint32_t d : detections) {
      const data::CocoDetection& detection = results_.detections[d];
      found.scores.push_back(detection.score);
      const uint32_t pixels = need_masks ? add_mask(detection, image, scratch.masks) : 0;
      scratch.areas.push_back(results_.area_from_boxes ? detection.bbox[2] * detection.bbox[3]
                                                       : static_cast<double>(pixels));
    }
    for (const uint32_t o : objects) {
      const data::CocoAnnotation& annotation = dataset_.annotations[o];
      scratch.objects.push_back({annotation.area, annotation.crowd, annotation.id != 0 || options_.id_zero_matches});
    }
    if (compare_masks)
      mask_overlaps(image, objects, detections.size(), scratch);
    else
      box_overlaps(objects, detections, scratch.overlaps);
    found.matches = match_detections(scratch.objects, scratch.areas, scratch.overlaps);
    return found;
  }

  uint32_t add_mask(const data::CocoDetection& detection, const data::CocoImage& image, GroupMasks& masks) const {
    if (!detection.segmentation.empty()) return masks.add(detection.segmentation, image);
    AZ_CHECK(results_.area_from_boxes, "coco: a detection of image {} has no mask", image.id);
    return masks.add(detection.bbox, image);
  }

  // The group's detections are its first masks; adds its objects.
  void mask_overlaps(const data::CocoImage& image, std::span<const uint32_t> objects, size_t detections,
                     Scratch& scratch) const {
    for (const uint32_t o : objects) {
      const data::CocoAnnotation& annotation = dataset_.annotations[o];
      AZ_CHECK(!annotation.segmentation.empty(), "coco: annotation {} has no segmentation, which mask AP needs",
               annotation.id);
      if (detections > 0) scratch.masks.add(annotation.segmentation, image);
    }
    const auto iou = [&](size_t d, size_t o, double threshold) {
      return scratch.masks.iou(d, detections + o, scratch.objects[o].crowd, threshold);
    };
    find_overlaps(detections, objects.size(), iou, scratch.overlaps);
  }

  void box_overlaps(std::span<const uint32_t> objects, std::span<const uint32_t> detections, Overlaps& found) const {
    const auto iou = [&](size_t d, size_t o, double) {
      const data::CocoAnnotation& annotation = dataset_.annotations[objects[o]];
      return cpu::box_iou(results_.detections[detections[d]].bbox, annotation.bbox, annotation.crowd);
    };
    find_overlaps(detections.size(), objects.size(), iou, found);
  }

  const data::CocoDataset& dataset_;
  const data::CocoResults& results_;
  const CocoOptions& options_;
  std::vector<size_t> by_id_;              // images by rising id
  std::vector<size_t> place_of_category_;  // of categories in file order
  std::vector<uint32_t> detections_;       // by image in file order
  std::vector<size_t> first_of_image_;     // of an image's detections; [images + 1]
  CocoScores scores_;
};

}  // namespace

CocoScores evaluate_coco(const data::CocoDataset& dataset, const data::CocoResults& results,
                         const CocoOptions& options) {
  return Evaluation(dataset, results, options).run();
}

std::string coco_summary(const CocoScores& scores) {
  struct Line {
    const char *iou, *area;
    int limit;
  };
  constexpr std::array<Line, 12> kLines = {{{"0.50:0.95", "all", 100},
                                            {"0.50", "all", 100},
                                            {"0.75", "all", 100},
                                            {"0.50:0.95", "small", 100},
                                            {"0.50:0.95", "medium", 100},
                                            {"0.50:0.95", "large", 100},
                                            {"0.50:0.95", "all", 1},
                                            {"0.50:0.95", "all", 10},
                                            {"0.50:0.95", "all", 100},
                                            {"0.50:0.95", "small", 100},
                                            {"0.50:0.95", "medium", 100},
                                            {"0.50:0.95", "large", 100}}};
  std::string text;
  for (size_t i = 0; i < kLines.size(); ++i) {
    text += fmt::format(" {:<18} {} @[ IoU={:<9} | area={:>6} | maxDets={:>3} ] = {:.4f}\n",
                        i < 6 ? "Average Precision" : "Average Recall", i < 6 ? "(AP)" : "(AR)", kLines[i].iou,
                        kLines[i].area, kLines[i].limit, scores.stats[i]);
  }
  return text;
}

std::string coco_category_table(const CocoScores& scores) {
  size_t width = 8;
  for (const CocoCategoryScores& category : scores.categories) width = std::max(width, category.name.size());
  std::string text = fmt::format("{:<{}}  {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6}\n", "category", width, "AP", "AP50",
                                 "AP75", "APs", "APm", "APl", "AR100");
  for (const CocoCategoryScores& c : scores.categories) {
    text += fmt::format("{:<{}} ", c.name, width);
    for (const double figure : {c.ap, c.ap50, c.ap75, c.ap_small, c.ap_medium, c.ap_large, c.ar100})
      text += figure < 0 ? fmt::format(" {:>6}", "-") : fmt::format(" {:>6.1f}", figure * 100);
    text += "\n";
  }
  return text;
}

}  // namespace az::eval
