// labelme and VOC folders as COCO.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <png.h>
#include <unistd.h>

#include <filesystem>

#include "data/convert_labelme.h"
#include "data/convert_voc.h"
#include "data/image.h"
#include "data/label_map.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::data {
namespace {

// A folder of the test's own, removed at its end.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / fmt::format("azimuth_convert_test_{}", getpid())) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    write_file(path_ / name, text);
    return path_ / name;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string labelme(const std::string& shapes,
                    const std::string& rest = R"("imagePath":"a.jpg","imageWidth":40,"imageHeight":30)") {
  return fmt::format("{{\"version\":\"5.0\",\"shapes\":[{}],{}}}", shapes, rest);
}

std::string labelme_error(const std::string& text) {
  CocoBuilder builder;
  ConvertNotes notes;
  try {
    add_labelme(text, "d/f.json", "d", builder, notes);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// A palette PNG of the labels, `bits` a pixel, rows from the top.
std::string palette_png(int width, int height, const std::vector<uint8_t>& labels, int bits) {
  std::string bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &bytes,
      [](png_structp p, png_bytep data, png_size_t count) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<const char*>(data), count);
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), bits,
               PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  std::vector<png_color> palette(size_t{1} << bits);
  for (size_t i = 0; i < palette.size(); ++i) palette[i] = {static_cast<png_byte>(255 - i), 0, 0};
  png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  png_write_info(png, info);
  png_set_packing(png);
  for (int y = 0; y < height; ++y) png_write_row(png, labels.data() + y * width);
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

std::string voc(const std::string& objects,
                const std::string& size = "<size><width>12</width><height>8</height></size>") {
  return "<annotation><filename>p.jpg</filename>" + size + objects + "</annotation>";
}

std::string voc_object(const std::string& name, int left, int top, int right, int bottom,
                       const std::string& more = "") {
  return fmt::format(
      "<object><name>{}</name>{}<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>",
      name, more, left, top, right, bottom);
}

std::string voc_error(const Folder& folder, const std::string& text) {
  const auto file = folder.write("Annotations/p.xml", text);
  ConvertNotes notes;
  try {
    convert_voc(folder.path(), {}, notes);
  } catch (const Error& error) {
    const std::string what = error.what();
    return what.starts_with(file.string()) ? what.substr(file.string().size()) : what;
  }
  return "no error";
}

}  // namespace

TEST_CASE("labelme: polygons, rectangles, circles and groups become objects") {
  const Folder folder;
  folder.write("b/two.json",
               labelme(R"({"label":"dog","points":[[1,1],[9,1],[9,9]],"group_id":5,"shape_type":"polygon"},
      {"label":"cat","points":[[30,20],[20,10]],"group_id":null,"shape_type":"rectangle"},
      {"label":"dog","points":[[11,1],[19,1],[19,9]],"group_id":5},
      {"label":"cat","points":[[20,15],[20,20]],"group_id":5,"shape_type":"circle"},
      {"label":"cat","points":[[3,3]],"shape_type":"point"},
      {"label":"cat","points":[[300,300],[310,300],[310,310]],"shape_type":"polygon"})",
                       R"("imagePath":"..\\img\\a.jpg","imageWidth":40,"imageHeight":30)"));
  folder.write("a.json", labelme("", R"("imagePath":"x.jpg","imageWidth":null)"));
  write_jpeg(folder.path() / "x.jpg", Image(17, 11));
  ConvertNotes notes;
  const CocoDataset set = convert_labelme(folder.path(), {}, notes);
  REQUIRE(set.images.size() == 2);
  CHECK(set.images[0].file_name == "x.jpg");
  CHECK(set.images[0].width == 17);
  CHECK(set.images[0].height == 11);
  CHECK(set.images[1].file_name == "img/a.jpg");
  REQUIRE(set.categories.size() == 2);
  CHECK(set.categories[0].name == "cat");
  REQUIRE(set.annotations.size() == 3);
  CHECK(set.annotations[0].category_id == 2);
  CHECK(set.annotations[0].segmentation.polygons().size() == 2);
  CHECK(set.annotations[0].bbox == cpu::Box{1, 1, 18, 8});
  CHECK(set.annotations[0].area == cpu::rle_area(set.mask_of(set.annotations[0])));
  CHECK(set.annotations[1].bbox == cpu::Box{20, 10, 10, 10});
  CHECK(set.annotations[1].area == 100);
  CHECK(set.annotations[2].area == doctest::Approx(78.5).epsilon(0.06));
  CHECK(set.annotations[2].image_id == 2);
  CHECK(notes.size() == 2);

