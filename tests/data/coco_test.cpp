// COCO files: what is read, what is written, and what broken files are told.
#include "data/coco.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "tensor/error.h"
#include "tensor/file.h"

namespace az::data {
namespace {

const std::string kImages =
    R"("images":[{"id":7,"width":20,"height":10,"file_name":"a.jpg"},{"id":3,"width":8,"height":8}])";
const std::string kCategories = R"("categories":[{"id":4,"name":"cat","supercategory":"pet"},{"id":2,"name":"dog"}])";

std::string file_with(const std::string& annotations) {
  return fmt::format("{{{},\"annotations\":[{}],{}}}", kImages, annotations, kCategories);
}

std::string one(const std::string& fields) {
  return file_with("{\"id\":1,\"image_id\":7,\"category_id\":4," + fields + "}");
}

std::string error_of(const std::string& text) {
  try {
    decode_coco(text, "f.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string results_error(const std::string& text) {
  try {
    decode_coco_results(text, "r.json", decode_coco(file_with(""), "f.json"));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::filesystem::path temporary(const std::string& name) {
  return std::filesystem::temp_directory_path() / fmt::format("azimuth_coco_test_{}_{}", getpid(), name);
}

}  // namespace

TEST_CASE("coco: all forms of a segmentation are read, and what is missing computed") {
  const CocoDataset set = decode_coco(
      file_with(
          R"({"id":1,"image_id":7,"category_id":4,"iscrowd":0,"area":12.5,"bbox":[1,2,3.5,4],"segmentation":[[1,1,9,1,9,8.25],[2,2,3,3]]},
                   {"id":2,"image_id":3,"category_id":2,"iscrowd":1,"bbox":[0,0,8,8],"segmentation":{"size":[8,8],"counts":[10,4,50]}},
                   {"id":3,"image_id":7,"category_id":2,"segmentation":{"counts":"R1;:V4","size":[10,20]}},
                   {"id":4,"image_id":7,"category_id":2,"bbox":[1,1,3,2],"segmentation":[],"ignore":1,"extra":{"a":["}"]}})"),
      "f.json");
  REQUIRE(set.annotations.size() == 4);
  CHECK(set.images[0].file_name == "a.jpg");
  CHECK(set.images[1].file_name.empty());
  CHECK(set.categories[0].supercategory == "pet");
  CHECK(set.annotations[0].segmentation.polygons() ==
        std::vector<std::vector<double>>{{1, 1, 9, 1, 9, 8.25}, {2, 2, 3, 3}});
  CHECK(set.annotations[1].crowd);
  CHECK(set.annotations[1].area == 4);
  CHECK(set.mask_of(set.annotations[1]).counts == std::vector<uint32_t>{10, 4, 50});
  CHECK(set.annotations[2].bbox == cpu::rle_box(set.mask_of(set.annotations[2])));
  CHECK(set.annotations[3].segmentation.empty());
  CHECK(set.annotations[3].area == 6);
  CHECK(set.annotations[3].ignore);
  CHECK(std::vector<uint32_t>(set.annotations_of(0).begin(), set.annotations_of(0).end()) ==
        std::vector<uint32_t>{0, 2, 3});
  CHECK(set.annotations_of(1).size() == 1);
  CHECK(*set.find_image(3) == 1);
  CHECK(!set.find_category(3));
}

TEST_CASE("coco: coordinates keep every bit") {
  const std::vector<std::vector<double>> parts = {{150.59, 622.31, 0.1, -3.07, 1e8 + 0.25, 3},
                                                  {1.0 / 3, 2e-9, 0.005, 7, 1e300, 5}};
  SegmentationStore store;
  for (const auto& part : parts)
    CHECK(store.add(std::vector<std::vector<double>>{part}).polygons() == std::vector<std::vector<double>>{part});
  CHECK(store.add(parts).polygons() == parts);
}

TEST_CASE("coco: broken annotation files are told what is wrong and where") {
  CHECK(error_of("") == "f.json: the file stops where '{' should follow, at byte 0");
  CHECK(error_of("[]").starts_with("f.json: is a list, not an object"));
  CHECK(error_of("{}") == "f.json: has no \"images\"");
  CHECK(error_of("{" + kImages + "," + kCategories + "}") == "f.json: has no \"annotations\"");
  CHECK(error_of("{" + kImages + "," + kImages + "}") == "f.json: has \"images\" twice");
  CHECK(error_of(file_with("") + "x").starts_with("f.json: nothing should follow, at byte "));
  CHECK(error_of(file_with("").substr(0, 19)).starts_with("f.json: the file stops within a value, at byte "));
  CHECK(error_of("{\"images\":[{]}").starts_with("f.json: ']' closes another kind of bracket, at byte "));
  CHECK(error_of("{\"images\":" + std::string(5000, '[')).starts_with("f.json: values are nested more than 1000 deep"));
  CHECK(error_of(R"({"images":[{"id":1,"width":-4,"height":5}]})") ==
        "f.json: images[0].width: is missing, or not from 1 to 1000000");
  CHECK(error_of(R"({"images":[{"id":"1","width":4,"height":5}]})") == "f.json: images[0].id: should be an integer");
  CHECK(error_of(R"({"images":[{"width":4,"height":5}]})") == "f.json: images[0].id: is missing");
  CHECK(error_of(R"({"images":[7]})") == "f.json: images[0]: should be an object");
  CHECK(error_of(R"({"images":[{"id":1,"width":1000000,"height":1000000}]})") ==
        "f.json: images[0]: has 1000000 x 1000000 pixels");
  CHECK(error_of(file_with(R"({"image_id":7,"category_id":4,"bbox":[0,0,1,1]})")) ==
        "f.json: annotations[0].id: is missing");
  CHECK(error_of(one(R"("area":1)")) == "f.json: annotations[0]: has neither bbox nor segmentation");
  CHECK(error_of(one(R"("bbox":[0,0,1])")) == "f.json: annotations[0].bbox: has 3 numbers, not x, y, width, height");
  CHECK(error_of(one(R"("bbox":[0,0,-1,5])")) == "f.json: annotations[0].bbox: has the negative size -1 x 5");
  CHECK(error_of(one(R"("bbox":[0,0,NaN,5])")) == "f.json: annotations[0].bbox: entry 2 should be a finite number");
  CHECK(error_of(one(R"("bbox":[0,0,1e999,5])")) == "f.json: annotations[0].bbox: entry 2 should be a finite number");
  CHECK(error_of(one(R"("bbox":[0,0,1,5],"area":-3)")) == "f.json: annotations[0].area: is -3");
  CHECK(error_of(one(R"("bbox":[0,0,1,5],"segmentation":7)"))
            .starts_with("f.json: annotations[0].segmentation: should be a list"));
  CHECK(error_of(one(R"("segmentation":[1,2,3])")) ==
        "f.json: annotations[0].segmentation: should be a list of numbers");
  CHECK(error_of(one(R"("segmentation":[[1,2,1e9,4,5,6]])")) ==
        "f.json: annotations[0].segmentation: has the coordinate 1000000000");
  CHECK(error_of(one(R"("segmentation":{"counts":[200]})")) ==
        "f.json: annotations[0].segmentation: has no size [height, width]");
  CHECK(error_of(one(R"("segmentation":{"size":[10,20]})")) == "f.json: annotations[0].segmentation: has no counts");
  CHECK(error_of(one(R"("segmentation":{"size":[10,20],"counts":[100,101]})")) ==
        "f.json: annotations[0].segmentation: the runs cover 201 pixels, the picture of 20 x 10 has 200");
  CHECK(error_of(one(R"("segmentation":{"size":[10,20],"counts":[-1,201]})")) ==
        "f.json: annotations[0].segmentation: has a run of -1 pixels");
  CHECK(error_of(one(R"("segmentation":{"size":[10,20],"counts":"P"})")) ==
        "f.json: annotations[0].segmentation: the compressed runs stop within a number");
  CHECK(error_of(one(R"("segmentation":{"size":[20,20],"counts":[100,300]})")) ==
        "f.json: annotations[0].segmentation: is of a picture of 20 x 20, image 7 is 20 x 10");
  CHECK(error_of(file_with(R"({"id":1,"image_id":9,"category_id":4,"bbox":[0,0,1,1]})")) ==
        "f.json: annotations[0]: image_id 9 is not among the images");
  CHECK(error_of(file_with(R"({"id":1,"image_id":7,"category_id":5,"bbox":[0,0,1,1]})")) ==
        "f.json: annotations[0]: category_id 5 is not among the categories");
  const std::string twin = R"({"id":1,"image_id":7,"category_id":4,"bbox":[0,0,1,1]})";
  CHECK(error_of(file_with(twin + "," + twin)) == "f.json: annotations[1]: id 1 is already that of annotations[0]");
  CHECK_THROWS_WITH_AS(read_coco("/nonexistent.json"), "/nonexistent.json: cannot be opened", Error);
}

TEST_CASE("coco: no prefix of a file crashes the reader") {
  const std::string whole = one(R"("bbox":[0,0,1,5],"segmentation":{"size":[10,20],"counts":"R1;:V4"},"x":"\"\\")");
  REQUIRE(error_of(whole) == "no error");
  for (size_t length = 0; length < whole.size(); ++length) CHECK(error_of(whole.substr(0, length)) != "no error");
}

TEST_CASE("coco: broken result files are told what is wrong and where") {
  CHECK(results_error("{}").starts_with("r.json: is an object, not a list of detections"));
  CHECK(results_error(R"([{"image_id":7,"category_id":4,"bbox":[0,0,1,1]}])") == "r.json: [0].score: is missing");
  CHECK(results_error(R"([{"image_id":8,"category_id":4,"bbox":[0,0,1,1],"score":1}])") ==
        "r.json: [0].image_id: 8 is not among the annotation file's images");
  CHECK(results_error(R"([{"image_id":7,"category_id":4,"score":1}])") ==
        "r.json: [0]: has neither bbox nor segmentation");
  CHECK(
      results_error(
          R"([{"image_id":7,"category_id":4,"bbox":[0,0,1,1],"score":1},{"image_id":7,"category_id":4,"score":1}])") ==
      "r.json: [1].bbox: is missing, while the first entry has one");
  CHECK(results_error(R"([{"image_id":7,"category_id":4,"segmentation":{"size":[9,9],"counts":[81]},"score":1}])") ==
        "r.json: [0].segmentation: is of a picture of 9 x 9, image 7 is 20 x 10");
  CHECK(results_error("[]") == "no error");
}

TEST_CASE("coco: what is written reads back the same") {
  const CocoDataset set = decode_coco(
      file_with(
          R"({"id":1,"image_id":7,"category_id":4,"area":12.1,"bbox":[1.1,2,3.3,4],"segmentation":[[1.01,1,9,1,9,8.3333333333]]},
                   {"id":9,"image_id":3,"category_id":2,"iscrowd":1,"bbox":[0,0,8,8],"segmentation":{"size":[8,8],"counts":[10,4,50]}})"),
      "f.json");
  const auto file = temporary("set.json"), again = temporary("again.json");
  write_coco(file, set);
  const CocoDataset read = read_coco(file);
  write_coco(again, read);
  CHECK(read_file(file) == read_file(again));
  REQUIRE(read.annotations.size() == 2);
  CHECK(read.annotations[0].bbox == set.annotations[0].bbox);
  CHECK(read.annotations[0].segmentation.polygons() == set.annotations[0].segmentation.polygons());
  CHECK(read.annotations[1].segmentation.runs() == set.annotations[1].segmentation.runs());
  CHECK(read.annotations[1].crowd);

  CocoResults results;
  results.detections.push_back(
      {7, 4, 0.12345678901234567, {1, 2, 3, 4}, results.segmentations.add(cpu::Rle{10, 20, {50, 7, 143}})});
  write_coco_results(file, results, CocoFields::masks);
  const CocoResults masks = read_coco_results(file, set);
  CHECK(!masks.area_from_boxes);
  CHECK(masks.detections[0].score == 0.12345678901234567);
  CHECK(masks.detections[0].segmentation.runs().counts == std::vector<uint32_t>{50, 7, 143});
  write_coco_results(file, results, CocoFields::boxes);
  const CocoResults boxes = read_coco_results(file, set);
  CHECK(boxes.area_from_boxes);
  CHECK(boxes.detections[0].bbox == cpu::Box{1, 2, 3, 4});
  CHECK(boxes.detections[0].segmentation.empty());
  std::filesystem::remove(file);
  std::filesystem::remove(again);
}

TEST_CASE("coco results: a long file is the same for any number of threads, and so is its first error") {
  const CocoDataset set = decode_coco(file_with(""), "f.json");
  const auto escaped = [](std::string runs) {  // a backslash is one of their characters
    for (size_t at = 0; (at = runs.find('\\', at)) != std::string::npos; at += 2) runs.insert(at, 1, '\\');
    return runs;
  };
  const auto score = [](size_t i) { return "0." + std::to_string(100000 + i).substr(1); };
  std::vector<std::string> entries;
  for (int i = 0; i < 12000; ++i)  // more than two stretches of the reader
    entries.push_back(fmt::format(
        R"({{"image_id":7,"category_id":4,"note":"{} \" ] }} \\","score":{},"segmentation":{{"size":[10,20],"counts":"{}"}}}})",
        std::string(static_cast<size_t>(i % 97) * 4, 'x'), score(static_cast<size_t>(i)),
        escaped(
            cpu::rle_to_string({10, 20, {static_cast<uint32_t>(i % 200), 1, static_cast<uint32_t>(199 - i % 200)}}))));
  const auto text = [&] {
    std::string list;
    for (const std::string& entry : entries) list += (list.empty() ? " [" : " ,\n") + entry;
    return list + "] ";
  };
  const std::string whole = text();
  REQUIRE(whole.size() > (size_t{5} << 19));
  for (const int threads : {1, 2, 5}) {
    CAPTURE(threads);
    const CocoResults results = decode_coco_results(whole, "r.json", set, threads);
    REQUIRE(results.detections.size() == entries.size());
    CHECK_FALSE(results.area_from_boxes);
    bool same = true;
    for (size_t i = 0; i < entries.size(); ++i) {
      const CocoDetection& d = results.detections[i];
      const auto at = static_cast<uint32_t>(i % 200);
      same = same && d.segmentation.runs().counts == std::vector<uint32_t>{at, 1, 199 - at} &&
             d.segmentation.runs_area() == 1 &&
             d.bbox == cpu::Box{static_cast<double>(at / 10), static_cast<double>(at % 10), 1, 1} &&
             d.score == std::stod(score(i));
    }
    CHECK(same);
  }
  const auto error = [&](const std::string& bad, int threads) {
    try {
      decode_coco_results(bad, "r.json", set, threads);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  entries[11000] = R"({"image_id":8})";
  entries[9000] = R"({"image_id":7,"category_id":4})";
  for (const int threads : {1, 2, 5}) {
    CAPTURE(threads);
    CHECK(error(text(), threads) == "r.json: [9000].score: is missing");
    const std::string damaged = text().substr(0, whole.size() - 2000);  // stops within an entry, behind the bad one
    CHECK(error(damaged, threads) == "r.json: [9000].score: is missing");
    CHECK(error(whole.substr(0, whole.size() / 2), threads).find("r.json: the file stops") == 0);
  }
}

TEST_CASE("coco: real files") {
  const char* source = std::getenv("AZIMUTH_SOURCE");
  const auto data = std::filesystem::path(source ? source : ".") / ".." / "shared" / "data";
  if (!std::filesystem::exists(data / "coco_mini")) {
    MESSAGE("skipped: " << data.string() << " is missing");
    return;
  }
  const CocoDataset mini = read_coco(data / "coco_mini/annotations/instances_train2017.json");
  CHECK(mini.images.size() == 80);
  CHECK(mini.annotations.size() == 739);
  CHECK(mini.categories.size() == 80);
  CHECK(std::ranges::count_if(mini.annotations, [](const auto& a) { return a.crowd; }) == 8);
  CHECK(read_coco(data / "nuts/trainval.json").annotations.size() == 165);
}

}  // namespace az::data
