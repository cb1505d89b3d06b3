// VOT sets and results: what is read, and what broken ones are told.
#include "data/vot.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <functional>

#include "data/image.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/temporary.h"

namespace az::data {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  write_file(file, text);
}

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// A set of the sequences b and a, without frames.
fs::path write_set(const fs::path& root) {
  put(root / "list.txt", "b\na\n");
  put(root / "a" / "groundtruth.txt", "1,2,30,40\r\n2,2,30,40\r\n");
  put(root / "a" / "occlusion.tag", "1\n");
  put(root / "b" / "groundtruth.txt", "0,0,10,0,10,10,0,10\n");
  put(root / "b" / "size_change.label", "1\n");
  return root;
}

}  // namespace

TEST_CASE("a folder is read in the order of its names, with marks padded and missing ones empty") {
  const test::TemporaryFolder folder;
  const VotSet set = read_vot(write_set(folder.path()));
  REQUIRE(set.sequences.size() == 2);
  CHECK(set.sequences[0].name == "a");
  CHECK(set.sequences[0].truth == std::vector<cpu::Region>{{{1, 2, 30, 40}}, {{2, 2, 30, 40}}});
  CHECK(set.sequences[0].attributes.at("occlusion") == std::vector<uint8_t>{1, 0});
  CHECK(set.sequences[0].attributes.at("size_change").empty());
  CHECK(set.sequences[1].attributes.at("size_change") == std::vector<uint8_t>{1});
}

TEST_CASE("a set survives its JSON") {
  VotSequence sequence{"bag", {"bag/1.jpg", "bag/2.jpg"}, {{{1, 2, 3.5F, 4}}, {{1, 2, 30, 4, 30, 40, 1, 40}}}, 64, 48,
                       {}};
  for (const char* attribute : kVotAttributes) sequence.attributes[attribute] = {};
  sequence.attributes["occlusion"] = {0, 1};
  const test::TemporaryFolder folder;
  write_vot_json({{}, {sequence}}, folder.path() / "set.json");
  const VotSet read = read_vot(folder.path() / "set.json");
  REQUIRE(read.sequences.size() == 1);
  CHECK(read.root == folder.path());
  CHECK(read.sequences[0].images == sequence.images);
  CHECK(read.sequences[0].truth == sequence.truth);
  CHECK(read.sequences[0].width == 64);
  CHECK(read.sequences[0].attributes == sequence.attributes);
}

TEST_CASE("results: fifteen files are repetitions, of another number the smallest name counts") {
  const test::TemporaryFolder folder;
  const VotSet set = read_vot(write_set(folder.path() / "set"));
  const fs::path results = folder.path() / "mine";
  for (int i = 1; i <= 15; ++i) put(results / "baseline" / "a" / fmt::format("a_{:03}.txt", i), "1\n1.5,2,3,4\n");
  put(results / "baseline" / "b" / "b_002.txt", "1\n");
  put(results / "baseline" / "b" / "b_001.txt", "2\n");
  put(results / "baseline" / "b" / "b_time.txt", "seconds");
  const VotResults read = read_vot_results(results, set);
  CHECK(read.tracker == "mine");
  CHECK(read.runs[0].size() == 15);
  CHECK(read.runs[1] == std::vector<std::vector<cpu::Region>>{{{{2}}}});
  CHECK(regions_text(read.runs[0][0]) == "1\n1.5000,2.0000,3.0000,4.0000\n");
}

TEST_CASE("broken sets and results are told what is wrong, and where") {
  const test::TemporaryFolder folder;
  const fs::path root = write_set(folder.path());
  CHECK(error_of([&] {
          read_vot(root / "no");
        }).ends_with("no: is not there; want a folder with list.txt, or a JSON file"));
  fs::create_directories(root / "bare");
  CHECK(error_of([&] {
          read_vot(root / "bare");
        }).ends_with("bare: has no list.txt with the sequences' names, one a line"));
  CHECK(error_of([&] { parse_regions("1,2,3,4\n1,2,x,4\n", "f"); }) == "f: line 2: \"x\" is not a number");
  CHECK(error_of([&] { parse_regions("1,2,3\n", "f"); }).starts_with("f: line 1: 3 numbers, want 1 (a code), 4"));
  CHECK(error_of([&] { parse_regions("1,2,inf,4\n", "f"); }) == "f: line 1: inf is no coordinate");
  CHECK(error_of([&] { read_vot_results(root / "none", {}); }).ends_with("none: is no folder of a tracker's results"));
  const VotSet set = read_vot(root);
  put(root / "mine" / "a" / "a_001.txt", "1\n");
  CHECK(error_of([&] { read_vot_results(root / "mine", set); }).ends_with("mine: has no result of the sequence b"));
  put(root / "a" / "occlusion.tag", "maybe\n");
  CHECK(error_of([&] { read_vot(root); }).ends_with("occlusion.tag: line 1: \"maybe\" is neither 0 nor 1"));
  put(root / "list.txt", "a\nc\n");
  put(root / "a" / "occlusion.tag", "1\n");
  CHECK(error_of([&] {
          read_vot(root);
        }).ends_with("list.txt: the list names the sequence \"c\", and its folder is missing"));
  CHECK(error_of([&] { decode_vot_json("[]", "f"); }) == "f: is no JSON object of sequences");
  CHECK(error_of([&] { decode_vot_json(R"({"a":{"gt_rect":[[1,2,3,4]],"img_names":[]}})", "f"); }) ==
        "f: \"a\": 1 regions for 0 frames");
  put(root / "boxes.txt", "1 2 3\n");
  CHECK(error_of([&] {
          read_boxes(root / "boxes.txt");
        }).ends_with("boxes.txt: line 1: want the four numbers x, y, w, h"));
}

TEST_CASE("a set's JSON: marks are flags or any number, sides are whole pixels") {
  const auto read = [](const std::string& more) {
    return decode_vot_json(R"({"a":{"gt_rect":[[1,2,3,4],[1,2,3,4],[1,2,3,4]],"img_names":["1","2","3"])" + more + "}}",
                           "f");
  };
  const VotSequence marked = read(R"(,"camera_motion":[true,1e92,0],"width":64,"height":48)").sequences.at(0);
  CHECK(marked.attributes.at("camera_motion") == std::vector<uint8_t>{1, 1, 0});
  CHECK(marked.width == 64);
  CHECK(read("").sequences.at(0).height == 0);
  for (const char* side : {"1e30", "-1", "0.5"})
    CHECK(error_of([&] { read(std::string(",\"width\":") + side); }).ends_with(", want whole pixels"));
  CHECK(error_of([&] { read(R"(,"width":"64")"); }).starts_with("f: \"a\": "));
}

TEST_CASE("the folder of one sequence is a set of one") {
  const test::TemporaryFolder folder;
  fs::create_directories(folder.path() / "bag" / "color");
  write_png(folder.path() / "bag" / "color" / "00000001.png", Image(20, 10));
  write_jpeg(folder.path() / "bag" / "color" / "00000001.jpg", Image(20, 10));
  az::write_file(folder.path() / "bag" / "groundtruth.txt", "1,2,3,4\n");
  const VotSet set = read_vot(folder.path() / "bag");
  REQUIRE(set.sequences.size() == 1);
  CHECK(set.sequences[0].name == "bag");
  CHECK(set.sequences[0].width == 20);
  CHECK(fs::exists(set.root / set.sequences[0].images.at(0)));
}

}  // namespace az::data
