// azimuth: one binary, one file a command.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>

#include "cli/commands.h"

int main(int argc, char** argv) {
  CLI::App app("Azimuth: polar-representation segmentation, trained, evaluated and run from one binary.", "azimuth");
  app.require_subcommand(1);
  app.set_version_flag("--version", "azimuth " AZ_VERSION);
  app.failure_message(CLI::FailureMessage::help);
  az::cli::add_commands(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
