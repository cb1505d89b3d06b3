// labelme's annotations as COCO.
#pragma once

#include "data/convert.h"

namespace az::data {

/// Converts every labelme file (*.json) below a folder, in the order of their paths; `file_name`s are relative to it.
/// Polygons stay polygons, rectangles and circles become them; shapes of one label and one group_id are parts of one
/// object. Area is that of the mask in pixels. A missing size is read from the picture's header. Points, lines and
/// shapes that cover no pixel are left out, with a note. Error: `FILE: shapes[3].points: what is wrong`, or a picture
/// of another size than was labelled.
CocoDataset convert_labelme(const std::filesystem::path& folder, const ConvertOptions& options, ConvertNotes& notes);

/// One labelme file from memory, added to the builder. `file` stands in errors, and pictures are looked up beside it;
/// file names are made relative to `root`.
void add_labelme(std::string_view text, const std::filesystem::path& file, const std::filesystem::path& root,
                 CocoBuilder& builder, ConvertNotes& notes);

}  // namespace az::data
