// ImageNet's sets: boxes from XML, no masks.
#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "data/convert.h"
#include "data/convert_crop511.h"
#include "data/crew.h"
#include "data/imagenet_xml.h"
#include "data/synth_output.h"
#include "tensor/error.h"

namespace az::data {
namespace {

namespace fs = std::filesystem;

/// A folder of annotations that becomes the first part of its videos' names.
struct Subset {
  std::string name;
  fs::path annotations, pictures;
};

/// The folders in a folder, by name. The references' set-up puts links with names of one letter beside the real
/// folders: of two names of one folder the shorter counts.
std::vector<Subset> subsets_in(const fs::path& annotations, const fs::path& pictures) {
  AZ_CHECK(fs::is_directory(annotations), "{}: is no folder; want ImageNet's annotations there", annotations.string());
  std::map<fs::path, std::string> names;
  for (const auto& entry : fs::directory_iterator(annotations)) {
    if (!entry.is_directory()) continue;
    const std::string name = entry.path().filename().string();
    auto [known, added] = names.try_emplace(fs::canonical(entry.path()), name);
    if (!added && std::pair(name.size(), name) < std::pair(known->second.size(), known->second)) known->second = name;
  }
  std::vector<Subset> subsets;
  for (const auto& [path, name] : names) subsets.push_back({name, annotations / name, pictures / name});
  std::ranges::sort(subsets, {}, &Subset::name);
  return subsets;
}

std::string track_name(int64_t track) { return fmt::format("{:02}", track); }

struct VidFrame {
  int64_t number = 0;
  std::map<int64_t, CornerBox> boxes;  // by track
};

VidFrame read_vid_frame(const fs::path& file, int64_t& skipped) {
  const std::string stem = file.stem().string();
  VidFrame frame;
  const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), frame.number);
  AZ_CHECK(error == std::errc() && end == stem.data() + stem.size() && frame.number >= 0,
           "{}: the file's name should be the number of a frame", file.string());
  for (const ImagenetObject& object : read_imagenet_xml(file, /*tracks=*/true)) {
    if (object.box) {
      frame.boxes[object.track] = *object.box;
    } else {
      ++skipped;
    }
  }
  return frame;
}

/// The frames in which a track is part of a run of at least two.
std::vector<size_t> frames_in_runs(const std::vector<VidFrame>& frames, int64_t track, VidTracks which) {
  std::vector<size_t> kept, run;
  const auto end_run = [&] {
    if (run.size() > 1) {
      if (which == VidTracks::last_run) kept.clear();
      kept.insert(kept.end(), run.begin(), run.end());
    }
    run.clear();
  };
  for (size_t f = 0; f < frames.size(); ++f) {
    if (frames[f].boxes.contains(track)) {
      run.push_back(f);
    } else {
      end_run();
    }
  }
  end_run();
  return kept;
}

struct VidVideo {
  std::string name;
  fs::path annotations, pictures;
};

CropFragment crop_video(const VidVideo& video, VidTracks which, CropWriter& writer) {
  CropFragment fragment;
  fragment.video = video.name;
  std::vector<VidFrame> frames;
  std::vector<fs::path> pictures;
  std::set<int64_t> tracks;
  for (const fs::path& file : files_below(video.annotations, ".xml")) {
    frames.push_back(read_vid_frame(file, fragment.skipped));
    pictures.push_back(video.pictures / (file.stem().string() + ".JPEG"));
    for (const auto& [track, box] : frames.back().boxes) tracks.insert(track);
  }
  std::vector<std::vector<CropTarget>> targets(frames.size());
  for (const int64_t track : tracks) {
    std::vector<SiamFrame> list;
    for (const size_t f : frames_in_runs(frames, track, which)) {
      const CornerBox& box = frames[f].boxes.at(track);
      list.push_back({frames[f].number, box});
      targets[f].push_back({track_name(track), box});
    }
    if (!list.empty()) fragment.tracks.emplace_back(track_name(track), std::move(list));
  }
  for (size_t f = 0; f < frames.size(); ++f) writer.write(pictures[f], video.name, frames[f].number, targets[f]);
  return fragment;
}

