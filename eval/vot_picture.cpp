#include "eval/vot_picture.h"

#include <fmt/format.h>

#include "eval/overlay.h"
#include "eval/pen.h"

namespace az::eval {
namespace {

constexpr Rgb kWhite = {255, 255, 255};

void draw_outline(data::Image& picture, const std::vector<Place>& corners, const Rgb& colour, double width_px) {
  for (size_t k = 0; k < corners.size(); ++k)
    draw_line(picture, corners[k], corners[(k + 1) % corners.size()], width_px, colour);
}

}  // namespace

void write_vot_picture(const data::Image& frame, const data::VotSequence& sequence, size_t number,
                       const models::SiamTracker& tracker, double seg_thr, const std::filesystem::path& folder) {
  OverlayItem item;
  item.name = sequence.name;
  item.score = tracker.result(0).score;
  item.mask = cpu::Mask{frame.height, frame.width, {}};
  for (int y = 0; y < frame.height; ++y)
    for (int x = 0; x < frame.width; ++x)
      item.mask->pixels.push_back(tracker.mask(0).at(x, y) > static_cast<float>(seg_thr) ? 1 : 0);
  data::Image picture = draw_overlay(frame, {&item, 1});
  const std::vector<float> truth = cpu::region_corners(sequence.truth.at(number));
  std::vector<Place> corners;
  for (size_t k = 0; k + 1 < truth.size(); k += 2)
    corners.push_back({static_cast<double>(truth[k]), static_cast<double>(truth[k + 1])});
  draw_outline(picture, corners, kWhite, 1.5);
  const models::Corners& found = tracker.result(0).corners;
  draw_outline(picture, {found.begin(), found.end()}, overlay_colour(0), 2);
  std::filesystem::create_directories(folder);
  data::write_jpeg(folder / fmt::format("{}_{:08}.jpg", sequence.name, number + 1), picture, 90);
}

}  // namespace az::eval
