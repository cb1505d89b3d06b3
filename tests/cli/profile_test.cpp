// Tables, traces and comparisons of made-up spans, and the command itself.
#include "cli/profile_table.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/bench_peak.h"
#include "cli/profile_files.h"
#include "cli/profile_kernels.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/shell.h"
#include "tests/support/temporary.h"

using namespace az;
using namespace az::cli;
using test::quoted;
using test::shell;
using test::ShellResult;
using test::TemporaryFolder;

namespace {

constexpr int64_t kMs = 1'000'000;

Span span(const char* name, int64_t begin_ms, int64_t end_ms, int64_t parent = -1) {
  Span s;
  s.name = name;
  s.parent = parent;
  s.begin_ns = begin_ms * kMs;
  s.end_ns = end_ms * kMs;
  return s;
}

/// 20 ms: a convolution of 10 with 3 of a cast inside, then 4 of a map; and a batch of 30 beside it.
ProfiledStep made_up_step() {
  ProfiledStep step;
  step.end_ns = 20 * kMs;
  step.spans = {span("conv2d", 1, 11), span("cast", 2, 5, 0), span("relu", 12, 16), span("batch", 0, 30)};
  step.spans[0].detail = {.shape = "[1]",
                          .dtype = "f32",
                          .cost = {.flops = 4e9, .bytes_read = 1e6, .executed_flops = 1e9},
                          .algorithm = "winograd 4x4",
                          .weight = 7};
  step.spans[0].allocated_bytes = 300;
  step.spans[1].allocated_bytes = 100;
  step.spans[2].detail = {
      .shape = "[2]", .dtype = "f32", .cost = {.flops = 1, .bytes_read = 6e7, .bytes_written = 6e7}};
  step.spans[3].track = 2;
  step.spans[3].phase = Phase::data;
  return step;
}

const ProfileRow& row(const std::vector<ProfileRow>& rows, const std::string& name) {
  const auto at = std::ranges::find_if(rows, [&](const ProfileRow& r) { return r.name == name; });
  REQUIRE_MESSAGE(at != rows.end(), name);
  return *at;
}

ShellResult azimuth(const std::string& arguments) {
  const char* binary = std::getenv("AZIMUTH_BINARY");
  REQUIRE_MESSAGE(binary != nullptr, "AZIMUTH_BINARY must name the built azimuth; ctest sets it");
  return shell(fmt::format("{} {}", quoted(binary), arguments));
}

/// What is wrong with a trace: not sorted by time, or spans of one track that overlap without nesting.
std::string trace_fault(const nlohmann::json& trace) {
  struct Open {
    double end;
  };
  std::map<int, std::vector<Open>> open;
  std::map<int, double> last;
  constexpr double kRounding_us = 1e-3;
  for (const auto& e : trace["traceEvents"]) {
    if (e["ph"] != "X") continue;
    const double begin = e["ts"], end = begin + e["dur"].get<double>();
    if (begin < last[e["tid"]]) return fmt::format("{} begins before what stands above it", e["name"].dump());
    if (end < begin) return fmt::format("{} ends before it begins", e["name"].dump());
    last[e["tid"]] = begin;
    auto& stack = open[e["tid"]];
    while (!stack.empty() && stack.back().end <= begin + kRounding_us) stack.pop_back();
    if (!stack.empty() && end > stack.back().end + kRounding_us)
      return fmt::format("{} overlaps what it begins in", e["name"].dump());
    stack.push_back({end});
  }
  return {};
}

}  // namespace

TEST_CASE("rows have a span's own time and add up to the step") {
  const std::vector<ProfiledStep> steps{made_up_step(), made_up_step()};
  const LayerNames layers{{7, "backbone.conv1"}};
  const auto rows = profile_rows(steps, layers, GroupBy::everything);
  CHECK(mean_step_ms(steps) == doctest::Approx(20));
  CHECK(row(rows, "conv2d").ms == doctest::Approx(7));
  CHECK(row(rows, "conv2d").calls == doctest::Approx(1));
  CHECK(row(rows, "conv2d").layer == "backbone.conv1");
  CHECK(row(rows, "conv2d").algorithm == "winograd 4x4");
  CHECK(row(rows, "conv2d").executed_flops == doctest::Approx(1e9));
  CHECK(row(rows, "conv2d").allocated_bytes == doctest::Approx(200));
  CHECK(row(rows, "cast").ms == doctest::Approx(3));
  CHECK(row(rows, "(unaccounted)").ms == doctest::Approx(6));
  CHECK(row(rows, "batch").ms == doctest::Approx(30));
  CHECK(rows.back().name == "batch");  // another thread's time is not the step's
  double sum = 0;
  for (const ProfileRow& r : rows) sum += r.track == 0 ? r.ms : 0;
  CHECK(sum == doctest::Approx(20));
  CHECK(row(regrouped(rows, GroupBy::op), "conv2d").layer.empty());
  CHECK(row(regrouped(rows, GroupBy::layer), "conv2d").layer == "backbone.conv1");
  CHECK(row(regrouped(rows, GroupBy::shape), "conv2d").shape == "[1]");
}

