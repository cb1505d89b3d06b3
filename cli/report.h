// azimuth report RUN
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `report`: writes RUN/report.html and RUN/summary.json from what training and evaluation left in RUN.
void add_report_command(CLI::App& app);

}  // namespace az::cli
