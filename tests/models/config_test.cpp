#include "models/config.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "models/polarmask/config.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/temporary.h"

using namespace az;
using models::Config;

namespace {

/// What reading the text and asking for train.lr (0 to 10) and data.root says.
std::string message(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    Config c = Config::parse(text, "run.toml", overrides);
    c.table("train").number("lr", 1, 0, 10);
    c.table("train").integer("batch", 1, 1, 64);
    c.table("train").integers("steps", {1}, 1, 3, 0, 9);
    c.table("data").text("root", "x");
    c.finish();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::filesystem::path configs() {
  const char* source = std::getenv("AZIMUTH_SOURCE");
  REQUIRE_MESSAGE(source, "AZIMUTH_SOURCE is not set; run through ctest");
  return std::filesystem::path(source) / "configs" / "polarmask";
}

models::PolarMaskConfig read(const std::string& name, const std::vector<std::string>& overrides = {}) {
  Config c = Config::load(configs() / name, overrides);
  return models::parse_polarmask_config(c);
}

}  // namespace

TEST_CASE("values, defaults, overrides") {
  Config c = Config::parse("a = 1\n[t]\nlr = 2\nname = 'n'\nlist = [1, 2.5]\n[t.u]\nflag = true\n", "run.toml",
                           {"t.lr=0.5", "t.name=/srv/coco 2017", "t.v.size=[3,4]", "t.year=2017"});
  CHECK(c.integer("a", 7, 0, 9) == 1);
  CHECK(c.integer("b", 7, 0, 9) == 7);
  Config t = c.table("t");
  CHECK(t.number("lr", 9, 0, 10) == 0.5);
  CHECK(t.text("name", "") == "/srv/coco 2017");
  CHECK(t.text("year", "") == "2017");
  CHECK(t.numbers("list", {}, 2, 2, 0, 3) == std::vector<double>{1, 2.5});
  CHECK(t.table("u").boolean("flag", false));
  CHECK(t.table("v").integers("size", {}, 2, 2, 0, 9) == std::vector<int64_t>{3, 4});
  CHECK(t.choice("mode", "x", {"x", "y"}) == "x");
  CHECK(t.has("lr"));
  CHECK_FALSE(t.has("mode"));
  CHECK_NOTHROW(c.finish());
}

TEST_CASE("the last override wins, and one may hold a table") {
  Config c = Config::parse("[a]\nx = 1\n", "run.toml", {"a.x=2", "a.x=3", "b={y = 4, c = {z = 5}}"});
  CHECK(c.table("a").integer("x", 0, 0, 9) == 3);
  CHECK(c.table("b").integer("y", 0, 0, 9) == 4);
  CHECK(c.table("b").table("c").integer("z", 0, 0, 9) == 5);
  c.finish();
}

TEST_CASE("what is wrong is said with the file, the line and what is wanted") {
  CHECK(message("[train]\nlr = 'fast'") == "run.toml:2: train.lr is text \"fast\", want a number from 0 to 10");
  CHECK(message("[train]\nlr = 11") == "run.toml:2: train.lr is 11, want a number from 0 to 10");
  CHECK(message("[train]\nlr = nan") == "run.toml:2: train.lr is nan, want a number from 0 to 10");
  CHECK(message("[train]\nbatch = 2.0") == "run.toml:2: train.batch is 2.0, want a whole number from 1 to 64");
  CHECK(message("[train]\nsteps = [1, 20]") ==
        "run.toml:2: train.steps has 20 in its list, want a list of 1 to 3, each a whole number from 0 to 9");
  CHECK(message("[train]\nsteps = [[1]]") ==
        "run.toml:2: train.steps has a list of 0 in its list, want a list of 1 to 3, each a whole number from 0 to 9");
  CHECK(message("[train]\nsteps = []").find("train.steps is a list of 0, want") != std::string::npos);
  CHECK(message("train = 3") == "run.toml:1: train is 3, want a table");
  CHECK(message("[data]\nroot = 5") == "run.toml:2: data.root is 5, want text in quotes");
  CHECK(message("[data]\nroot = 2020-01-01") == "run.toml:2: data.root is a date or time, want text in quotes");
  CHECK(message("\n[train]\n\nlrr = 1") == "run.toml:4: unknown key train.lrr; the nearest known one is train.lr");
  CHECK(message("[trian]\n") == "run.toml:1: unknown table trian; the nearest known one is train");
  CHECK(message("", {"train.lr=fast"}) == "--set train.lr=fast: train.lr is text \"fast\", want a number from 0 to 10");
  CHECK(message("", {"train.bach=2"}) ==
        "--set train.bach=2: unknown key train.bach; the nearest known one is train.batch");
  CHECK(message("", {"lr"}) == "--set lr: want key=value");
  CHECK(message("", {"a..b=1"}) == "--set a..b=1: \"a..b\" is not a dotted key");
  CHECK(message("a = ").find("run.toml:1: ") == 0);
  CHECK(message("base = 'x.toml'") == "run.toml:1: a base needs a file to start from");
  CHECK(message("\"a b\" = 1") == "run.toml:1: key \"a b\" should have 1 to 64 letters, digits, _ or -");
}

TEST_CASE("hostile nesting, sizes and bytes are errors") {
  std::string dotted = "a", header = "[a", list = "a = ", table = "a = ";
  for (int i = 0; i < 100000; ++i) {
    dotted += ".a";
    header += ".a";
    list += "[";
    table += "{a=";
  }
  CHECK(message(dotted + " = 1") == "run.toml:1: more than 64 dots in one key or value");
  CHECK(message(header + "]") == "run.toml:1: more than 64 dots in one key or value");
  CHECK(message("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q = 1").find("tables nest deeper than 16") != std::string::npos);
  CHECK(message(list).find("run.toml:1: ") == 0);
  CHECK(message(table).find("run.toml:1: ") == 0);
  CHECK(message("", {"a=" + list}) != "");
  CHECK(message(std::string(2 << 20, '#')).find("a configuration has at most") != std::string::npos);
  CHECK(message(std::string("a = \"\xff\xfe\"\n")).find("run.toml:1: ") == 0);
  CHECK(message(std::string("a = \0 1", 7)).find("run.toml:1: ") == 0);
  CHECK(message("# é\n'é' = 1\n").find("run.toml:2: key") == 0);
  CHECK(message("a = '''\n'''\nb = 0é1\n") == "run.toml:3: a character that is not ASCII, outside quotes");
  CHECK(message("a = '" + std::string(100, '.') + "'\n").find("run.toml:1: unknown key a") == 0);
  CHECK(message("\xef\xbb\xbf[train]\nlr = 1\n").empty());
  CHECK(message("a = 0B\"é\"\n") == "run.toml:1: a quote inside a word");
  CHECK(message("[\n") == "run.toml: is not TOML");
  CHECK(message("[=]\n") == "run.toml: is not TOML");
  CHECK(message(std::string(300, 'k') + " = 1").find("should have 1 to 64 letters") != std::string::npos);
}

TEST_CASE("a base gives what the file does not; circles and missing files are errors") {
  const test::TemporaryFolder folder;
  const auto put = [&](const char* name, const char* text) { write_file(folder.path() / name, text); };
  put("a.toml", "base = 'b.toml'\n[t]\nx = 1\n");
  put("b.toml", "base = 'c.toml'\n[t]\nx = 2\ny = 2\n");
  put("c.toml", "[t]\nx = 3\ny = 3\nz = 3\n");
  Config c = Config::load(folder.path() / "a.toml", {});
  Config t = c.table("t");
  CHECK(t.integer("x", 0, 0, 9) == 1);
  CHECK(t.integer("y", 0, 0, 9) == 2);
  CHECK_THROWS_WITH_AS(c.finish(), doctest::Contains("c.toml:4: unknown key t.z"), Error);
  CHECK(t.integer("z", 0, 0, 9) == 3);
  CHECK_NOTHROW(c.finish());
  put("d.toml", "\nbase = './e.toml'\n");
  put("e.toml", "base = 'd.toml'\n");
  CHECK_THROWS_WITH_AS(Config::load(folder.path() / "d.toml"), doctest::Contains("leads back to itself"), Error);
  put("f.toml", "base = 'none.toml'\n");
  CHECK_THROWS_WITH_AS(Config::load(folder.path() / "f.toml"), doctest::Contains("f.toml:1: base "), Error);
  CHECK_THROWS_AS(Config::load(folder.path() / "none.toml"), Error);
  CHECK_THROWS_AS(Config::load(folder.path()), Error);
}

TEST_CASE("dump reads back as itself") {
  Config c = Config::parse("", "run.toml");
  models::parse_polarmask_config(c);
  const std::string text = c.dump();
  Config again = Config::parse(text, "dump", {"data.root='a \"b\" \\ c'"});
  CHECK(models::parse_polarmask_config(again).data.root == "a \"b\" \\ c");
  Config third = Config::parse(again.dump(), "dump");
  models::parse_polarmask_config(third);
  CHECK(third.dump() == again.dump());
  CHECK(text.find("mean = [102.9801, 115.9465, 122.7717]") != std::string::npos);
}

TEST_CASE("the base configuration says what the defaults are") {
  Config file = Config::load(configs() / "_base.toml");
  models::parse_polarmask_config(file);
  Config none = Config::parse("", "none");
  models::parse_polarmask_config(none);
  CHECK(file.dump() == none.dump());
}

TEST_CASE("every configuration of the folder reads, and the published ones have their schedules") {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(configs())) {
    CAPTURE(entry.path().string());
    CHECK_NOTHROW(read(entry.path().filename().string()));
    ++count;
  }
  CHECK(count >= 14);
  const auto r50 = read("r50_1x_4gpu.toml");
  CHECK(r50.model.backbone.style == nn::Style::caffe);
  CHECK(r50.model.backbone.frozen_stages == 1);
  CHECK(r50.labels.ranges == std::vector<std::pair<float, float>>{
                                 {-1.f, 64.f}, {64.f, 128.f}, {128.f, 256.f}, {256.f, 512.f}, {512.f, 1e8f}});
  CHECK(r50.labels.strides == std::vector<int>{8, 16, 32, 64, 128});
  CHECK(r50.model.head.box_branch);
  const auto x101 = read("x101_1x_32gpu.toml");
  CHECK(x101.data.rgb);
  CHECK(x101.data.std[0] == 58.395f);
  CHECK(x101.model.backbone.groups == 64);
  CHECK(x101.model.backbone.base_width == 4);
  CHECK(x101.model.backbone.blocks == std::vector<int>{3, 4, 23, 3});
  // The linear rule: 0.01 for 16 pictures; the first rate of a warm-up is a third of 0.01 whatever the batch.
  for (const char* name :
       {"r50_1x_4gpu.toml", "r101_1x_32gpu.toml", "x101_1x_32gpu.toml", "r50_600.toml", "r101_640_800_2x_32gpu.toml"}) {
    const auto train = read(name).train;
    CAPTURE(name);
    CHECK(train.lr == doctest::Approx(0.01 * train.batch / 16).epsilon(1e-12));
    CHECK(train.lr * train.warmup_ratio == doctest::Approx(0.01 / 3).epsilon(1e-12));
  }
  const auto multi = read("r101_640_800_2x_32gpu.toml");
  CHECK(multi.data.train_scale_low == std::array{1333, 640});
  CHECK(multi.train.step_epochs == std::vector<int64_t>{18, 24});
  CHECK(multi.train.epochs == 26);
  const auto tiny = read("tiny.toml", {"train.batch=4", "data.root=/tmp/x"});
  CHECK(tiny.train.batch == 4);
  CHECK(tiny.data.root == "/tmp/x");
  CHECK(tiny.labels.ranges == std::vector<std::pair<float, float>>{{-1.f, 32.f}, {32.f, 68.f}, {68.f, 1e8f}});
  CHECK(tiny.labels.mode == cpu::LabelMode::filled);
  CHECK_FALSE(tiny.model.head.box_branch);
  CHECK(tiny.model.head.in_channels == 64);
}

TEST_CASE("values that do not fit together are errors") {
  CHECK_THROWS_WITH_AS(read("tiny.toml", {"model.fpn.levels=2"}),
                       "--set model.fpn.levels=2: model.fpn.levels is 2, fewer than the backbone gives", Error);
  CHECK_THROWS_WITH_AS(read("tiny.toml", {"model.head.norm_groups=7"}),
                       doctest::Contains("of 7 do not divide 64 channels"), Error);
  CHECK_THROWS_WITH_AS(read("r50_1x_4gpu.toml", {"model.backbone.depth=20"}), doctest::Contains("want 18, 34, 50"),
                       Error);
  CHECK_THROWS_WITH_AS(read("r50_1x_4gpu.toml", {"data.test_scale=[600,1000]"}), doctest::Contains("short side first"),
                       Error);
  CHECK_THROWS_WITH_AS(read("r50_1x_4gpu.toml", {"model.fpn.levels=4"}), doctest::Contains("_base.toml:"),
                       Error);  // five scales, four borders
}
