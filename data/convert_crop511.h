// Training crops of the four data sets that SiamMask learns from (specs/siammask.md section 9; foolwood/SiamMask
// data/). Every function writes the crops that are not there, on several threads, and last the lists. Errors: `FILE:
// what is wrong`; what was made before stays, and another run goes on from there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/crop511_writer.h"

namespace az::data {

/// COCO: ROOT/annotations/instances_PART.json and ROOT/PART/*.jpg become videos PART/IMAGE of one frame, a track an
/// object, numbered in the order of the file, and PART.json. Crowds count as objects; objects whose box has no width or
/// height have no crop, those without a segmentation are an error.
Crop511Summary convert_crop511_coco(const Crop511Options& options, const std::vector<std::string>& parts);

enum class VidTracks : uint8_t {
  all_runs,  ///< every run of at least two consecutive frames
  last_run,  ///< the last of them only, as the reference's list has it
};
/// ImageNet-VID: ROOT/Annotations/VID/{train/SUBSET,val}/VIDEO/000000.xml and ROOT/Data/VID/... become videos
/// SUBSET/VIDEO (val/VIDEO), a track an id of an object; train.json, and val.json where there is a val.
Crop511Summary convert_crop511_vid(const Crop511Options& options, VidTracks tracks);

/// ImageNet-DET: ROOT/Annotations/DET/train/SUBSET/**/IMAGE.xml and ROOT/Data/DET/... become videos SUBSET/IMAGE of one
/// frame, a track an object, numbered in the order of the file; train.json.
Crop511Summary convert_crop511_det(const Crop511Options& options);

struct YoutubeVosOptions {
  int64_t min_pixels = 1000;    ///< an object of at most so many pixels is left out of that frame
  int64_t train_videos = 3000;  ///< the first by name are train.json, the rest val.json
};
/// YouTube-VOS: ROOT (or ROOT/train)/{JPEGImages,Annotations}/VIDEO/00000.{jpg,png} become videos VIDEO, a track a
/// label, numbered in their order. Masks by the palette's index.
Crop511Summary convert_crop511_youtube_vos(const Crop511Options& options, const YoutubeVosOptions& youtube);

}  // namespace az::data
