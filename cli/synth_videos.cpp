#include "cli/synth_videos.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/progress.h"
#include "data/synth_vot.h"
#include "data/synth_youtube_vos.h"

namespace az::cli {
namespace {

constexpr const char* kLook =
    "Textured objects move, turn, grow to 0.6-1.7 of their size, bend and cover each other over a background that "
    "moves "
    "in every second video. Sides are 26 to 62 px at 320x240, speeds mostly 1.5 to 12 % of the size a step, with sudden "
    "changes of up to 30 % in half of the videos. Two thirds have one or two objects that look like the first one, "
    "two thirds an object that passes in front of one; the light changes in three of ten.";

template <class Options>
struct Arguments {
  Options options;
  bool json = false;
};

/// Adds what both sets share.
template <class Options>
void add_common(CLI::App* command, const std::shared_ptr<Arguments<Options>>& a, const char* out) {
  command->add_option("--out", a->options.out, out)->required();
  command->add_option("--seed", a->options.seed, "another seed, other videos")->capture_default_str();
  command->add_option("--width", a->options.width, "of the frames, pixels")
      ->capture_default_str()
      ->check(CLI::Range(64, 4096));
  command->add_option("--height", a->options.height, "of the frames, pixels")
      ->capture_default_str()
      ->check(CLI::Range(64, 4096));
  command->add_option("--workers", a->options.workers, "threads; 0: one a processor; the files are the same")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  command->add_flag("--force", a->options.force, "write into a folder that is not empty");
  command->add_flag("--json", a->json, "one JSON object on stdout");
  command->footer(kLook);
}

void run_vot(Arguments<data::SynthVotOptions> a) {
  std::optional<data::Progress> progress(std::in_place, "synth vot", "videos", a.options.sequences);
  a.options.progress = [&](int64_t done, int64_t) { progress->update(done); };
  const data::SynthVotSummary summary = data::write_synth_vot(a.options);
  progress.reset();
  if (a.json) {
    nlohmann::ordered_json result{{"out", a.options.out.string()},  {"seed", a.options.seed},
                                  {"sequences", summary.sequences}, {"frames", summary.frames},
                                  {"hidden", summary.hidden},       {"seconds", summary.seconds}};
    for (size_t i = 0; i < summary.marked.size(); ++i) result[data::kVotAttributes[i]] = summary.marked[i];
    fmt::print("{}\n", result.dump());
    return;
  }
  const auto percent = [&](int64_t n) { return 100.0 * static_cast<double>(n) / static_cast<double>(summary.frames); };
  fmt::print("frames with");
  for (size_t i = 0; i < summary.marked.size(); ++i)
    fmt::print("{} {} {:.0f} %", i > 0 ? "," : "", data::kVotAttributes[i], percent(summary.marked[i]));
  fmt::print("; {} frames show less than 15 % of the object\n", summary.hidden);
  fmt::print("{}: {} sequences, {} frames in {:.1f} s\n", a.options.out.string(), summary.sequences, summary.frames,
             summary.seconds);
}

void run_youtube_vos(Arguments<data::SynthYoutubeVosOptions> a) {
  std::optional<data::Progress> progress(std::in_place, "synth youtube-vos", "videos",
                                         a.options.train + a.options.valid);
  a.options.progress = [&](int64_t done, int64_t) { progress->update(done); };
  const data::SynthYoutubeVosSummary summary = data::write_synth_youtube_vos(a.options);
  progress.reset();
  if (a.json) {
    const nlohmann::ordered_json result{{"out", a.options.out.string()}, {"seed", a.options.seed},
                                        {"train", summary.train},        {"valid", summary.valid},
                                        {"frames", summary.frames},      {"objects", summary.objects},
                                        {"seconds", summary.seconds}};
    fmt::print("{}\n", result.dump());
    return;
  }
  fmt::print("{}: {} training and {} validation videos, {} frames, {} objects in {:.1f} s\n", a.options.out.string(),
             summary.train, summary.valid, summary.frames, summary.objects, summary.seconds);
}

}  // namespace

void add_synth_videos(CLI::App& synth) {
  CLI::App* vot = synth.add_subcommand("vot", "sequences of one object to track, as the VOT challenge has them");
  const auto v = std::make_shared<Arguments<data::SynthVotOptions>>();
  add_common(vot, v, "folder to write: SEQ/, masks/, list.txt, NAME.json");
  vot->add_option("--sequences", v->options.sequences, "how many")->capture_default_str()->check(CLI::Range(1, 999));
  vot->add_option("--frames", v->options.frames, "mean length; a sequence has 3/4 to 5/4 of it")
      ->capture_default_str()
      ->check(CLI::Range(4, 100000));
  vot->callback([v] { run_vot(*v); });

  CLI::App* ytb = synth.add_subcommand("youtube-vos", "videos with masks of 1 to 4 objects, as YouTube-VOS has them");
  const auto y = std::make_shared<Arguments<data::SynthYoutubeVosOptions>>();
  add_common(ytb, y, "folder to write: train/, valid/, valid_truth/");
  ytb->add_option("--train", y->options.train, "training videos")->capture_default_str()->check(CLI::Range(0, 99999));
  ytb->add_option("--valid", y->options.valid, "validation videos")->capture_default_str()->check(CLI::Range(0, 99999));
  ytb->add_option("--frames", y->options.frames, "of a video")->capture_default_str()->check(CLI::Range(1, 10000));
  ytb->callback([y] { run_youtube_vos(*y); });
}

}  // namespace az::cli
