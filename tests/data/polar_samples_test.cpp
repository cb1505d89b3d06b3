#include "data/polar_samples.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>

#include "data/loader.h"
#include "data/sampler.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/temporary.h"

using namespace az;
using namespace az::data;
namespace fs = std::filesystem;

namespace {

/// A small data set on disk whose pictures' red channel is their id.
class SmallSet {
 public:
  SmallSet() { set_.categories = {{7, "cup", ""}, {3, "spoon", ""}}; }

  void picture(int64_t id, int width, int height) {
    const std::string file = std::to_string(id) + ".png";
    Image image(width, height);
    for (size_t i = 0; i < image.pixels.size(); i += 3) image.pixels[i] = static_cast<uint8_t>(id);
    write_png(folder_.path() / file, image);
    set_.images.push_back({id, width, height, file});
  }
  CocoAnnotation& square(int64_t image, int64_t category, double x, double y, double side) {
    CocoAnnotation a;
    a.id = static_cast<int64_t>(set_.annotations.size()) + 1;
    a.image_id = image;
    a.category_id = category;
    a.bbox = {x, y, side, side};
    a.area = side * side;
    const std::vector<std::vector<double>> parts{{x, y, x + side, y, x + side, y + side, x, y + side}};
    a.segmentation = set_.segmentations.add(parts);
    set_.annotations.push_back(a);
    return set_.annotations.back();
  }
  PolarData data(const PolarDataOptions& options) {
    set_.build_index();
    return {set_, folder_.path(), options};
  }
  CocoDataset& set() { return set_; }
  const fs::path& folder() const { return folder_.path(); }

 private:
  test::TemporaryFolder folder_;
  CocoDataset set_;
};

PolarDataOptions small_options() {
  PolarDataOptions options;
  options.input.scale.scales = {{128, 96}};
  options.flip = 0;
  options.labels.strides = {8, 16};
  options.labels.ranges = {{-1.F, 1e8F}, {1e8F, 1e9F}};
  options.labels.rays = 12;
  return options;
}

bool same(const Tensor& a, const Tensor& b) {
  if (a.dtype() == DType::i32) return a.to_vector<int32_t>() == b.to_vector<int32_t>();
  return a.to_vector<float>() == b.to_vector<float>();
}

bool same(const PolarBatch& a, const PolarBatch& b) {
  return same(a.image, b.image) && same(a.label, b.label) && same(a.box, b.box) && same(a.rays, b.rays) &&
         same(a.centerness, b.centerness);
}

}  // namespace

TEST_CASE("masks stay with their boxes, whatever stands between them") {
  SmallSet set;
  set.picture(1, 128, 96);
  set.square(1, 7, 0, 0, 20).crowd = true;
  set.square(1, 3, 10, 10, 30);
  set.square(1, 3, 90, 60, 25).ignore = true;
  set.square(1, 7, 60, 40, 9);             // both sides below 10
  set.square(1, 7, 70, 10, 40).area = 15;  // not above 15
  set.square(1, 7, 80, 40, 32);
  const PolarData data = set.data(small_options());
  CHECK(data.classes() == std::vector<std::string>{"cup", "spoon"});
  const PolarSample sample = data.sample(0, 0);
  REQUIRE(sample.objects.size() == 2);
  CHECK(sample.objects[0].label == 2);
  CHECK(sample.objects[0].box == BoxCorners{10, 10, 39, 39});
  CHECK(sample.masks[0].part.x == 10);
  CHECK(sample.masks[0].count() == 900);
  CHECK(sample.objects[0].shape.centre == cpu::Point{24, 24});
  CHECK(sample.objects[1].label == 1);
  CHECK(sample.objects[1].box == BoxCorners{80, 40, 111, 71});
  CHECK(sample.counts.learnt == 2);
}

