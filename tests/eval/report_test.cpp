// Charts, run records, reports and summaries.
#include "eval/report.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "eval/chart.h"
#include "tensor/error.h"
#include "tests/support/temporary.h"

namespace az::eval {
namespace {

namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

std::string error_of(const fs::path& run) {
  try {
    read_run(run);
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

}  // namespace

TEST_CASE("ticks are round and inside the range") {
  CHECK(round_ticks(0, 10, 5) == std::vector<double>{0, 2, 4, 6, 8, 10});
  CHECK(round_ticks(0.1, 0.31, 5).size() == 5);  // 0.1, 0.15, 0.2, 0.25, 0.3 as far as doubles go
  CHECK(round_ticks(-3, 7, 5) == std::vector<double>{-2, 0, 2, 4, 6});
  CHECK(round_ticks(5, 5, 5) == std::vector<double>{5});
  CHECK(log_ticks(0.4, 3) == std::vector<double>{0.5, 1, 2});
  CHECK(log_ticks(1, 1e4) == std::vector<double>{1, 10, 100, 1000, 10000});
  CHECK(log_ticks(1e-30, 1e30).size() < 12);
}

TEST_CASE("a chart places points, escapes names and leaves out what it cannot draw") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Series line{"a<b", {0, 1, 2}, {0, nan, 4}};
  const std::string svg = line_chart({line, {"c", {0, 2}, {2, 3}}}, {.title = "T", .x_label = "step"});
  // The frame spans 56..460 across and 52..240 down (title, one row of legend, axis labels).
  CHECK(contains(svg, "points='56.0,240.0 460.0,52.0'"));
  CHECK(contains(svg, "points='56.0,146.0 460.0,99.0'"));
  CHECK(contains(svg, "a&lt;b"));
  CHECK_FALSE(contains(svg, "a<b"));
  CHECK_FALSE(contains(svg, "nan"));

  CHECK(contains(line_chart({{"x", {1, 2}, {0, -1}}}, {.title = "T", .x_label = "", .log_y = true}), "no data"));
  CHECK(contains(line_chart({}, {.title = "T", .x_label = ""}), "no data"));
  CHECK(contains(line_chart({{"one", {3}, {7}}}, {.title = "T", .x_label = ""}), "<circle"));
  const std::string flat = line_chart({{"flat", {1, 2}, {0, 0}}}, {.title = "T", .x_label = ""});
  CHECK_FALSE(contains(flat, "nan"));
  CHECK_THROWS_AS(line_chart({{"odd", {1, 2}, {1}}}, {.title = "T", .x_label = ""}), Error);
}

TEST_CASE("a long series is thinned and a smoothed one is drawn twice") {
  Series line{"loss", {}, {}};
  for (int i = 0; i < 100000; ++i) {
    line.x.push_back(i);
    line.y.push_back(i % 2);
  }
  const std::string svg = line_chart({line}, {.title = "T", .x_label = "", .smoothing = 0.9});
  CHECK(count_of(svg, "<polyline") == 2);
  CHECK(svg.size() < 60000);
  // A running mean of a constant is that constant from the first point on.
  const std::string constant =
      line_chart({{"c", {0, 1, 2}, {5, 5, 5}}}, {.title = "T", .x_label = "", .smoothing = 0.5});
  const size_t first = constant.find("points='");
  const size_t second = constant.find("points='", first + 1);
  CHECK(constant.substr(first, constant.find("' ", first) - first) ==
        constant.substr(second, constant.find("' ", second) - second));
}

TEST_CASE("a run's files become its record") {
  const test::TemporaryFolder folder;
  const fs::path run = folder.path() / "run";
  write(run / "metrics.jsonl",
        "{\"step\":10,\"loss\":3,\"lr\":0.1,\"note\":\"text\"}\n{\"step\":20,\"loss\":2}\n{\"step\":30,\"loss\":9}\n"
        "{\"step\":20,\"loss\":1.5}\n{\"step\":30,\"segm_AP\":0.25}\n{\"step\":40,\"lo");
  write(run / "results.json",
        R"({"segm":{"AP":0.4,"AP50":0.8,"APs":-1},"bbox":{"AP":0.5},"per_category":{"fish":{"segm":0.3,"bbox":0.2}},
            "ray_ceiling_AP":0.8,"images":200,"seconds":3.5})");
  write(run / "stages.tsv", "build\t100.5\ntrain\t10\ntrain\t20.25\n");
  write(run / "pictures" / "b.png", "PNG");
  write(run / "pictures" / "a.jpg", "JPEG");
  write(run / "pictures" / "notes.txt", "x");
  write(run / "config.toml", "name = \"<tiny>\"\n");

  const RunRecord record = read_run(run);
  REQUIRE(record.curves.size() == 3);
  CHECK(record.curves[0].name == "loss");
  CHECK(record.curves[0].steps ==
        std::vector<double>{10, 20});  // the resumed run's step 20; step 30 is not logged again
  CHECK(record.curves[0].values == std::vector<double>{3, 1.5});
  CHECK(record.curves[2].name == "segm_AP");
  CHECK(record.pictures == std::vector<fs::path>{run / "pictures" / "a.jpg", run / "pictures" / "b.png"});
  CHECK(record.stage_seconds == Figures{{"build", 100.5}, {"train", 30.25}});

  const auto summary = nlohmann::json::parse(summary_json(record, "a machine"));
  CHECK(summary["segm_AP"] == 0.4);
  CHECK(summary["segm_AP50"] == 0.8);
  CHECK(summary["bbox_AP"] == 0.5);
  CHECK(summary["ray_ceiling_AP"] == 0.8);
  CHECK(summary["share_of_ceiling"] == 0.5);
  CHECK(summary["steps"] == 30);
  CHECK(summary["seconds"]["train"] == 30.3);
  CHECK(summary["seconds"]["total"] == 130.8);

  const std::string html = report_html(record, "a machine");
  CHECK(contains(html, "data:image/jpeg;base64,SlBFRw=="));
  CHECK(contains(html, "data:image/png;base64,UE5H"));
  CHECK(contains(html, "50 %"));
  CHECK(contains(html, "<td>–</td>"));
  CHECK(contains(html, "&lt;tiny&gt;"));
  CHECK(count_of(html, "<svg") == 3);  // loss, AP, learning rate
  CHECK_FALSE(contains(html, "href="));
}

TEST_CASE("a run with nothing in it still has a report, and broken files say where") {
  const test::TemporaryFolder folder;
  const RunRecord empty = read_run(folder.path());
  CHECK(nlohmann::json::parse(summary_json(empty, "m"))["segm_AP"].is_null());
  CHECK(contains(report_html(empty, "m"), "</html>"));

  CHECK(contains(error_of(folder.path() / "absent"), "no such run folder"));
  write(folder.path() / "metrics.jsonl", "{\"step\":1}\n{\"step\":\n{\"step\":2}\n");
  CHECK(contains(error_of(folder.path()), "metrics.jsonl: line 2: "));
  write(folder.path() / "metrics.jsonl", "[1]\n");
  CHECK(contains(error_of(folder.path()), "want an object with a number \"step\""));
  fs::remove(folder.path() / "metrics.jsonl");
  write(folder.path() / "results.json", "{\"segm\": ");
  CHECK(contains(error_of(folder.path()), "results.json: "));
  write(folder.path() / "results.json", "{\"segm\": 3, \"bbox\": []}");
  CHECK(error_of(folder.path()).empty());
  write(folder.path() / "stages.tsv", "train 5\n");
  CHECK(contains(error_of(folder.path()), "stages.tsv: line 1: "));
}

}  // namespace az::eval
