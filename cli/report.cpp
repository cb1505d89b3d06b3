#include "cli/report.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "eval/report.h"
#include "tensor/file.h"

namespace az::cli {
namespace {

void write_report(const std::filesystem::path& run) {
  const eval::RunRecord record = eval::read_run(run);
  const std::string machine = eval::machine_line();
  const std::string summary = eval::summary_json(record, machine);
  write_file(run / "summary.json", summary);
  write_file(run / "report.html", eval::report_html(record, machine));
  fmt::print("{}{}\n", summary, (run / "report.html").string());
}

}  // namespace

void add_report_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("report", "write RUN/report.html and RUN/summary.json of a training run");
  const auto run = std::make_shared<std::filesystem::path>();
  command->add_option("RUN", *run, "the --out folder of `azimuth train`")->required();
  command->callback([run] { write_report(*run); });
}

}  // namespace az::cli
