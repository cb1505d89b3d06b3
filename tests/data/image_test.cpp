#include "data/image.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/temporary.h"

using namespace az;
using data::Image;
namespace fs = std::filesystem;

namespace {

/// A smooth colour picture, which JPEG keeps closely.
Image ramp(int width, int height, int channels = 3) {
  Image image(width, height, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        image.at(x, y)[c] = static_cast<uint8_t>((c == 0 ? 255 * x / width : c == 1 ? 255 * y / height : 128));
      }
    }
  }
  return image;
}

double mean_difference(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(int{a.pixels[i]} - int{b.pixels[i]});
  return sum / static_cast<double>(a.pixels.size());
}

Image decode(const std::string& bytes) {
  return data::decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), "memory");
}

/// What decoding throws, or "" if it does not.
std::string failure(const std::string& bytes) {
  try {
    decode(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("JPEG and PNG come back as written") {
  const test::TemporaryFolder folder;
  for (const auto& [w, h] : {std::pair{1, 1}, {17, 9}, {160, 120}}) {
    const Image image = ramp(w, h);
    data::write_png(folder.path() / "a.png", image);
    const Image png = data::read_image(folder.path() / "a.png");
    CHECK(png.pixels == image.pixels);
    data::write_jpeg(folder.path() / "a.jpg", image, 95);
    const Image jpeg = data::read_image(folder.path() / "a.jpg");
    REQUIRE(jpeg.width == w);
    REQUIRE(jpeg.height == h);
    CHECK(mean_difference(jpeg, image) < 4);  // chroma is stored at half size
    CHECK(data::image_size(folder.path() / "a.jpg") == data::ImageSize{w, h});
    CHECK(data::image_size(folder.path() / "a.png") == data::ImageSize{w, h});
  }
  const Image grey = ramp(20, 10, 1);
  data::write_png(folder.path() / "g.png", grey);
  data::write_jpeg(folder.path() / "g.jpg", grey);
  for (const char* name : {"g.png", "g.jpg"}) {
    const Image back = data::read_image(folder.path() / name);
    CHECK(back.channels == 3);
    CHECK(back.at(19, 3)[0] == back.at(19, 3)[2]);
    CHECK(std::abs(int{back.at(19, 3)[1]} - int{grey.at(19, 3)[0]}) < 4);
  }
}

TEST_CASE("a JPEG is decoded at a fraction only where that still holds the wanted size") {
  const test::TemporaryFolder folder;
  const fs::path file = folder.path() / "a.jpg";
  data::write_jpeg(file, ramp(101, 64), 95);
  const data::Image whole = data::read_image(file);
  const struct {
    data::ImageSize wanted;
    int divisor;
    data::ImageSize size;
  } cases[] = {{{}, 1, {101, 64}},       {{101, 64}, 1, {101, 64}}, {{51, 32}, 1, {101, 64}},
               {{50, 33}, 1, {101, 64}}, {{50, 32}, 2, {51, 32}},   {{25, 16}, 4, {26, 16}},
               {{25, 17}, 2, {51, 32}},  {{12, 8}, 8, {13, 8}},     {{1, 1}, 8, {13, 8}}};
  for (const auto& c : cases) {
    CAPTURE(c.wanted.width);
    const data::ReducedImage reduced = data::read_reduced_image(file, c.wanted);
    CHECK(reduced.original == data::ImageSize{101, 64});
    CHECK(reduced.divisor == c.divisor);
    REQUIRE(data::ImageSize{reduced.image.width, reduced.image.height} == c.size);
    if (c.divisor == 1) CHECK(reduced.image.pixels == whole.pixels);
    double difference = 0;  // a pixel of the fraction against the mean of those it stands for, within the picture
    for (int y = 0; y < c.size.height; ++y) {
      for (int x = 0; x < 101 / c.divisor; ++x) {
        double mean = 0;
        for (int i = 0; i < c.divisor * c.divisor; ++i)
          mean += whole.at(x * c.divisor + i % c.divisor, y * c.divisor + i / c.divisor)[1];
        mean /= c.divisor * c.divisor;
        difference = std::max(difference, std::abs(mean - reduced.image.at(x, y)[1]));
      }
    }
    CHECK(difference < 12);  // chroma is taken at another size
  }
  data::write_png(folder.path() / "a.png", ramp(64, 64));
  CHECK(data::read_reduced_image(folder.path() / "a.png", {1, 1}).divisor == 1);
}

TEST_CASE("every cut of a picture file is an error that names it") {
  const test::TemporaryFolder folder;
  data::write_jpeg(folder.path() / "a.jpg", ramp(64, 48));
  data::write_png(folder.path() / "a.png", ramp(64, 48));
  std::string pnm = "P6 64 48 255\n" + std::string(64 * 48 * 3, 'x');
  for (const std::string& whole : {read_file(folder.path() / "a.jpg"), read_file(folder.path() / "a.png"), pnm}) {
    REQUIRE(failure(whole).empty());
    // A JPEG without its two-byte end marker, or a PNG without its empty last chunk (12 bytes), still is a picture.
    for (size_t count = 0; count + 16 < whole.size(); ++count) {
      const std::string message = failure(whole.substr(0, count));
      CAPTURE(count);
      REQUIRE(message.rfind("memory: ", 0) == 0);
    }
  }
}

TEST_CASE("PGM and PPM in 8 and 16 bits") {
  CHECK(decode("P6 2 1 255\nabcdef").pixels == std::vector<uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'});
  CHECK(decode("P5\n# a comment\n1 2\n15\n\x0f\x05").pixels == std::vector<uint8_t>{255, 255, 255, 85, 85, 85});
  CHECK(decode(std::string("P5 1 1 65535\n\x80\x00", 15)).pixels == std::vector<uint8_t>{127, 127, 127});
  CHECK(failure("P5 1 99999999999999999999 255\n").find("memory: ") == 0);
  CHECK(failure("P5 1 1 70000\nab").find("memory: damaged PNM header") == 0);
}

TEST_CASE("pictures that lie about their size are refused before allocating") {
  const test::TemporaryFolder folder;
  data::write_jpeg(folder.path() / "a.jpg", ramp(64, 48));
  std::string jpeg = read_file(folder.path() / "a.jpg");
  const size_t frame = jpeg.find("\xff\xc0");
  REQUIRE(frame != std::string::npos);
  for (size_t i = 5; i < 9; ++i) jpeg[frame + i] = '\x1f';
  CHECK(failure(jpeg).find("cannot hold the 7967 x 7967 pixels") != std::string::npos);
  for (size_t i = 5; i < 9; ++i) jpeg[frame + i] = '\xf0';
  CHECK(failure(jpeg).find("more than 268435456 in all") != std::string::npos);
  CHECK(failure("P6 20000 20000 255\nabc").find("more than") != std::string::npos);
  CHECK(failure("P6 9000 9000 255\nabc").find("cannot hold") != std::string::npos);
  CHECK(failure("").find("memory: the file is empty") == 0);
  CHECK(failure("hello, this is text").find("memory: not a picture that can be read") == 0);
}

TEST_CASE("writing refuses what it cannot hold") {
  const test::TemporaryFolder folder;
  Image bad = ramp(4, 4);
  bad.pixels.pop_back();
  CHECK_THROWS_AS(data::write_png(folder.path() / "b.png", bad), Error);
  CHECK_THROWS_AS(data::write_jpeg(folder.path() / "b.jpg", ramp(4, 4), 0), Error);
  CHECK_THROWS_AS(data::write_jpeg(folder.path() / "no" / "b.jpg", ramp(4, 4)), Error);
  CHECK_THROWS_AS(data::read_image(folder.path() / "missing.jpg"), Error);
  CHECK(!fs::exists(folder.path() / "b.png"));
}

TEST_CASE("real photographs decode") {
  const char* source = std::getenv("AZIMUTH_SOURCE");
  const fs::path photos = fs::path(source ? source : ".") / "../shared/data/photos";
  if (!fs::exists(photos)) {
    std::cout << "skipped: no " << photos << '\n';
    return;
  }
  for (const auto& entry : fs::directory_iterator(photos)) {
    CAPTURE(entry.path().string());
    const Image image = data::read_image(entry.path());
    CHECK(image.channels == 3);
    CHECK(data::image_size(entry.path()) == data::ImageSize{image.width, image.height});
  }
}
