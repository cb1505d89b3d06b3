// Checks that make no sense for a kernel, and why: the "-" of the kernel table.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

enum class Check : uint8_t {
  cpu,        ///< results compared with the CPU's
  reference,  ///< and with numbers from the formula, in double
  gradient,   ///< took part in a gradient check by differences
  unaligned,  ///< a pointer among the arguments was no multiple of 16 bytes
  empty,      ///< compared at size 0
  sizes,      ///< and at 1, 31, 32, 33 and 257
};

constexpr std::string_view label(Check check) {
  switch (check) {
    case Check::cpu: return "against the CPU";
    case Check::reference: return "against a reference in double";
    case Check::gradient: return "gradient";
    case Check::unaligned: return "unaligned";
    case Check::empty: return "size 0";
    case Check::sizes: break;
  }
  return "sizes 1, 31, 32, 33, 257";
}

struct Exception {
  Check check;
  std::string_view why;
  std::vector<std::string_view> kernels;
};

inline const std::vector<Exception>& exceptions() {
  static const std::vector<Exception> all = {
      {Check::gradient,
       "its result has no gradient: targets, choices, counts, pixels, detections",
       {"ray_labels_kernel", "polar_centerness_kernel", "topk_kernel", "nms_sort_kernel", "nms_suppress_kernel",
        "nms_cut_kernel", "polar_rank_kernel", "polar_box_kernel", "polar_bounds_kernel", "polar_key_kernel",
        "polar_result_kernel", "fill_polygons_kernel", "normalise_kernel", "picture_bilinear_kernel",
        "picture_nearest_kernel", "flip_horizontal_kernel", "padded_crop_kernel", "warp_affine_kernel",
        "count_up_kernel", "siam_select_kernel"}},
      {Check::gradient,
       "an optimiser's step, made from gradients",
       {"set_pointers_kernel", "optim_norm_kernel", "optim_begin_kernel", "optim_update_kernel"}},
      {Check::gradient,
       "a rounding is no function to take differences of; tests/ops/cast_test.cpp compares its gradient",
       {"cast_kernel"}},
      {Check::gradient,
       "of f32 and 16 bits only; in f64, in which gradients are checked, the plain kernels run, which tests compare",
       {"xcorr_tile_kernel", "xcorr_tile_gradient_kernel"}},
      {Check::gradient,
       "in f64, in which gradients are checked, the emulated library adds bias, residual and ReLU itself",
       {"bias_act_kernel"}},
      {Check::cpu,
       "no function of the CPU: its convolution packs, scales and adds inside its own loops",
       {"pack_weights_kernel", "bias_act_kernel"}},
      {Check::reference,
       "integers and comparisons, equal to the CPU's to the bit; golden/polarmask has the reference's own numbers, and "
       "tests/cpu and tests/eval the references of the CPU's functions",
       {"ray_labels_kernel", "topk_kernel", "nms_sort_kernel", "nms_suppress_kernel", "nms_cut_kernel",
        "polar_rank_kernel", "polar_box_kernel", "polar_bounds_kernel", "polar_key_kernel", "polar_result_kernel",
        "fill_polygons_kernel", "picture_bilinear_kernel", "picture_nearest_kernel", "flip_horizontal_kernel",
        "padded_crop_kernel", "warp_affine_kernel"}},
      {Check::unaligned,
       "reads and writes scratch and results that the launcher or the model lays out, never a tensor's view",
       {"focal_finish_kernel", "fold_moments_kernel", "fold_running_kernel", "gradient_lines_kernel",
        "sum_parts_kernel", "weighted_mean_kernel", "anchor_class_finish_kernel", "set_pointers_kernel",
        "nms_sort_kernel", "nms_suppress_kernel", "nms_cut_kernel", "topk_kernel", "xcorr_sum_kernel"}},
      {Check::unaligned,
       "reads the head's whole maps and scratch, writes scratch and results that DevicePostprocess lays out",
       {"polar_rank_kernel", "polar_box_kernel", "polar_bounds_kernel", "polar_key_kernel", "polar_result_kernel"}},
      {Check::unaligned,
       "reads the heads' whole maps, an element at a time, and writes results that the op lays out",
       {"siam_select_kernel"}},
      {Check::unaligned, "one number", {"count_up_kernel"}},
      {Check::sizes, "one number", {"count_up_kernel"}},
      {Check::empty, "one number", {"count_up_kernel"}},
      {Check::empty, "a picture without pixels is an error", {"picture_bilinear_kernel"}},
  };
  return all;
}

inline const Exception* exception_for(std::string_view kernel, Check check) {
  const auto& all = exceptions();
  const auto found = std::ranges::find_if(all, [&](const Exception& e) {
    return e.check == check && std::ranges::find(e.kernels, kernel) != e.kernels.end();
  });
  return found == all.end() ? nullptr : &*found;
}
