#include "data/coco.h"

#include <algorithm>
#include <numeric>

#include "tensor/error.h"

namespace az::data {

std::vector<CocoDataset::Id> CocoDataset::sorted_ids(const std::string& list, const std::vector<int64_t>& ids) {
  std::vector<Id> sorted;
  sorted.reserve(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) sorted.push_back({ids[i], i});
  std::ranges::sort(sorted,
                    [](const Id& a, const Id& b) { return a.id != b.id ? a.id < b.id : a.position < b.position; });
  const auto twin = std::ranges::adjacent_find(sorted, {}, &Id::id);
  if (twin != sorted.end())
    fail("{}[{}]: id {} is already that of {}[{}]", list, twin[1].position, twin->id, list, twin->position);
  return sorted;
}

std::optional<size_t> CocoDataset::find(const std::vector<Id>& ids, int64_t id) {
  const auto found = std::ranges::lower_bound(ids, id, {}, &Id::id);
  if (found == ids.end() || found->id != id) return {};
  return found->position;
}

void CocoDataset::build_index() {
  const auto ids_of = [](const auto& list) {
    std::vector<int64_t> ids;
    ids.reserve(list.size());
    for (const auto& item : list) ids.push_back(item.id);
    return ids;
  };
  image_ids_ = sorted_ids("images", ids_of(images));
  category_ids_ = sorted_ids("categories", ids_of(categories));
  sorted_ids("annotations", ids_of(annotations));

  AZ_CHECK(annotations.size() <= UINT32_MAX, "annotations: {} are too many", annotations.size());
  std::vector<size_t> image_of(annotations.size());
  first_of_image_.assign(images.size() + 1, 0);
  for (size_t i = 0; i < annotations.size(); ++i) {
    const auto image = find_image(annotations[i].image_id);
    AZ_CHECK(image, "annotations[{}]: image_id {} is not among the images", i, annotations[i].image_id);
    AZ_CHECK(find_category(annotations[i].category_id), "annotations[{}]: category_id {} is not among the categories",
             i, annotations[i].category_id);
    image_of[i] = *image;
    ++first_of_image_[*image + 1];
  }
  std::partial_sum(first_of_image_.begin(), first_of_image_.end(), first_of_image_.begin());
  std::vector<size_t> next(first_of_image_.begin(), first_of_image_.end() - 1);
  of_image_.resize(annotations.size());
  for (size_t i = 0; i < annotations.size(); ++i) of_image_[next[image_of[i]]++] = static_cast<uint32_t>(i);
}

std::span<const uint32_t> CocoDataset::annotations_of(size_t image) const {
  return std::span(of_image_).subspan(first_of_image_[image], first_of_image_[image + 1] - first_of_image_[image]);
}

cpu::Rle CocoDataset::mask_of(const CocoAnnotation& annotation) const {
  const auto image = find_image(annotation.image_id);
  AZ_CHECK(image, "annotation {}: image_id {} is not among the images", annotation.id, annotation.image_id);
  AZ_CHECK(!annotation.segmentation.empty(), "annotation {}: has no segmentation", annotation.id);
  return annotation.segmentation.rle(static_cast<uint32_t>(images[*image].height),
                                     static_cast<uint32_t>(images[*image].width));
}

}  // namespace az::data
