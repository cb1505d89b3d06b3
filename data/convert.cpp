#include "data/convert.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <sstream>

#include "tensor/error.h"
#include "tensor/file.h"

namespace az::data {

std::vector<std::string> read_class_names(const std::filesystem::path& file) {
  std::istringstream lines(read_file(file));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
    if (line.empty() || line == "__ignore__" || line == "_background_") continue;
    AZ_CHECK(std::ranges::find(names, line) == names.end(), "{}: has the class {} twice", file.string(), line);
    names.push_back(line);
  }
  AZ_CHECK(!names.empty(), "{}: has no class name", file.string());
  return names;
}

int64_t CocoBuilder::add_image(int width, int height, const std::string& file_name) {
  const auto id = static_cast<int64_t>(set_.images.size()) + 1;
  set_.images.push_back({id, width, height, file_name});
  return id;
}

void CocoBuilder::add(CocoAnnotation annotation, const std::string& name, const std::string& where) {
  annotation.id = static_cast<int64_t>(set_.annotations.size()) + 1;
  annotation.image_id = image().id;
  set_.annotations.push_back(annotation);
  names_.push_back({name, where});
}

CocoDataset CocoBuilder::finish(const ConvertOptions& options) {
  std::vector<std::string> classes = options.classes;
  if (classes.empty()) {
    std::set<std::string> found;
    for (const Named& named : names_) found.insert(named.name);
    classes.assign(found.begin(), found.end());
  }
  for (size_t i = 0; i < classes.size(); ++i) set_.categories.push_back({static_cast<int64_t>(i) + 1, classes[i], ""});
  for (size_t i = 0; i < names_.size(); ++i) {
    const auto at = std::ranges::find(classes, names_[i].name);
    AZ_CHECK(at != classes.end(), "{}: the name '{}' is not among the classes", names_[i].where, names_[i].name);
    set_.annotations[i].category_id = at - classes.begin() + 1;
  }
  set_.build_index();
  return std::move(set_);
}

std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder, const std::string& extension) {
  AZ_CHECK(std::filesystem::is_directory(folder), "{}: is no folder", folder.string());
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (auto at = std::filesystem::recursive_directory_iterator(folder, error); !error && at != std::filesystem::end(at);
       at.increment(error)) {
    std::string own = at->path().extension().string();
    std::ranges::transform(own, own.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (own == extension && at->is_regular_file()) files.push_back(at->path());
  }
  AZ_CHECK(!error, "{}: cannot be listed: {}", folder.string(), error.message());
  std::ranges::sort(files);
  return files;
}

}  // namespace az::data