TEST_CASE("a row's roof is the slower of its operations and its bytes") {
  const Peaks peaks{.device = "cpu", .f32_gflops = 200, .bf16_gflops = 400, .memory_gb_s = 30};
  const auto rows = profile_rows({made_up_step()}, {}, GroupBy::op);
  CHECK(roofline_ms(row(rows, "conv2d"), peaks) == doctest::Approx(5));  // 1e9 / 200e9 s
  CHECK(roofline_ms(row(rows, "relu"), peaks) == doctest::Approx(4));    // 1.2e8 / 30e9 s
  ProfileRow half = row(rows, "conv2d");
  half.dtype = "bf16";
  CHECK(roofline_ms(half, peaks) == doctest::Approx(2.5));
  CHECK(roofline_ms(row(rows, "cast"), peaks) == 0);
  const std::string table = profile_table(rows, 20, peaks, 2);
  CAPTURE(table);
  CHECK(table.find("conv2d (winograd 4x4)") != std::string::npos);
  CHECK(table.find("35.0 %") != std::string::npos);  // 7 of 20 ms
  CHECK(table.find("71.4 %") != std::string::npos);  // 5 of 7 ms
  CHECK(table.find("571") != std::string::npos);     // 4 GFLOP in 7 ms
  CHECK(table.find("(others)") != std::string::npos);
  CHECK(table.find("(step)") != std::string::npos);
  CHECK(table.find("100.0 %") != std::string::npos);
}

TEST_CASE("a comparison puts the largest change first") {
  auto a = profile_rows({made_up_step()}, {}, GroupBy::everything), b = a;
  for (ProfileRow& r : b) {
    if (r.name == "conv2d") r.ms = 21, r.algorithm = "direct";
    if (r.name == "relu") r.ms = 3;
  }
  std::erase_if(b, [](const ProfileRow& r) { return r.name == "cast"; });
  const std::string table = comparison_table(a, b);
  CAPTURE(table);
  const size_t conv = table.find("\nconv2d"), cast = table.find("\ncast"), relu = table.find("\nrelu");
  REQUIRE((conv != std::string::npos && cast != std::string::npos && relu != std::string::npos));
  CHECK(conv < cast);
  CHECK(cast < relu);
  CHECK(table.find("3.000", conv) < table.find('\n', conv + 1));  // 21 / 7
  CHECK(table.find("winograd 4x4 -> direct") != std::string::npos);
  CHECK(table.find("+14.000") != std::string::npos);
  CHECK(table.find("(step)") != std::string::npos);
}

TEST_CASE("traces are sorted and nested") {
  const auto trace = trace_json("made up", {made_up_step()}, {{7, "backbone.conv1"}});
  CHECK(trace_fault(trace) == "");
  size_t events = 0;
  for (const auto& e : trace["traceEvents"]) {
    if (e["ph"] == "M") continue;
    ++events;
    if (e["name"] != "conv2d") continue;
    CHECK(e["ts"] == 1000.0);
    CHECK(e["dur"] == 10000.0);
    CHECK(e["args"]["layer"] == "backbone.conv1");
    CHECK(e["args"]["GFLOP/s"] == doctest::Approx(400));
  }
  CHECK(events == 5);
  ProfiledStep broken = made_up_step();
  broken.spans[2].begin_ns = 5 * kMs;
  CHECK(trace_fault(trace_json("broken", {broken}, {})) != "");
}