TEST_CASE("a batch holds normalised pictures and the targets of the padded size") {
  SmallSet set;
  set.picture(1, 128, 96);
  set.square(1, 7, 40, 30, 32);
  PolarDataOptions options = small_options();
  options.flip = 1;
  options.input.scale.scales = {{128, 90}};
  const PolarData data = set.data(options);
  const std::vector<int64_t> indices{0, 0};
  const PolarBatch batch = data.batch(indices, 0, test::cpu());
  CHECK(batch.image.shape() == Shape{2, 96, 128, 3});
  CHECK(batch.label.shape() == Shape{2, 12 * 16 + 6 * 8});
  CHECK(batch.rays.shape() == Shape{2, 240, 12});
  const auto pixels = batch.image.to_vector<float>();
  CHECK(pixels[0] == 0 - 102.9801F);  // blue
  CHECK(pixels[2] == 1 - 122.7717F);  // red
  CHECK(pixels[90 * 128 * 3] == 0);   // padding
  const auto labels = batch.label.to_vector<int32_t>();
  const auto rays = batch.rays.to_vector<float>();
  // The object's mirrored centre: x near 128 - 1 - 56, y near 46 * 90 / 96; a location within 1.5 strides of it.
  const size_t inside = 5 * 16 + 8;  // (68, 44)
  CHECK(labels[inside] == 1);
  CHECK(rays[inside * 12] > 5);
  CHECK(rays[inside * 12] < 25);
  CHECK(labels[0] == 0);
  CHECK(labels[240 + inside] == 1);
  CHECK(batch.pictures[1].placement.flip);
  CHECK(batch.counts.learnt == 2);
}

TEST_CASE("sizes of a batch may differ; labels are those of the common size") {
  SmallSet set;
  for (int64_t id = 1; id <= 6; ++id) {
    set.picture(id, 128, 96);
    set.square(id, 7, 40, 30, 32);
  }
  PolarDataOptions options = small_options();
  options.input.scale = {{{192, 64}, {192, 160}}, true, false};
  const PolarData data = set.data(options);
  std::vector<PolarSample> samples;
  int tallest = 0;
  for (int64_t i = 0; i < 6; ++i) {
    samples.push_back(data.sample(i, 0));
    tallest = std::max(tallest, samples.back().info.placement.window.height);
  }
  const PolarBatch batch = polar_batch(samples, options, test::cpu());
  const int height = padded_size(tallest, 32);
  CHECK(batch.image.shape() == Shape{6, height, 192, 3});
  CHECK(batch.label.dim(1) == height / 8 * 24 + height / 16 * 12);
}

TEST_CASE("a picture without objects: another one, or background") {
  SmallSet set;
  set.picture(1, 128, 96);
  set.square(1, 7, 10, 10, 3);  // too small
  set.picture(2, 96, 128);      // another orientation
  set.square(2, 7, 30, 30, 40);
  set.picture(3, 128, 96);
  set.square(3, 7, 30, 30, 40);
  set.picture(4, 128, 96);  // no annotation: never used
  set.picture(5, 31, 96);   // too narrow
  set.square(5, 7, 2, 2, 20);
  PolarDataOptions options = small_options();
  const PolarData data = set.data(options);
  CHECK(data.size() == 3);
  CHECK(data.landscape() == std::vector<bool>{true, false, true});
  CHECK(data.sample(0, 0).info.id == 3);
  options.keep_empty = true;
  const PolarSample empty = set.data(options).sample(0, 0);
  CHECK(empty.info.id == 1);
  CHECK(empty.objects.empty());
}

TEST_CASE("objects that vanish are dropped and counted") {
  SmallSet set;
  set.picture(1, 1280, 960);
  CocoAnnotation& thin = set.square(1, 7, 100, 101, 40);
  const std::vector<std::vector<double>> line{{101, 101, 102, 101, 102, 141, 101, 141}};  // one column, not sampled
  thin.segmentation = set.set().segmentations.add(line);
  set.square(1, 3, 500, 500, 300);
  const PolarSample sample = set.data(small_options()).sample(0, 0);
  CHECK(sample.objects.size() == 1);
  CHECK(sample.objects[0].label == 2);
  CHECK(sample.counts.vanished == 1);
}

TEST_CASE("crowds are background, or ignored on request") {
  SmallSet set;
  set.picture(1, 128, 96);
  set.square(1, 7, 64, 0, 60).crowd = true;
  set.square(1, 7, 20, 20, 60);
  PolarDataOptions options = small_options();
  const std::vector<int64_t> one{0};
  const size_t on_crowd = 2 * 16 + 13;  // (108, 20)
  CHECK(set.data(options).batch(one, 0, test::cpu()).label.to_vector<int32_t>()[on_crowd] == 0);
  options.ignore_crowd = true;
  const auto labels = set.data(options).batch(one, 0, test::cpu()).label.to_vector<int32_t>();
  CHECK(labels[on_crowd] == -1);
  CHECK(labels[2 * 16 + 1] == 0);
  CHECK(labels[6 * 16 + 6] == 1);
}

