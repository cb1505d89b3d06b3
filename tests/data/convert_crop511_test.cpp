// Small made-up sets of the four kinds, converted; what is wrong with broken ones.
#include "data/convert_crop511.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "data/image.h"
#include "data/label_map.h"
#include "data/siam_pairs.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/temporary.h"

namespace {

using namespace az;
using namespace az::data;
namespace fs = std::filesystem;

void write_text(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  write_file(file, text);
}

/// A grey ramp with a bright rectangle.
Image picture(int width, int height, int x0, int y0, int x1, int y1) {
  Image image(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const bool on = x >= x0 && x < x1 && y >= y0 && y < y1;
      std::fill_n(image.at(x, y), 3, static_cast<uint8_t>(on ? 240 : 60 + x / 4));
    }
  return image;
}

void write_picture(const fs::path& file, const Image& image) {
  fs::create_directories(file.parent_path());
  write_jpeg(file, image, 95);
}

std::string object_xml(int x1, int y1, int x2, int y2, int track = -1) {
  return fmt::format(
      "<object>{}<name>n1</name><bndbox><xmax>{}</xmax><xmin>{}</xmin><ymax>{}</ymax><ymin>{}</ymin></bndbox></object>",
      track >= 0 ? fmt::format("<trackid>{}</trackid>", track) : "", x2, x1, y2, y1);
}

std::string annotation_xml(const std::string& objects) { return "<annotation>" + objects + "</annotation>"; }

Crop511Options options_of(const test::TemporaryFolder& folder) {
  Crop511Options options;
  options.root = folder.path() / "set";
  options.out = folder.path() / "out";
  options.workers = 2;
  return options;
}

template <class Convert>
std::string error_of(const Convert& convert) {
  try {
    convert();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files[fs::relative(entry.path(), folder).string()] = read_file(entry.path());
  return files;
}

void write_coco_set(const fs::path& root) {
  write_picture(root / "train2017" / "000000000009.jpg", picture(120, 90, 30, 20, 70, 60));
  write_picture(root / "train2017" / "000000000010.jpg", picture(120, 90, 0, 0, 1, 1));
  write_text(root / "annotations" / "instances_train2017.json", R"({
    "images": [{"id": 9, "file_name": "000000000009.jpg", "width": 120, "height": 90},
               {"id": 10, "file_name": "000000000010.jpg", "width": 120, "height": 90}],
    "categories": [{"id": 1, "name": "a"}],
    "annotations": [
      {"id": 1, "image_id": 9, "category_id": 1, "iscrowd": 0, "area": 0, "bbox": [5, 5, 0, 7], "segmentation": [[5, 5, 5, 12, 5, 9]]},
      {"id": 2, "image_id": 9, "category_id": 1, "iscrowd": 1, "area": 1600, "bbox": [30, 20, 40, 40], "segmentation": [[30, 20, 70, 20, 70, 60, 30, 60]]}]})");
}

}  // namespace

TEST_CASE("crop511 coco: objects keep their numbers, crops show them, a second run keeps them") {
  const test::TemporaryFolder folder;
  const Crop511Options options = options_of(folder);
  write_coco_set(options.root);
  const Crop511Summary summary = convert_crop511_coco(options, {"train2017"});
  CHECK(summary.made == 1);
  CHECK(summary.kept == 0);
  CHECK(summary.skipped == 1);
  const SiamList list = read_siam_list(options.out / "train2017.json");
  REQUIRE(list.videos().size() == 1);
  CHECK(list.videos()[0].name == "train2017/000000000009");
  CHECK(list.tracks()[0].name == "01");
  CHECK(list.frames_of(0)[0].box == CornerBox{30, 20, 69, 59});
  const fs::path crops = options.out / "crop511";
  const Image crop = read_image(crops / "train2017/000000000009/000000.01.x.jpg");
  const Image mask = read_image(crops / "train2017/000000000009/000000.01.m.png");
  REQUIRE(crop.width == 511);
  REQUIRE(mask.height == 511);
  CHECK(*crop.at(255, 255) > 230);
  // An exemplar's view is 80 pixels of the picture and 127 of the crop, so the object is 63.5 wide.
  for (const int side : {-1, 1}) {
    CHECK(*crop.at(255 + side * 28, 255) > 200);
    CHECK(*crop.at(255 + side * 37, 255) < 140);
    CHECK(*mask.at(255 + side * 28, 255) == 255);
    CHECK(*mask.at(255 + side * 37, 255) == 0);
  }
  // It reads as a set to train on.
  const SiamPairs pairs({{"coco", crops, options.out / "train2017.json", 1, 0, true}}, {});
  CHECK(pairs.round_size() == 1);

  const auto before = contents(options.out);
  const Crop511Summary again = convert_crop511_coco(options, {"train2017"});
  CHECK(again.made == 0);
  CHECK(again.kept == 1);
  CHECK(contents(options.out) == before);
}