std::vector<VidVideo> videos_of(const Subset& subset) {
  std::vector<VidVideo> videos;
  for (const Subset& video : subsets_in(subset.annotations, subset.pictures))
    videos.push_back({subset.name + "/" + video.name, video.annotations, video.pictures});
  return videos;
}

CropFragment crop_picture(const Subset& subset, const fs::path& file, CropWriter& writer) {
  CropFragment fragment;
  fragment.video = subset.name + "/" + file.stem().string();
  std::vector<CropTarget> targets;
  int64_t track = 0;
  for (const ImagenetObject& object : read_imagenet_xml(file, /*tracks=*/false)) {
    const std::string name = track_name(track++);  // objects that are left out keep their number
    if (!object.box) {
      ++fragment.skipped;
      continue;
    }
    targets.push_back({name, *object.box});
    fragment.tracks.push_back({name, {{0, *object.box}}});
  }
  const fs::path picture = subset.pictures / fs::relative(file, subset.annotations);
  writer.write(fs::path(picture).replace_extension(".JPEG"), fragment.video, 0, targets);
  return fragment;
}

}  // namespace

Crop511Summary convert_crop511_vid(const Crop511Options& options, VidTracks tracks) {
  const fs::path annotations = options.root / "Annotations" / "VID", pictures = options.root / "Data" / "VID";
  std::vector<VidVideo> train, val;
  for (const Subset& subset : subsets_in(annotations / "train", pictures / "train")) {
    // The references link val into train as its fifth part.
    const bool is_val = fs::exists(annotations / "val") && fs::equivalent(subset.annotations, annotations / "val");
    auto& list = is_val ? val : train;
    for (VidVideo& video : videos_of(subset)) list.push_back(std::move(video));
  }
  if (val.empty() && fs::is_directory(annotations / "val"))
    val = videos_of({"val", annotations / "val", pictures / "val"});
  AZ_CHECK(!train.empty(), "{}: holds no video", (annotations / "train").string());
  make_folder(options.out);
  CropWriter writer(options.out / "crop511", {});
  std::vector<VidVideo> all = train;
  all.insert(all.end(), val.begin(), val.end());
  std::vector<CropFragment> fragments(all.size());
  for_each_item(static_cast<int64_t>(all.size()), {options.workers, options.progress}, [&](int64_t i) {
    fragments[static_cast<size_t>(i)] = crop_video(all[static_cast<size_t>(i)], tracks, writer);
  });
  Crop511Summary summary{writer.made(), writer.kept(), 0, {}};
  const std::span<const CropFragment> both = fragments;
  write_crop_list(options.out, "train.json", both.first(train.size()), summary);
  if (!val.empty()) write_crop_list(options.out, "val.json", both.subspan(train.size()), summary);
  return summary;
}

Crop511Summary convert_crop511_det(const Crop511Options& options) {
  const fs::path annotations = options.root / "Annotations" / "DET" / "train";
  struct Item {
    Subset subset;
    fs::path file;
  };
  std::vector<Item> items;
  for (const Subset& subset : subsets_in(annotations, options.root / "Data" / "DET" / "train"))
    for (const fs::path& file : files_below(subset.annotations, ".xml")) items.push_back({subset, file});
  AZ_CHECK(!items.empty(), "{}: holds no XML file", annotations.string());
  make_folder(options.out);
  CropWriter writer(options.out / "crop511", {});
  std::vector<CropFragment> fragments(items.size());
  for_each_item(static_cast<int64_t>(items.size()), {options.workers, options.progress}, [&](int64_t i) {
    const auto index = static_cast<size_t>(i);
    fragments[index] = crop_picture(items[index].subset, items[index].file, writer);
  });
  Crop511Summary summary{writer.made(), writer.kept(), 0, {}};
  write_crop_list(options.out, "train.json", fragments, summary);
  return summary;
}

}  // namespace az::data