TEST_CASE("parts that the contour leaves out are counted") {
  SmallSet set;
  set.picture(1, 128, 96);
  CocoAnnotation& split = set.square(1, 7, 10, 10, 60);
  const std::vector<std::vector<double>> parts{{10, 10, 30, 10, 30, 30, 10, 30}, {50, 50, 60, 50, 60, 60, 50, 60}};
  split.segmentation = set.set().segmentations.add(parts);
  const PolarSample sample = set.data(small_options()).sample(0, 0);
  CHECK(sample.counts.multi_part == 1);
  CHECK(sample.counts.lost_share() == doctest::Approx(0.2));
}

TEST_CASE("zoom drops what it cuts away") {
  SmallSet set;
  for (int64_t id = 1; id <= 2; ++id) {
    set.picture(id, 128, 96);
    set.square(id, 7, 0, 0, 12);
    set.square(id, 7, 50, 40, 30);
  }
  PolarDataOptions options = small_options();
  options.zoom = ZoomOptions{{1.5, 1.5001, 0.01}, 0.3, 40, {115, 115, 115, 0}};
  options.flip = 0.5;
  const PolarData data = set.data(options);
  ObjectCounts counts;
  int flips = 0;
  for (int64_t epoch = 0; epoch < 60; ++epoch) {
    const PolarSample sample = data.sample(epoch % 2, epoch);
    CHECK(sample.info.placement.window.width == 128);
    flips += sample.info.placement.flip ? 1 : 0;
    counts += sample.counts;
    for (size_t i = 0; i < sample.masks.size(); ++i) CHECK(sample.masks[i].count() >= 40);
  }
  CHECK(counts.cut > 5);
  CHECK(counts.learnt > 60);
  CHECK(flips > 15);
  CHECK(flips < 45);
}

TEST_CASE("batches are the same for any number of workers") {
  SmallSet set;
  for (int64_t id = 1; id <= 9; ++id) {
    set.picture(id, id % 2 == 0 ? 128 : 90, 96);
    set.square(id, 7, 5.0 + 4.0 * static_cast<double>(id), 20, 40);
    set.square(id, 3, 40, 50, 28);
  }
  PolarDataOptions options = small_options();
  options.flip = 0.5;
  options.zoom = ZoomOptions{};
  const PolarData data = set.data(options);
  const AspectSampler sampler(data.landscape(), {3, 1});
  const auto make = [&](int64_t step) {
    const auto [epoch, position] = sampler.state(step);
    return data.batch(sampler.batch(epoch, position), epoch, test::cpu());
  };
  Loader<PolarBatch> loader(make, {3, 4, 0, 12});
  for (int64_t step = 0; step < 12; ++step) CHECK(same(*loader.next(), make(step)));
}

TEST_CASE("errors name the picture") {
  SmallSet set;
  set.picture(1, 128, 96);
  set.square(1, 7, 20, 20, 60);
  const PolarData data = set.data(small_options());
  write_png(set.folder() / "1.png", Image(64, 48));
  const std::string file = (set.folder() / "1.png").string();
  CHECK_THROWS_WITH_AS(data.sample(0, 0),
                       (file + ": the picture is 64 x 48, but its annotations are for 128 x 96").c_str(), Error);
  fs::remove(set.folder() / "1.png");
  CHECK_THROWS_WITH_AS(data.sample(0, 0), (file + ": cannot open it: No such file or directory").c_str(), Error);
  set.set().annotations[0].segmentation = {};
  CHECK_THROWS_WITH_AS(set.data(small_options()), "1.png: annotation 1 has no segmentation; ray targets need masks",
                       Error);
  CHECK_THROWS_AS(SmallSet().data(small_options()), Error);
}

