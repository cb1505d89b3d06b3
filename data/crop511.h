// The training crops of Siamese trackers: a square around an object, scaled to 511 x 511 (specs/siammask.md section 9;
// foolwood/SiamMask data/*/par_crop.py). An exemplar's field of view is then 127 pixels, whatever the object's size.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "cpu/image.h"
#include "cpu/rle.h"
#include "data/image.h"

namespace az::data {

inline constexpr int kCropSide = 511;
inline constexpr int kExemplarSide = 127;

/// Corners of a box in pixels; x2 and y2 belong to it or not as the data set has it.
struct CornerBox {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  bool operator==(const CornerBox&) const = default;
};

/// Side of the exemplar's field of view around an object of this size, in its picture's pixels:
/// s_z = sqrt((w + (w+h)/2) (h + (w+h)/2)).
double exemplar_extent(double width, double height);

/// How far a box reaches: COCO's crops count the last pixel (x2 - x1 + 1), the other sets' do not.
enum class BoxExtent : uint8_t { exclusive, inclusive };

/// From a position in the crop to one in the picture. Error: a box whose extent is not positive and finite.
cpu::Affine crop511_map(const CornerBox& box, BoxExtent extent);

/// The crop of a picture, [511, 511, 3]; around the picture lies its mean colour, rounded.
Image crop511(const Image& picture, const CornerBox& box, BoxExtent extent);
/// The same with the picture's mean colour at hand: several objects share it.
std::array<double, 3> mean_colour(const Image& picture);
Image crop511(const Image& picture, const CornerBox& box, BoxExtent extent, const std::array<double, 3>& mean);

/// The crop of a mask, [511, 511, 1]: 255 where the warped mask is above the threshold, else 0.
Image crop511_mask(const cpu::Mask& mask, const CornerBox& box, BoxExtent extent, double threshold);

/// FOLDER/VIDEO/FRAME.TRACK.x.jpg, the frame in six digits.
std::filesystem::path crop511_picture(const std::filesystem::path& folder, std::string_view video, int64_t frame,
                                      std::string_view track);
/// FOLDER/VIDEO/FRAME.TRACK.m.png
std::filesystem::path crop511_mask_file(const std::filesystem::path& folder, std::string_view video, int64_t frame,
                                        std::string_view track);

}  // namespace az::data