  write_coco(folder.path() / "out.json", set);
  CHECK(read_coco(folder.path() / "out.json").annotations.size() == 3);
  ConvertOptions again;
  again.exclude = folder.path() / "out.json";
  again.classes = {"dog", "cat"};
  CHECK(convert_labelme(folder.path(), again, notes).annotations[0].category_id == 1);
  again.classes = {"dog"};
  CHECK_THROWS_WITH_AS(convert_labelme(folder.path(), again, notes),
                       (folder.path() / "b/two.json: shapes[1]: the name 'cat' is not among the classes").c_str(),
                       Error);
}

TEST_CASE("labelme: broken files are told what is wrong and where") {
  CHECK(labelme_error("{").starts_with("d/f.json: "));
  CHECK(labelme_error("[]") == "d/f.json: should be an object (not a labelme file?)");
  CHECK(labelme_error("{}") == "d/f.json: has no list \"shapes\" (not a labelme file?)");
  CHECK(labelme_error(labelme("", R"("imageWidth":4)")) == "d/f.json: imagePath: is missing");
  CHECK(labelme_error(labelme("", R"("imagePath":"a.jpg")")) ==
        "d/f.json: has no imageWidth and imageHeight, and d/a.jpg is missing");
  CHECK(labelme_error(labelme("", R"("imagePath":"a.jpg","imageWidth":-4,"imageHeight":3)")) ==
        "d/f.json: imageWidth: should be an integer from 1 to 1000000");
  CHECK(labelme_error(labelme("7")) == "d/f.json: shapes[0]: should be an object");
  CHECK(labelme_error(labelme(R"({"points":[]})")) == "d/f.json: shapes[0].label: is missing");
  CHECK(labelme_error(labelme(R"({"label":"a","points":[[1,2],[3]]})")) ==
        "d/f.json: shapes[0].points: entry 1 should be two numbers");
  CHECK(labelme_error(labelme(R"({"label":"a","points":[[1,2],[3,4]]})")) ==
        "d/f.json: shapes[0].points: a polygon wants three points or more, this has 2");
  CHECK(labelme_error(labelme(R"({"label":"a","points":[[1,2],[1e99,4],[5,6]]})")) ==
        "d/f.json: shapes[0].points: has the coordinate 1e+99");
  CHECK(labelme_error(labelme(R"({"label":"a","points":[],"shape_type":"star"})")) ==
        "d/f.json: shapes[0].shape_type: is 'star', want polygon, rectangle or circle");
}

TEST_CASE("labelme: a picture that was turned since is noticed") {
  const Folder folder;
  write_jpeg(folder.path() / "a.jpg", Image(30, 40));
  folder.write("a.json", labelme(""));
  ConvertNotes notes;
  CHECK_THROWS_AS(convert_labelme(folder.path(), {}, notes), Error);
}