TEST_CASE("kernel records become rows and a track") {
  CHECK(readable_kernel("_ZN2az4cuda10map_kernelIfEEvPKfPfl") == "az::cuda::map_kernel<float>");
  CHECK(readable_kernel("_ZN12_GLOBAL__N_110pad_kernelEPf") == "(anonymous namespace)::pad_kernel");
  CHECK(readable_kernel("sm90_xmma_fprop") == "sm90_xmma_fprop");
  const std::vector<cuda::KernelRecord> records{{"b", 0, 1 * kMs, {1, 1, 1}, {32, 1, 1}, 40, 1024},
                                                {"a", 2 * kMs, 5 * kMs, {9, 1, 1}, {64, 1, 1}, 16, 0},
                                                {"b", 6 * kMs, 7 * kMs, {1, 1, 1}, {32, 1, 1}, 48, 2048}};
  const auto rows = kernel_rows(records, 2);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].name == "a");
  CHECK(rows[0].ms == doctest::Approx(1.5));
  CHECK(rows[0].calls == doctest::Approx(0.5));
  CHECK(rows[1].ms == doctest::Approx(1));
  CHECK(rows[1].registers == 48);
  CHECK(rows[1].shared_bytes == 2048);
  CHECK(kernel_table(rows, 10).find("15.0 %") != std::string::npos);
  auto trace = trace_json("made up", {made_up_step()}, {});
  const size_t before = trace["traceEvents"].size();
  add_kernels(trace, records);
  CHECK(trace["traceEvents"].size() == before + 4);
  CHECK(trace_fault(trace) == "");
}

TEST_CASE("profiles and peaks are read back, and broken ones are refused") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "ops.json";
  const Peaks peaks{.device = "cpu", .threads = 2, .f32_gflops = 200, .memory_gb_s = 30};
  const auto rows = profile_rows({made_up_step()}, {}, GroupBy::everything);
  write_file(file, ops_json(ProfileSubject(), peaks, rows).dump());
  CHECK(read_ops(file.string()) == rows);
  for (const char* text : {"", "[]", "{\"ops\": 3}", "{\"ops\": [3]}", "{\"ops\": [{\"op\": 3}]}"}) {
    CAPTURE(text);
    write_file(file, text);
    CHECK_THROWS_WITH_AS(read_ops(file.string()), doctest::Contains("ops.json"), Error);
  }
  const auto peak_file = folder.path() / "peak.json";
  write_file(peak_file, peaks_json(peaks).dump());
  CHECK(read_peaks(peak_file.string()).f32_gflops == 200);
  CHECK(read_peaks(peak_file.string()).threads == 2);
  write_file(peak_file, "{\"f32_gflops\": \"fast\"}");
  CHECK_THROWS_WITH_AS(read_peaks(peak_file.string()), doctest::Contains("no number f32_gflops"), Error);
}

TEST_CASE("azimuth profile leaves a table, a trace and a roofline") {
  const TemporaryFolder folder;
  const auto peak = folder.path() / "peak.json";
  write_file(peak, peaks_json({.device = "cpu", .threads = 1, .f32_gflops = 100, .memory_gb_s = 10}).dump());
  for (const char* mode : {"infer", "train"}) {
    CAPTURE(mode);
    const auto out = folder.path() / mode;
    const ShellResult r =
        azimuth(fmt::format("profile polarmask-r50 {} --size 64x64 --steps 1 --device cpu --by layer "
                            "--rows 500 --peak {} --out {}",
                            mode, quoted(peak), quoted(out)));
    CAPTURE(r.output);
    REQUIRE(r.status == 0);
    CHECK(r.output.find("conv2d (direct) backbone.conv1") != std::string::npos);
    CHECK(r.output.find("(unaccounted)") != std::string::npos);
    const auto trace = nlohmann::json::parse(read_file(out / "trace.json"));
    CHECK(trace_fault(trace) == "");
    CHECK(trace["traceEvents"].size() > 100);
    CHECK(read_file(out / "roofline.svg").starts_with("<svg"));
    const auto ops = nlohmann::json::parse(read_file(out / "ops.json"));
    double sum = 0;
    for (const ProfileRow& row : read_ops((out / "ops.json").string())) sum += row.track == 0 ? row.ms : 0;
    CHECK(sum == doctest::Approx(ops["step_ms"].get<double>()));
  }
  const auto compared = azimuth(fmt::format("profile --compare {} {}", quoted(folder.path() / "infer" / "ops.json"),
                                            quoted(folder.path() / "train" / "ops.json")));
  CAPTURE(compared.output);
  CHECK(compared.status == 0);
  CHECK(compared.output.find("conv2d weight gradient") != std::string::npos);
  CHECK(azimuth("profile").status == 2);
  CHECK(azimuth("profile --compare no.json neither.json").status == 1);
  CHECK(azimuth("profile polarmask-r50 dream").status == 2);
}
