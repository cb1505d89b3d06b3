#include "data/frames.h"

#include <doctest/doctest.h>

#include "data/label_map.h"
#include "data/otb.h"
#include "data/video.h"
#include "data/vos.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/temporary.h"

using namespace az;
namespace fs = std::filesystem;

namespace {

data::Image grey(int value) {
  data::Image image(16, 8);
  for (uint8_t& p : image.pixels) p = static_cast<uint8_t>(value);
  return image;
}

std::vector<int> values(data::Frames frames) {
  std::vector<int> all;
  data::Image image;
  while (frames.next(image)) all.push_back(image.pixels[0]);
  CHECK_FALSE(frames.next(image));
  return all;
}

}  // namespace

TEST_CASE("frames come in the order of their names, from a folder, from its color or img, and from a list") {
  const test::TemporaryFolder folder;
  for (const char* inner : {"plain", "vot/color", "otb/img"}) {
    fs::create_directories(folder.path() / inner);
    for (const int i : {2, 0, 1}) data::write_png(folder.path() / inner / (std::to_string(i) + ".png"), grey(10 * i));
    write_file(folder.path() / inner / "notes.txt", "no picture\n");
  }
  for (const char* name : {"plain", "vot", "otb"})
    CHECK(values(data::Frames::open(folder.path() / name)) == std::vector<int>{0, 10, 20});
  const fs::path last = folder.path() / "plain" / "2.png";
  data::Frames frames({last});
  CHECK(frames.count() == 1);
  CHECK(frames.name(0) == "2");
  CHECK(values(std::move(frames)) == std::vector<int>{20});
  fs::create_directories(folder.path() / "empty");
  CHECK_THROWS_AS(data::Frames::open(folder.path() / "empty"), Error);
  CHECK_THROWS_AS(data::Frames::open(folder.path() / "missing"), Error);
}

TEST_CASE("a broken frame is an error behind the frames before it, and frames may be left unread") {
  const test::TemporaryFolder folder;
  for (const int i : {0, 1}) data::write_png(folder.path() / (std::to_string(i) + ".png"), grey(i));
  write_file(folder.path() / "2.png", "broken");
  data::Frames frames = data::Frames::open(folder.path());
  data::Image image;
  CHECK(frames.next(image));
  CHECK(frames.next(image));
  CHECK_THROWS_AS(frames.next(image), Error);
  const data::Frames unread = data::Frames::open(folder.path());
  CHECK(unread.count() == 3);
}

TEST_CASE("a video's frames are numbered") {
  const test::TemporaryFolder folder;
  data::VideoWriter writer(folder.path() / "v.mp4", {16, 8}, 10);
  for (int i = 0; i < 5; ++i) writer.add(grey(40 * i));
  writer.finish();
  data::Frames frames = data::Frames::open(folder.path() / "v.mp4");
  CHECK(frames.count() == -1);
  CHECK(frames.name(7) == "00007");
  CHECK(frames.frames_per_second() == doctest::Approx(10));
  CHECK(values(std::move(frames)).size() == 5);
}

TEST_CASE("OTB sequences are found by their annotations and counted against their frames") {
  const test::TemporaryFolder folder;
  fs::create_directories(folder.path() / "Ball" / "img");
  write_file(folder.path() / "Ball" / "groundtruth_rect.txt", "1\t2\t3\t4\n5,6,7,8\n");
  const auto sequences = data::read_otb(folder.path());
  REQUIRE(sequences.size() == 1);
  CHECK(sequences[0].name == "Ball");
  CHECK(sequences[0].truth[1] == cpu::Box{5, 6, 7, 8});
  data::write_png(folder.path() / "Ball" / "img" / "0001.png", grey(1));
  CHECK_THROWS_AS(data::otb_frames(sequences[0]), Error);
  data::write_png(folder.path() / "Ball" / "img" / "0002.png", grey(2));
  CHECK(data::otb_frames(sequences[0]).size() == 2);
  CHECK_THROWS_AS(data::read_otb(folder.path() / "Ball" / "img"), Error);
}

TEST_CASE("videos with label maps, with and without a folder of the size, and a list of them") {
  const test::TemporaryFolder folder;
  for (const char* size : {"480p", "."})
    for (const char* name : {"b", "a"}) {
      const fs::path root = folder.path() / (std::string(size) == "." ? "plain" : "sized");
      fs::create_directories(root / "JPEGImages" / size / name);
      fs::create_directories(root / "Annotations" / size / name);
      for (const char* frame : {"00000", "00001"})
        data::write_jpeg(root / "JPEGImages" / size / name / (std::string(frame) + ".jpg"), grey(3));
      data::write_label_map(root / "Annotations" / size / name / "00000.png", {16, 8, std::vector<uint8_t>(16 * 8, 1)});
    }
  for (const char* set : {"plain", "sized"}) {
    const auto videos = data::read_vos(folder.path() / set);
    REQUIRE(videos.size() == 2);
    CHECK(videos[0].name == "a");
    CHECK(videos[0].frames.size() == 2);
    CHECK_FALSE(videos[0].annotations[0].empty());
    CHECK(videos[0].annotations[1].empty());
  }
  write_file(folder.path() / "list.txt", "b\r\n\n");
  CHECK(data::read_vos(folder.path() / "plain", folder.path() / "list.txt").at(0).name == "b");
  write_file(folder.path() / "list.txt", "b\nc\n");
  CHECK_THROWS_AS(data::read_vos(folder.path() / "plain", folder.path() / "list.txt"), Error);
  CHECK_THROWS_AS(data::read_vos(folder.path()), Error);
}