TEST_CASE("voc: boxes from 1, masks by label, difficult objects") {
  const Folder folder;
  folder.write("Annotations/p.xml",
               voc(voc_object("sheep", 1, 1, 4, 4, "<difficult>1</difficult>") + voc_object("cow", 7, 3, 12, 8)));
  std::vector<uint8_t> labels(12 * 8);
  for (size_t y = 2; y < 8; ++y)
    for (size_t x = 6; x < 12; ++x) labels[y * 12 + x] = x == 6 ? 255 : 1;
  folder.write("SegmentationObject/p.png", palette_png(12, 8, labels, 8));
  std::filesystem::create_directories(folder.path() / "JPEGImages");
  ConvertNotes notes;
  const CocoDataset set = convert_voc(folder.path(), {}, notes);
  CHECK(notes.empty());
  REQUIRE(set.annotations.size() == 2);
  CHECK(set.categories[0].name == "cow");
  CHECK(set.annotations[0].bbox == cpu::Box{0, 0, 4, 4});
  CHECK(set.annotations[0].ignore);
  CHECK(set.annotations[0].area == 16);
  CHECK(set.annotations[0].segmentation.empty());
  CHECK(set.annotations[1].bbox == cpu::Box{6, 2, 6, 6});
  CHECK(set.annotations[1].area == 30);
  CHECK(cpu::rle_box(set.mask_of(set.annotations[1])) == cpu::Box{7, 2, 5, 6});

  VocOptions listed;
  listed.list = folder.write("list.txt", "p 1\n\n");
  CHECK(convert_voc(folder.path(), listed, notes).images.size() == 1);
  listed.list = folder.write("list.txt", "q\n");
  CHECK_THROWS_AS(convert_voc(folder.path(), listed, notes), Error);
  folder.write("SegmentationObject/p.png", palette_png(6, 8, std::vector<uint8_t>(48), 8));
  CHECK_THROWS_AS(convert_voc(folder.path(), {}, notes), Error);
}

TEST_CASE("voc: broken files are told what is wrong and where") {
  const Folder folder;
  CHECK(voc_error(folder, "<annotation>").starts_with(": "));
  CHECK(voc_error(folder, "<html></html>") == ": has no <annotation> (not a VOC file?)");
  CHECK(voc_error(folder, voc("", "")).starts_with(": has no size, and "));
  CHECK(voc_error(folder, voc("", "<size><width>x</width><height>4</height></size>")) ==
        ": size: width is \"x\", not a number");
  CHECK(voc_error(folder, voc("", "<size><width>0</width><height>4</height></size>")) == ": size is 0 x 4");
  CHECK(voc_error(folder, voc("<object><name>a</name></object>")) == ": object 1: has no bndbox");
  CHECK(voc_error(folder, voc(voc_object("a", 5, 5, 3, 9))) == ": object 1: bndbox has the size -1 x 5");
  CHECK(voc_error(folder, voc(voc_object("", 5, 5, 8, 9))) == ": object 1: has no name");
}

TEST_CASE("label maps: 1 to 8 bits, and no colours") {
  for (const int bits : {1, 2, 4, 8}) {
    std::vector<uint8_t> labels;
    for (int i = 0; i < 7 * 5; ++i) labels.push_back(static_cast<uint8_t>(i % (1 << bits)));
    const std::string png = palette_png(7, 5, labels, bits);
    const auto* bytes = reinterpret_cast<const uint8_t*>(png.data());
    CHECK(decode_label_map(bytes, png.size(), "f") == LabelMap{7, 5, labels});
    for (size_t length = 0; length + 12 < png.size(); ++length)
      CHECK_THROWS_AS(decode_label_map(bytes, length, "f"), Error);
  }
  const Folder folder;
  write_png(folder.path() / "rgb.png", Image(3, 3));
  CHECK_THROWS_AS(read_label_map(folder.path() / "rgb.png"), Error);
}

TEST_CASE("class lists: labelme's own two are left out, twins refused") {
  const Folder folder;
  CHECK(read_class_names(folder.write("c", "__ignore__\n_background_\ncat \r\n\ndog\n")) ==
        std::vector<std::string>{"cat", "dog"});
  CHECK_THROWS_AS(read_class_names(folder.write("c", "a\na\n")), Error);
  CHECK_THROWS_AS(read_class_names(folder.write("c", "\n")), Error);
}

}  // namespace az::data
