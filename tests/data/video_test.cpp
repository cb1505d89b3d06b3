#include "data/video.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/temporary.h"

using namespace az;
namespace fs = std::filesystem;

namespace {

/// A grey ramp with a bright bar that moves on with the frame's number.
data::Image frame(int index, int width, int height) {
  data::Image image(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image.at(x, y)[c] = static_cast<uint8_t>(60 + y % 80 + (x / 8 == index % 8 ? 100 : 0));
  return image;
}

void write(const fs::path& file, int frames, int width, int height) {
  data::VideoWriter writer(file, {width, height}, 25);
  for (int i = 0; i < frames; ++i) writer.add(frame(i, width, height));
  CHECK_FALSE(fs::exists(file));
  writer.finish();
}

/// Mean distance over the part that both have.
double distance(const data::Image& a, const data::Image& b) {
  double sum = 0;
  const int width = std::min(a.width, b.width), height = std::min(a.height, b.height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) sum += std::abs(a.at(x, y)[c] - b.at(x, y)[c]);
  return sum / (3.0 * width * height);
}

}  // namespace

TEST_CASE("a video's frames come back in order, nearly as they were") {
  const test::TemporaryFolder folder;
  for (const char* name : {"out.mp4", "out.mkv", "out.mov", "out.gif"})
    for (const auto& [width, height] : {std::pair{64, 48}, {65, 49}}) {
      CAPTURE(name);
      const fs::path file = folder.path() / name;
      fs::remove(file);
      write(file, 12, width, height);
      data::VideoReader reader(file);
      CHECK(reader.frames_per_second() == doctest::Approx(25).epsilon(0.01));
      data::Image image;
      int count = 0;
      for (; reader.next(image); ++count) {
        CHECK(std::abs(image.width - width) <= 1);
        // A lossy codec; a gif has 256 fixed colours, dithered.
        CHECK(distance(image, frame(count, width, height)) < (fs::path(name).extension() == ".gif" ? 20 : 8));
      }
      CHECK(count == 12);
      CHECK(reader.frames_read() == 12);
      CHECK_FALSE(reader.next(image));
    }
  for (const auto& entry : fs::directory_iterator(folder.path())) CHECK(entry.path().extension() != ".tmp");
}

TEST_CASE("a video that is cut short gives its frames and then says so") {
  const test::TemporaryFolder folder;
  write(folder.path() / "whole.mp4", 40, 64, 48);
  const std::string mp4 = read_file(folder.path() / "whole.mp4");
  // The index of this file is behind its frames: without it nothing can be read.
  write_file(folder.path() / "cut.mp4", mp4.substr(0, mp4.size() / 2));
  try {
    data::VideoReader reader(folder.path() / "cut.mp4");
    FAIL("opened");
  } catch (const Error& e) {
    CHECK(std::string(e.what()).find("cut.mp4: not a readable video") != std::string::npos);
  }
  for (const char* name : {"whole.mkv", "whole.gif"}) {
    CAPTURE(name);
    write(folder.path() / name, 40, 320, 240);
    const std::string bytes = read_file(folder.path() / name);
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
    data::VideoReader reader(data, bytes.size() * 2 / 3, "cut");
    data::Image image;
    std::string message;
    try {
      while (reader.next(image)) {
      }
    } catch (const Error& e) {
      message = e.what();
    }
    CHECK(reader.frames_read() > 5);
    CHECK(reader.frames_read() < 40);
    CHECK(message.find("cut: ends after " + std::to_string(reader.frames_read())) == 0);
    CHECK(message.find("the file is cut short") != std::string::npos);
  }
}

TEST_CASE("what is no video is refused by name") {
  const test::TemporaryFolder folder;
  write_file(folder.path() / "text.mp4", "no video at all\n");
  CHECK_THROWS_AS(data::VideoReader(folder.path() / "text.mp4"), Error);
  CHECK_THROWS_AS(data::VideoReader(folder.path() / "missing.mp4"), Error);
  CHECK_THROWS_AS(data::VideoWriter(folder.path() / "out.txt", {64, 48}, 25), Error);
  CHECK_THROWS_AS(data::VideoWriter(folder.path() / "out.mp4", {1, 48}, 25), Error);
  CHECK_THROWS_AS(data::VideoWriter(folder.path() / "missing" / "out.mp4", {64, 48}, 25), Error);
  {
    data::VideoWriter unfinished(folder.path() / "out.mp4", {64, 48}, 25);
    unfinished.add(frame(0, 64, 48));
    CHECK_THROWS_AS(unfinished.add(frame(0, 62, 48)), Error);
  }
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path())) ++files;
  CHECK(files == 1);
  CHECK(data::is_video_name("A.MP4"));
  CHECK_FALSE(data::is_video_name("frames"));
}
