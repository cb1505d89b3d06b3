// COCO and YouTube-VOS: the sets with masks.
#include "data/convert_crop511.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "cpu/contour.h"
#include "data/coco.h"
#include "data/convert.h"
#include "data/crew.h"
#include "data/label_map.h"
#include "data/synth_output.h"
#include "tensor/error.h"

namespace az::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCrops = "crop511";

CropFragment crop_coco_image(const CocoDataset& set, size_t index, const fs::path& images, const std::string& part,
                             CropWriter& writer) {
  const CocoImage& image = set.images[index];
  CropFragment fragment;
  fragment.video = part + "/" + fs::path(image.file_name).stem().string();
  std::vector<CropTarget> targets;
  std::vector<const CocoAnnotation*> annotations;
  int64_t track = -1;
  for (const uint32_t position : set.annotations_of(index)) {
    ++track;  // objects that are left out keep their number
    const CocoAnnotation& annotation = set.annotations[position];
    const auto [x, y, width, height] = annotation.bbox;
    if (!(width > 0 && height > 0)) {
      ++fragment.skipped;
      continue;
    }
    AZ_CHECK(!annotation.segmentation.empty(), "instances_{}.json: annotation {} has no segmentation", part,
             annotation.id);
    const CornerBox box{x, y, x + width - 1, y + height - 1};
    targets.push_back({fmt::format("{:02}", track), box});
    annotations.push_back(&annotation);
    fragment.tracks.push_back({targets.back().track, {{0, box}}});
  }
  writer.write(images / image.file_name, fragment.video, 0, targets,
               [&](size_t i) { return cpu::rle_decode(set.mask_of(*annotations[i])); });
  return fragment;
}

struct YoutubeFrame {
  int64_t number = 0;
  fs::path picture, labels;
};

std::vector<YoutubeFrame> youtube_frames(const fs::path& root, const std::string& video) {
  std::vector<YoutubeFrame> frames;
  for (const fs::path& labels : files_below(root / "Annotations" / video, ".png")) {
    const std::string stem = labels.stem().string();
    YoutubeFrame frame{0, root / "JPEGImages" / video / (stem + ".jpg"), labels};
    const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), frame.number);
    AZ_CHECK(error == std::errc() && end == stem.data() + stem.size() && frame.number >= 0,
             "{}: the file's name should be the number of a frame", labels.string());
    frames.push_back(std::move(frame));
  }
  return frames;
}

/// Pixels and tight boxes of the labels but 0.
struct LabelExtent {
  int64_t pixels = 0;
  int left = 0, top = 0, right = 0, bottom = 0;  // the last two excluded
};
std::map<int, LabelExtent> label_extents(const LabelMap& map) {
  std::array<LabelExtent, 256> found{};
  for (int y = 0; y < map.height; ++y)
    for (int x = 0; x < map.width; ++x) {
      const uint8_t label =
          map.labels[static_cast<size_t>(y) * static_cast<size_t>(map.width) + static_cast<size_t>(x)];
      if (label == 0) continue;
      LabelExtent& e = found[label];
      if (e.pixels++ == 0) e = {1, x, y, x + 1, y + 1};
      e.left = std::min(e.left, x);
      e.right = std::max(e.right, x + 1);
      e.bottom = y + 1;
    }
  std::map<int, LabelExtent> extents;
  for (int label = 1; label < 256; ++label)
    if (found[static_cast<size_t>(label)].pixels > 0) extents[label] = found[static_cast<size_t>(label)];
  return extents;
}

cpu::Mask mask_of(const LabelMap& map, int label) {
  cpu::Mask mask{map.height, map.width, std::vector<uint8_t>(map.labels.size())};
  std::ranges::transform(map.labels, mask.pixels.begin(), [&](uint8_t l) { return static_cast<uint8_t>(l == label); });
  return mask;
}

/// The labels of a video that are large enough somewhere, with their boxes, frame by frame.
using YoutubeBoxes = std::map<int, std::map<size_t, CornerBox>>;

YoutubeBoxes youtube_boxes(const std::vector<LabelMap>& maps, int64_t min_pixels, int64_t& skipped) {
  YoutubeBoxes boxes;
  for (size_t f = 0; f < maps.size(); ++f)
    for (const auto& [label, e] : label_extents(maps[f])) {
      if (e.pixels > min_pixels) {
        boxes[label][f] = {double(e.left), double(e.top), double(e.right), double(e.bottom)};
      } else {
        ++skipped;
      }
    }
  return boxes;
}

