// All commands of the binary.
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds every command. Each runs in its subcommand's callback and throws az::Error.
void add_commands(CLI::App& app);

}  // namespace az::cli
