#include "cli/convert.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/convert_crops.h"
#include "data/convert_labelme.h"
#include "data/convert_voc.h"

namespace az::cli {
namespace {

struct Arguments {
  std::string folder, out, classes, list;
};

void save(const data::CocoDataset& set, const data::ConvertNotes& notes, const Arguments& a,
          const std::string& pictures) {
  for (const std::string& note : notes) fmt::print(stderr, "note: {}\n", note);
  data::write_coco(a.out, set);
  fmt::print("{}: {} images, {} annotations, {} categories; file names are relative to {}\n", a.out, set.images.size(),
             set.annotations.size(), set.categories.size(), pictures);
}

void run_labelme(const Arguments& a) {
  data::ConvertOptions options;
  if (!a.classes.empty()) options.classes = data::read_class_names(a.classes);
  options.exclude = a.out;
  data::ConvertNotes notes;
  save(data::convert_labelme(a.folder, options, notes), notes, a, a.folder);
}

void run_voc(const Arguments& a) {
  data::VocOptions options;
  if (!a.classes.empty()) options.classes = data::read_class_names(a.classes);
  options.list = a.list;
  data::ConvertNotes notes;
  save(data::convert_voc(a.folder, options, notes), notes, a, data::voc_pictures(a.folder).string());
}

}  // namespace

void add_convert_command(CLI::App& app) {
  CLI::App* convert =
      app.add_subcommand("convert", "annotations and data sets in the form that training and evaluation read");
  convert->require_subcommand(1);
  const auto a = std::make_shared<Arguments>();
  const auto common = [&](CLI::App* command, const char* folder) {
    command->add_option("DIR", a->folder, folder)->required();
    command->add_option("--out", a->out, "COCO file to write")->required();
    command->add_option("--classes", a->classes, "file with a category name a line: their order gives the ids");
    return command;
  };
  CLI::App* labelme = common(convert->add_subcommand("labelme2coco", "labelme files (polygons, rectangles, circles)"),
                             "folder with labelme's .json files, read with all below it");
  labelme->callback([a] { run_labelme(*a); });
  CLI::App* voc = common(convert->add_subcommand("voc2coco", "Pascal VOC (boxes; masks from SegmentationObject)"),
                         "folder with Annotations, JPEGImages, SegmentationObject");
  voc->add_option("--list", a->list, "file of picture names, as in ImageSets/Main; all without it");
  voc->callback([a] { run_voc(*a); });
  add_convert_crops(*convert);
}

}  // namespace az::cli
