#include "eval/ray_ceiling.h"

#include "cpu/parallel.h"
#include "models/polarmask/postprocess.h"

namespace az::eval {

CocoScores ray_ceiling(const data::CocoDataset& dataset, int rays, cpu::LabelMode mode) {
  std::vector<cpu::Rle> best(dataset.annotations.size());
  cpu::parallel_for(static_cast<int64_t>(best.size()), 16, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      if (dataset.annotations[i].crowd) continue;
      const cpu::Mask mask = cpu::rle_decode(dataset.mask_of(dataset.annotations[i]));
      best[i] = cpu::rle_encode(models::polarmask::ray_ceiling_mask(mask, rays, mode));
    }
  });
  data::CocoResults results;
  results.area_from_boxes = false;
  for (size_t i = 0; i < best.size(); ++i) {
    const data::CocoAnnotation& annotation = dataset.annotations[i];
    if (annotation.crowd) continue;
    results.detections.push_back(
        {annotation.image_id, annotation.category_id, 1.0, cpu::rle_box(best[i]), results.segmentations.add(best[i])});
  }
  return evaluate_coco(dataset, results);
}

}  // namespace az::eval