TEST_CASE("crop511: damaged and missing crops are made again") {
  const test::TemporaryFolder folder;
  const Crop511Options options = options_of(folder);
  write_coco_set(options.root);
  convert_crop511_coco(options, {"train2017"});
  const auto before = contents(options.out);
  const fs::path crop = options.out / "crop511/train2017/000000000009/000000.01.x.jpg";
  const fs::path mask = options.out / "crop511/train2017/000000000009/000000.01.m.png";
  fs::resize_file(crop, fs::file_size(crop) - 20);
  CHECK(convert_crop511_coco(options, {"train2017"}).made == 1);
  CHECK(contents(options.out) == before);
  fs::resize_file(mask, 0);
  CHECK(convert_crop511_coco(options, {"train2017"}).made == 1);
  fs::remove(mask);
  CHECK(convert_crop511_coco(options, {"train2017"}).made == 1);
  write_jpeg(crop, Image(20, 20));
  CHECK(convert_crop511_coco(options, {"train2017"}).made == 1);
  CHECK(contents(options.out) == before);
}

TEST_CASE("crop511 coco: what is wrong is said with the file") {
  const test::TemporaryFolder folder;
  const Crop511Options options = options_of(folder);
  const auto convert = [&] { convert_crop511_coco(options, {"train2017"}); };
  CHECK(error_of(convert) == (options.root / "train2017").string() + ": is no folder; want COCO's pictures there");
  write_coco_set(options.root);
  const fs::path image = options.root / "train2017" / "000000000009.jpg";
  write_jpeg(image, Image(60, 60));
  CHECK(error_of(convert) == image.string() + ": is 60 x 60 pixels, its annotation says 120 x 90");
  write_file(image, "no picture");
  CHECK(error_of(convert).starts_with(image.string() + ": "));
  fs::remove(image);
  CHECK(error_of(convert) == image.string() + ": the picture is missing");
  write_coco_set(options.root);
  const fs::path json = options.root / "annotations" / "instances_train2017.json";
  std::string text = read_file(json);
  text.replace(text.find("[[30"), std::string("[[30, 20, 70, 20, 70, 60, 30, 60]]").size(), "[]");
  write_file(json, text);
  CHECK(error_of(convert) == "instances_train2017.json: annotation 2 has no segmentation");
  write_file(json, "{");
  CHECK(error_of(convert).starts_with(json.string() + ": "));
}

TEST_CASE("crop511 vid: runs of a track, all of them or the last; val beside train") {
  const test::TemporaryFolder folder;
  const Crop511Options options = options_of(folder);
  const auto frame = [&](const std::string& video, int number, const std::string& objects) {
    write_text(options.root / "Annotations/VID" / video / fmt::format("{:06}.xml", number), annotation_xml(objects));
    write_picture(options.root / "Data/VID" / video / fmt::format("{:06}.JPEG", number),
                  picture(80, 60, 20, 20, 40, 40));
  };
  const std::string a = "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000";
  // Track 0 in frames 0, 1 and 3, 4, 5; alone in 7. Track 3 in frame 4 only. A box without a width in frame 2.
  for (const int f : {0, 1, 3, 5, 7}) frame(a, f, object_xml(20, 20, 40, 40, 0));
  frame(a, 2, object_xml(20, 20, 20, 40, 0));
  frame(a, 4, object_xml(20, 20, 41, 40, 0) + object_xml(5, 5, 9, 9, 3));
  frame(a, 6, "");
  for (const int f : {0, 1}) frame("val/ILSVRC2015_val_00000000", f, object_xml(1, 2, 30, 40, 12));
  fs::create_directory_symlink("ILSVRC2015_VID_train_0000", options.root / "Annotations/VID/train/a");
  fs::create_directory_symlink("ILSVRC2015_VID_train_0000", options.root / "Data/VID/train/a");

  const Crop511Summary summary = convert_crop511_vid(options, VidTracks::all_runs);
  CHECK(summary.made == 5 + 2);
  CHECK(summary.skipped == 1);
  const SiamList train = read_siam_list(options.out / "train.json"), val = read_siam_list(options.out / "val.json");
  REQUIRE(train.videos().size() == 1);
  CHECK(train.videos()[0].name == "a/ILSVRC2015_train_00000000");
  REQUIRE(train.tracks().size() == 1);
  std::vector<int64_t> numbers;
  for (const SiamFrame& f : train.frames_of(0)) numbers.push_back(f.number);
  CHECK(numbers == std::vector<int64_t>{0, 1, 3, 4, 5});
  CHECK(train.frames_of(0)[3].box == CornerBox{20, 20, 41, 40});
  CHECK(val.videos()[0].name == "val/ILSVRC2015_val_00000000");
  CHECK(val.tracks()[0].name == "12");
  CHECK(fs::exists(options.out / "crop511/a/ILSVRC2015_train_00000000/000004.00.x.jpg"));
  CHECK(!fs::exists(options.out / "crop511/a/ILSVRC2015_train_00000000/000007.00.x.jpg"));

  convert_crop511_vid(options, VidTracks::last_run);
  const SiamList last = read_siam_list(options.out / "train.json");
  CHECK(last.frame_count() == 3);
  CHECK(last.frames_of(0)[0].number == 3);
}

