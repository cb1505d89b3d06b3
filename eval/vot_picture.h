// A frame of a VOT run as a picture.
#pragma once

#include <filesystem>

#include "data/vot.h"
#include "models/siammask/tracker.h"

namespace az::eval {

/// Writes FOLDER/SEQ_00000001.jpg: the frame with the mask of lane 0 and its rotated box, and the annotation's outline
/// in white. Error: a folder that cannot be made or written.
void write_vot_picture(const data::Image& frame, const data::VotSequence& sequence, size_t number,
                       const models::SiamTracker& tracker, double seg_thr, const std::filesystem::path& folder);

}  // namespace az::eval