TEST_CASE("coco_mini gives full batches") {
  const char* source = std::getenv("AZIMUTH_SOURCE");
  const fs::path root = fs::path(source ? source : ".") / "../shared/data/coco_mini";
  if (!fs::exists(root)) {
    std::cout << "skipped: no " << root << '\n';
    return;
  }
  const PolarData data(read_coco(root / "annotations/instances_train2017.json"), root / "train2017", {});
  CHECK(data.size() == 80);
  CHECK(data.classes().size() == 80);
  ObjectCounts counts;
  for (int64_t i = 0; i < 8; ++i) {
    const std::vector<int64_t> one{i};
    const PolarBatch batch = data.batch(one, 0, test::cpu());
    CHECK(batch.image.shape() == Shape{1, 768, 1280, 3});
    CHECK(batch.label.dim(1) == 160 * 96 + 80 * 48 + 40 * 24 + 20 * 12 + 10 * 6);
    const auto labels = batch.label.to_vector<int32_t>();
    CHECK(std::ranges::count_if(labels, [](int32_t l) { return l > 0; }) > 0);
    counts += batch.counts;
  }
  CHECK(counts.learnt > 20);
}

TEST_CASE("jpeg_scale decodes large pictures at a fraction and leaves the targets alone") {
  const test::TemporaryFolder folder;
  Image image(601, 450);
  for (int y = 0; y < 450; ++y)
    for (int x = 0; x < 601; ++x) {
      image.at(x, y)[0] = static_cast<uint8_t>(x / 3);
      image.at(x, y)[1] = static_cast<uint8_t>(y / 2);
      image.at(x, y)[2] = static_cast<uint8_t>((x + y) / 5);
    }
  write_jpeg(folder.path() / "1.jpg", image, 95);
  CocoDataset set;
  set.categories = {{7, "cup", ""}};
  set.images.push_back({1, 601, 450, "1.jpg"});
  CocoAnnotation cup;
  cup.id = cup.image_id = 1;
  cup.category_id = 7;
  cup.bbox = {100, 80, 300, 200};
  cup.area = 60000;
  const std::vector<std::vector<double>> parts{{100, 80, 400, 80, 400, 280, 100, 280}};
  cup.segmentation = set.segmentations.add(parts);
  set.annotations.push_back(cup);
  set.build_index();

  PolarDataOptions options = small_options();
  const PolarData whole(set, folder.path(), options);
  options.jpeg_scale = true;
  const PolarData reduced(set, folder.path(), options);
  const int64_t index = 0;
  CHECK(whole.sample(0, 0).picture_divisor == 1);
  const PolarSample sample = reduced.sample(0, 0);
  CHECK(sample.picture_divisor == 4);  // 601 x 450 to 128 x 96
  CHECK(ImageSize{sample.picture.width, sample.picture.height} == ImageSize{151, 113});
  const PolarBatch a = whole.batch({&index, 1}, 0, test::cpu()), b = reduced.batch({&index, 1}, 0, test::cpu());
  CHECK(same(a.label, b.label));
  CHECK(same(a.box, b.box));
  CHECK(same(a.rays, b.rays));
  CHECK(same(a.centerness, b.centerness));
  CHECK_FALSE(same(a.image, b.image));
  const auto pa = a.image.to_vector<float>(), pb = b.image.to_vector<float>();
  float worst = 0;
  for (size_t i = 0; i < pa.size(); ++i) worst = std::max(worst, std::abs(pa[i] - pb[i]));
  CHECK(worst < 6);                           // of 255: the picture lies where it did
  options.input.scale.scales = {{640, 480}};  // nothing to gain: the same pixels
  const PolarData large(set, folder.path(), options);
  options.jpeg_scale = false;
  CHECK(same(large.batch({&index, 1}, 0, test::cpu()).image,
             PolarData(set, folder.path(), options).batch({&index, 1}, 0, test::cpu()).image));
}

TEST_CASE("inference gets the same input without mirroring") {
  PictureInfo info;
  info.file = "a.jpg";
  PolarInputOptions options;
  options.scale = {{{133, 80}}, false, true};
  const Tensor input = polar_input(Image(64, 48), options, test::cpu(), info);
  CHECK(input.shape() == Shape{1, 96, 128, 3});
  CHECK(info.original == ImageSize{64, 48});
  CHECK(info.placement.resized == ImageSize{107, 80});
}