TEST_CASE("crop511 vid: broken XML, names and pictures are told") {
  const test::TemporaryFolder folder;
  const Crop511Options options = options_of(folder);
  const auto convert = [&] { convert_crop511_vid(options, VidTracks::all_runs); };
  const fs::path below = options.root / "Annotations/VID/train";
  CHECK(error_of(convert) == below.string() + ": is no folder; want ImageNet's annotations there");
  fs::create_directories(below);
  CHECK(error_of(convert) == below.string() + ": holds no video");
  const fs::path file = below / "s" / "v" / "000000.xml";
  const auto error_with = [&](const std::string& text) {
    write_text(file, text);
    std::string error = error_of(convert);
    return error.starts_with(file.string()) ? error.substr(file.string().size()) : error;
  };
  CHECK(error_with("<annotation>").starts_with(": "));
  CHECK(error_with("<a/>") == ": has no <annotation> (not a VOC file?)");
  CHECK(error_with(annotation_xml(object_xml(1, 2, 3, 4))) == ": object 1: has no trackid");
  CHECK(error_with(annotation_xml("<object><trackid>0</trackid></object>")) == ": object 1: has no bndbox");
  CHECK(error_with(annotation_xml("<object><trackid>x</trackid></object>")) ==
        ": object 1: trackid is \"x\", not a number");
  write_text(file, annotation_xml(object_xml(1, 2, 30, 40, 0)));
  write_text(below / "s" / "v" / "000001.xml", annotation_xml(object_xml(1, 2, 30, 40, 0)));
  CHECK(error_of(convert) == (options.root / "Data/VID/train/s/v/000000.JPEG").string() + ": the picture is missing");
  write_text(below / "s" / "v" / "x.xml", annotation_xml(""));
  CHECK(error_of(convert) == (below / "s/v/x.xml").string() + ": the file's name should be the number of a frame");
}

TEST_CASE("crop511 det: subsets with and without folders in them") {
  const test::TemporaryFolder folder;
  const Crop511Options options = options_of(folder);
  const auto add = [&](const std::string& name, const std::string& objects) {
    write_text(options.root / "Annotations/DET/train" / (name + ".xml"), annotation_xml(objects));
    write_picture(options.root / "Data/DET/train" / (name + ".JPEG"), picture(80, 60, 20, 20, 40, 40));
  };
  add("ILSVRC2013_train/n01/n01_5", object_xml(20, 20, 40, 40) + object_xml(7, 7, 7, 9) + object_xml(1, 1, 9, 30));
  add("ILSVRC2014_train_0000/ILSVRC2014_train_00000001", object_xml(20, 20, 40, 40));
  add("ILSVRC2014_train_0000/ILSVRC2014_train_00000002", "");
  const Crop511Summary summary = convert_crop511_det(options);
  CHECK(summary.made == 3);
  CHECK(summary.skipped == 1);
  const SiamList list = read_siam_list(options.out / "train.json");
  REQUIRE(list.videos().size() == 2);
  CHECK(list.videos()[0].name == "ILSVRC2013_train/n01_5");
  CHECK(list.tracks()[1].name == "02");
  CHECK(list.videos()[1].name == "ILSVRC2014_train_0000/ILSVRC2014_train_00000001");
  const Image crop = read_image(options.out / "crop511/ILSVRC2013_train/n01_5/000000.00.x.jpg");
  CHECK(*crop.at(255, 255) > 230);
}