CropFragment crop_youtube_video(const fs::path& root, const std::string& video, int64_t min_pixels,
                                CropWriter& writer) {
  CropFragment fragment;
  fragment.video = video;
  const std::vector<YoutubeFrame> frames = youtube_frames(root, video);
  std::vector<LabelMap> maps;
  for (const YoutubeFrame& frame : frames) maps.push_back(read_label_map(frame.labels));
  const YoutubeBoxes boxes = youtube_boxes(maps, min_pixels, fragment.skipped);
  for (const auto& [label, of_frame] : boxes) {
    auto& [track, list] =
        fragment.tracks.emplace_back(fmt::format("{:02}", fragment.tracks.size()), std::vector<SiamFrame>());
    for (const auto& [f, box] : of_frame) list.push_back({frames[f].number, box});
  }
  for (size_t f = 0; f < frames.size(); ++f) {
    std::vector<CropTarget> targets;
    std::vector<int> labels;
    size_t track = 0;
    for (const auto& [label, of_frame] : boxes) {
      if (const auto found = of_frame.find(f); found != of_frame.end()) {
        targets.push_back({fragment.tracks[track].first, found->second});
        labels.push_back(label);
      }
      ++track;
    }
    writer.write(frames[f].picture, video, frames[f].number, targets,
                 [&](size_t i) { return mask_of(maps[f], labels[i]); });
  }
  return fragment;
}

}  // namespace

Crop511Summary convert_crop511_coco(const Crop511Options& options, const std::vector<std::string>& parts) {
  AZ_CHECK(!parts.empty(), "crop511: no part of COCO given");
  Crop511Summary summary;
  CropWriter writer(options.out / kCrops, {BoxExtent::inclusive, true, 0.5});
  for (const std::string& part : parts) {
    const fs::path images = options.root / part;
    AZ_CHECK(fs::is_directory(images), "{}: is no folder; want COCO's pictures there", images.string());
    const CocoDataset set = read_coco(options.root / "annotations" / ("instances_" + part + ".json"));
    make_folder(options.out);
    std::vector<CropFragment> fragments(set.images.size());
    for_each_item(static_cast<int64_t>(fragments.size()), {options.workers, options.progress}, [&](int64_t i) {
      const auto index = static_cast<size_t>(i);
      fragments[index] = crop_coco_image(set, index, images, part, writer);
    });
    write_crop_list(options.out, part + ".json", fragments, summary);
  }
  summary.made = writer.made();
  summary.kept = writer.kept();
  return summary;
}

Crop511Summary convert_crop511_youtube_vos(const Crop511Options& options, const YoutubeVosOptions& youtube) {
  AZ_CHECK(youtube.min_pixels >= 0 && youtube.train_videos >= 0, "crop511: min_pixels {} and train_videos {}",
           youtube.min_pixels, youtube.train_videos);
  const fs::path root = fs::is_directory(options.root / "train") ? options.root / "train" : options.root;
  const fs::path annotations = root / "Annotations";
  AZ_CHECK(fs::is_directory(annotations), "{}: is no folder; want YouTube-VOS's palette PNGs there",
           annotations.string());
  std::vector<std::string> videos;
  for (const auto& entry : fs::directory_iterator(annotations))
    if (entry.is_directory()) videos.push_back(entry.path().filename().string());
  std::ranges::sort(videos);
  AZ_CHECK(!videos.empty(), "{}: holds no video", annotations.string());
  make_folder(options.out);
  CropWriter writer(options.out / kCrops, {BoxExtent::exclusive, true, 0.2});
  std::vector<CropFragment> fragments(videos.size());
  for_each_item(static_cast<int64_t>(videos.size()), {options.workers, options.progress}, [&](int64_t i) {
    const auto index = static_cast<size_t>(i);
    fragments[index] = crop_youtube_video(root, videos[index], youtube.min_pixels, writer);
  });
  Crop511Summary summary{writer.made(), writer.kept(), 0, {}};
  const std::span<const CropFragment> all = fragments;
  const size_t first = std::min(all.size(), static_cast<size_t>(youtube.train_videos));
  write_crop_list(options.out, "train.json", all.first(first), summary);
  write_crop_list(options.out, "val.json", all.subspan(first), summary);
  return summary;
}

}  // namespace az::data
