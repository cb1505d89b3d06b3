#include "data/vos.h"

#include <algorithm>
#include <sstream>

#include "data/frames.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::data {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory()) found.push_back(entry.path());
  std::ranges::sort(found);
  return found;
}

/// The folder that holds the videos' folders: the one given, or the one folder in it that is named like a size.
fs::path videos_of(const fs::path& root, const char* kind) {
  const fs::path folder = root / kind;
  AZ_CHECK(fs::is_directory(folder), "{}: is missing; want a set as DAVIS or YouTube-VOS have it", folder.string());
  const auto inner = folders_in(folder);
  const auto is_size = [](const fs::path& p) {
    const std::string name = p.filename().string();
    return name == "Full-Resolution" ||
           (name.size() > 1 && name.back() == 'p' &&
            std::ranges::all_of(name.substr(0, name.size() - 1), [](char c) { return c >= '0' && c <= '9'; }));
  };
  const auto found = std::ranges::find_if(inner, is_size);
  return found == inner.end() ? folder : *found;
}

std::vector<std::string> read_names(const fs::path& list) {
  std::istringstream lines(read_file(list));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  AZ_CHECK(!names.empty(), "{}: no names in it", list.string());
  return names;
}

}  // namespace

std::vector<VosVideo> read_vos(const fs::path& root, const fs::path& list) {
  const fs::path images = videos_of(root, "JPEGImages"), annotations = videos_of(root, "Annotations");
  std::vector<std::string> names;
  if (!list.empty()) names = read_names(list);
  if (list.empty())
    for (const fs::path& folder : folders_in(annotations)) names.push_back(folder.filename().string());
  AZ_CHECK(!names.empty(), "{}: no video in it", annotations.string());
  std::vector<VosVideo> videos;
  for (const std::string& name : names) {
    AZ_CHECK(fs::is_directory(images / name) && fs::is_directory(annotations / name),
             "{}: the video {}{} is missing there or in {}", images.string(), name,
             list.empty() ? "" : ", which " + list.string() + " names,", annotations.string());
    VosVideo video{name, pictures_in(images / name), {}};
    AZ_CHECK(!video.frames.empty(), "{}: no picture in it", (images / name).string());
    bool any = false;
    for (const fs::path& frame : video.frames) {
      fs::path map = annotations / name / frame.stem();
      map += ".png";
      const bool there = fs::is_regular_file(map);
      any = any || there;
      video.annotations.push_back(there ? map : fs::path());
    }
    AZ_CHECK(any, "{}: no annotation of any frame in it", (annotations / name).string());
    videos.push_back(std::move(video));
  }
  return videos;
}

}  // namespace az::data