TEST_CASE("crop511 youtube-vos: labels by palette index, small objects left out, train and val by name") {
  const test::TemporaryFolder folder;
  const Crop511Options options = options_of(folder);
  const auto add = [&](const std::string& video, int number, const std::vector<std::array<int, 5>>& boxes) {
    LabelMap map{80, 60, std::vector<uint8_t>(4800)};
    for (const auto& [label, x0, y0, x1, y1] : boxes)
      for (int y = y0; y < y1; ++y)
        for (int x = x0; x < x1; ++x) map.labels[static_cast<size_t>(y * 80 + x)] = static_cast<uint8_t>(label);
    const fs::path root = options.root / "train";
    fs::create_directories(root / "Annotations" / video);
    write_label_map(root / "Annotations" / video / fmt::format("{:05}.png", number), map);
    write_picture(root / "JPEGImages" / video / fmt::format("{:05}.jpg", number), picture(80, 60, 10, 10, 50, 40));
  };
  // Label 4 is darker than 2 and 3 in grey, and 9 equals none of them: numbers go by index.
  add("b", 0, {{4, 10, 10, 50, 40}, {2, 55, 5, 75, 35}});
  add("b", 5, {{4, 10, 10, 50, 40}, {2, 55, 5, 60, 10}});
  add("a", 10, {{9, 10, 10, 50, 40}});
  const Crop511Summary summary = convert_crop511_youtube_vos(options, {.min_pixels = 25, .train_videos = 1});
  CHECK(summary.made == 4);
  CHECK(summary.skipped == 1);
  const SiamList train = read_siam_list(options.out / "train.json"), val = read_siam_list(options.out / "val.json");
  REQUIRE(train.videos().size() == 1);
  CHECK(train.videos()[0].name == "a");
  CHECK(train.frames_of(0)[0].number == 10);
  REQUIRE(val.tracks().size() == 2);
  CHECK(val.tracks()[0].name == "00");
  CHECK(val.frames_of(0).size() == 1);  // label 2
  CHECK(val.frames_of(0)[0].box == CornerBox{55, 5, 75, 35});
  CHECK(val.frames_of(1).size() == 2);  // label 4
  const Image mask = read_image(options.out / "crop511/b/000005.01.m.png");
  CHECK(*mask.at(255, 255) == 255);
  CHECK(*mask.at(5, 5) == 0);
  CHECK(std::ranges::all_of(mask.pixels, [](uint8_t v) { return v == 0 || v == 255; }));

  // The same files with other workers.
  const auto before = contents(options.out);
  fs::remove_all(options.out);
  Crop511Options alone = options;
  alone.workers = 1;
  convert_crop511_youtube_vos(alone, {.min_pixels = 25, .train_videos = 1});
  CHECK(contents(options.out) == before);
}

TEST_CASE("crop511 youtube-vos: broken label maps and missing pictures are told") {
  const test::TemporaryFolder folder;
  const Crop511Options options = options_of(folder);
  const auto convert = [&] { convert_crop511_youtube_vos(options, {.min_pixels = 0}); };
  CHECK(error_of(convert).starts_with((options.root / "Annotations").string() + ": is no folder"));
  const fs::path labels = options.root / "Annotations" / "v" / "00000.png";
  write_text(labels, "no PNG");
  CHECK(error_of(convert) == labels.string() + ": is no PNG");
  write_label_map(labels, {8, 8, std::vector<uint8_t>(64, 1)});
  CHECK(error_of(convert) == (options.root / "JPEGImages/v/00000.jpg").string() + ": the picture is missing");
  write_picture(options.root / "JPEGImages/v/00000.jpg", Image(9, 8));
  CHECK(error_of(convert) ==
        (options.root / "JPEGImages/v/00000.jpg").string() + ": is 9 x 8 pixels, its annotation says 8 x 8");
  std::string bytes = read_file(labels);
  write_file(labels, bytes.substr(0, bytes.size() / 2));
  CHECK(error_of(convert).starts_with(labels.string() + ": "));
}
