// What the commands share for Siamese trackers: progress, scores as text and JSON, arguments.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "eval/otb.h"
#include "eval/siam_run.h"
#include "models/siammask/config.h"
#include "models/siammask/tracker.h"

namespace az::cli {

/// A line on stderr behind each sequence.
eval::SequenceProgress print_progress();

/// --interval's text, or what the set's path names, else VOT2018's. Error: other text.
eval::VotInterval parse_interval(const std::string& text, const std::string& set);

/// All figures; null for what is not a number.
nlohmann::ordered_json vot_json(const eval::VotScores& scores);
nlohmann::ordered_json otb_json(const eval::OtbScores& scores);
nlohmann::ordered_json number(double value);
/// A line a sequence and the means.
std::string otb_table(const eval::OtbScores& scores);

/// "x,y,w,h" as a box. Error: other text.
cpu::InitialBox parse_box(const std::string& text);

}  // namespace az::cli
