// Videos with label maps, as DAVIS and YouTube-VOS distribute them: JPEGImages/[SIZE/]VIDEO/00000.jpg…,
// Annotations/[SIZE/]VIDEO/00000.png….
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace az::data {

struct VosVideo {
  std::string name;
  std::vector<std::filesystem::path> frames;
  std::vector<std::filesystem::path> annotations;  ///< one a frame; empty where the frame has none
};

/// The videos of a set in order of name, or those that `list` (a file of names, one a line) holds, in its order. ROOT
/// may be the set's folder or a part of it (train, valid) that holds JPEGImages and Annotations.
/// Errors: no such folders, a video of the list that is missing, one without frames or without an annotation.
std::vector<VosVideo> read_vos(const std::filesystem::path& root, const std::filesystem::path& list = {});

}  // namespace az::data
