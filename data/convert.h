// People's own annotations as COCO: what the converters share.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/coco.h"

namespace az::data {

struct ConvertOptions {
  /// Categories 1, 2, ... in this order; a name that is not among them is an error. Empty: the names found, sorted.
  std::vector<std::string> classes;
  /// A file of the folder to leave out: the output of an earlier run.
  std::filesystem::path exclude;
};

/// What was left out, and why, a sentence each.
using ConvertNotes = std::vector<std::string>;

/// One name a line; blank lines, "__ignore__" and "_background_" (as labelme's label files have) are left out.
/// Error: `FILE: what is wrong` (no name, or one twice).
std::vector<std::string> read_class_names(const std::filesystem::path& file);

/// Gathers pictures and objects; image and annotation ids are 1, 2, ... in the order of adding.
class CocoBuilder {
 public:
  /// Returns the image's id.
  int64_t add_image(int width, int height, const std::string& file_name);
  /// Adds an object to the last image; its ids are set here. `where` stands in errors about the name.
  void add(CocoAnnotation annotation, const std::string& name, const std::string& where);
  SegmentationStore& segmentations() { return set_.segmentations; }
  const CocoImage& image() const { return set_.images.back(); }
  /// The set, with its categories numbered. Error: a name that is not among the classes.
  CocoDataset finish(const ConvertOptions& options);

 private:
  struct Named {
    std::string name, where;
  };
  CocoDataset set_;
  std::vector<Named> names_;  // of the annotations
};

/// The files of a folder and the folders in it with this extension (any case), sorted by path.
std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder, const std::string& extension);

}  // namespace az::data
