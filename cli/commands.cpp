#include "cli/commands.h"

#include "cli/bench.h"
#include "cli/checkpoints.h"
#include "cli/convert.h"
#include "cli/eval.h"
#include "cli/info.h"
#include "cli/metrics.h"
#include "cli/profile.h"
#include "cli/report.h"
#include "cli/synth.h"
#include "cli/track.h"
#include "cli/train.h"

namespace az::cli {

void add_commands(CLI::App& app) {
  add_train_command(app);
  add_eval_command(app);
  add_predict_command(app);
  add_track_command(app);
  add_checkpoint_commands(app);
  add_metrics_command(app);
  add_convert_command(app);
  add_bench_command(app);
  add_profile_command(app);
  add_report_command(app);
  add_synth_command(app);
  add_info_command(app);
}

}  // namespace az::cli
