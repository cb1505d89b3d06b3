// What `azimuth predict` wrote, read back.
#include "data/found_objects.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tensor/error.h"

using namespace az;
using data::decode_found_objects;

namespace {

std::string error_of(const std::string& text) {
  try {
    decode_found_objects(text, "f");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

std::string one(const std::string& instance) { return R"({"width":4,"height":3,"instances":[)" + instance + "]}"; }

}  // namespace

TEST_CASE("objects have a class, a score and a mask; those without a pixel are left out") {
  const auto found = decode_found_objects(
      R"({"image":"a \"b\".jpg","instances":[
        {"class":"dog","label":1,"score":0.9,"bbox":[0,0,2,2],"polygon":[[0,0]],"segmentation":{"size":[3,4],"counts":[2,4,6]}},
        {"class":"air","score":0.8,"segmentation":{"size":[3,4],"counts":[12]}},
        {"score":-1.5,"segmentation":{"size":[3,4],"counts":"02:"}}],"width":4,"height":3})",
      "f");
  CHECK(found.width == 4);
  CHECK(found.height == 3);
  REQUIRE(found.objects.size() == 2);
  CHECK(found.objects[0].name == "dog");
  CHECK(found.objects[0].score == 0.9);
  CHECK(found.objects[0].mask == cpu::Rle{3, 4, {2, 4, 6}});
  CHECK(found.objects[1].name.empty());
  CHECK(found.objects[1].score == -1.5);
  CHECK(found.objects[1].mask == cpu::Rle{3, 4, {0, 2, 10}});
}

TEST_CASE("what is wrong is said with its place") {
  const char* want = "want NAME.json of azimuth predict";
  CHECK(error_of("[]") == std::string("f: is no JSON object; ") + want);
  CHECK(error_of(R"({"width":4,"height":3})") == std::string("f: lacks instances, width or height; ") + want);
  CHECK(error_of(R"({"instances":[],"width":4})") == std::string("f: lacks instances, width or height; ") + want);
  CHECK(error_of(R"({"width":0})") == "f: width is \"0\", want pixels from 1 to 1000000");
  CHECK(error_of(R"({"height":"3"})") == "f: height is \"\"3\"\", want pixels from 1 to 1000000");
  CHECK(error_of(one(R"({"score":1})")) == "f: instances[0].segmentation: is no mask of runs");
  CHECK(error_of(one(R"({"score":1,"segmentation":[[0,0,1,0,1,1]]})")) ==
        "f: instances[0].segmentation: is no mask of runs");
  CHECK(error_of(one(R"({"segmentation":{"size":[3,4],"counts":[0,12]}})")) == "f: instances[0].score: is missing");
  CHECK(error_of(one(R"({"score":1,"segmentation":{"size":[4,3],"counts":[0,12]}})")) ==
        "f: a mask is 3 x 4, the picture 4 x 3");
  CHECK(error_of(one("1")).starts_with("f: instances[0]"));
  CHECK(error_of(R"({"width":4,"height":3,"instances":[)").find("at byte") != std::string::npos);
  CHECK(error_of(one("") + "1").find("at byte") != std::string::npos);
}
