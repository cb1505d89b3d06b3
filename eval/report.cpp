#include "eval/report.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>

#include "eval/chart.h"
#include "tensor/file.h"

namespace az::eval {
namespace {

constexpr size_t kMaxPictures = 24;
constexpr size_t kMaxPictureBytes = 12 << 20;

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:1000px;margin:0 auto;padding:24px 16px;background:#fff;color:#1b1f23}
h1{font-size:1.5rem;margin:0 0 4px}h2{font-size:1.1rem;margin:32px 0 8px}
p{margin:4px 0}.soft{opacity:.75}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:12px;margin:20px 0}
.tile{border:1px solid #8886;border-radius:8px;padding:10px 14px}.tile b{display:block;font-size:1.7rem;line-height:1.2}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{padding:4px 10px;text-align:right;border-bottom:1px solid #8884;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr));gap:16px}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(300px,100%),1fr));gap:12px}
figure{margin:0}img{width:100%;aspect-ratio:4/3;object-fit:contain;background:#8882;display:block;border-radius:6px}figcaption{font-size:.8rem;opacity:.75}
pre{overflow-x:auto;font-size:.8rem;border:1px solid #8886;border-radius:8px;padding:12px}
@media(prefers-color-scheme:dark){body{background:#14171a;color:#e6e8ea}}
)";

std::string base64(std::string_view bytes) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k) word = word << 8 | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k) out += k <= left ? kLetters[word >> (18 - 6 * k) & 63U] : '=';
  }
  return out;
}

// COCO's figures are -1 where the set has nothing to count.
std::string three_digits(std::optional<double> value) {
  return value && *value >= 0 ? fmt::format("{:.3f}", *value) : "–";
}

std::optional<double> share_of_ceiling(const RunRecord& run) {
  const auto ap = figure(run.segm, "AP");
  if (!ap || *ap < 0 || !run.ray_ceiling_AP || *run.ray_ceiling_AP <= 0) return std::nullopt;
  return *ap / *run.ray_ceiling_AP;
}

double total_seconds(const RunRecord& run) {
  double total = 0;
  for (const auto& stage : run.stage_seconds) total += stage.second;
  return total;
}

double tenths(double seconds) { return std::round(10 * seconds) / 10; }

double last_step(const RunRecord& run) {
  double step = 0;
  for (const Curve& curve : run.curves) {
    if (!curve.steps.empty()) step = std::max(step, curve.steps.back());
  }
  return step;
}

std::string tile(const std::string& label, const std::string& value) {
  return fmt::format("<div class='tile'><b>{}</b>{}</div>\n", value, label);
}

constexpr std::array<std::pair<const char*, const char*>, 5> kTrackerFigures = {
    {{"EAO", "EAO"}, {"accuracy", "A"}, {"robustness", "R"}, {"lost_number", "lost number"}, {"mask_iou", "mask IoU"}}};

std::string tracker_table(const RunRecord& run) {
  std::string out = "<h2>Tracking</h2>\n<div class='wide'><table><tr><th></th>";
  for (const auto& [key, title] : kTrackerFigures) out += fmt::format("<th>{}</th>", title);
  out += "</tr>\n";
  for (const auto& [name, figures] : run.trackers) {
    out += fmt::format("<tr><td>{}</td>", name == "first_box" ? "the first box, unmoved" : name);
    for (const auto& [key, title] : kTrackerFigures)
      out += fmt::format("<td>{}</td>", three_digits(figure(figures, key)));
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

std::string tracker_tiles(const RunRecord& run) {
  std::string out = "<div class='tiles'>\n";
  const Figures& trained = run.trackers.front().second;
  for (const auto& [key, title] : kTrackerFigures) out += tile(title, three_digits(figure(trained, key)));
  if (const auto rate = figure(trained, "frames_per_s")) out += tile("frames a second", fmt::format("{:.0f}", *rate));
  return out + "</div>\n";
}

std::string tiles(const RunRecord& run) {
  std::string out = "<div class='tiles'>\n";
  out += tile("mask AP", three_digits(figure(run.segm, "AP")));
  out += tile("mask AP50", three_digits(figure(run.segm, "AP50")));
  out += tile("box AP", three_digits(figure(run.bbox, "AP")));
  if (run.ray_ceiling_AP) out += tile("AP of perfect rays", three_digits(run.ray_ceiling_AP));
  if (const auto share = share_of_ceiling(run)) out += tile("of that reached", fmt::format("{:.0f} %", 100 * *share));
  return out + "</div>\n";
}

std::string score_table(const RunRecord& run) {
  std::vector<std::string> columns;
  for (const Figures* figures : {&run.segm, &run.bbox}) {
    for (const auto& entry : *figures) {
      if (std::find(columns.begin(), columns.end(), entry.first) == columns.end()) columns.push_back(entry.first);
    }
  }
  std::string out = "<div class='wide'><table><tr><th></th>";
  for (const std::string& column : columns) out += fmt::format("<th>{}</th>", escape_html(column));
  out += "</tr>\n";
  for (const auto& [label, figures] : {std::pair{"masks", &run.segm}, std::pair{"boxes", &run.bbox}}) {
    if (figures->empty()) continue;
    out += fmt::format("<tr><td>{}</td>", label);
    for (const std::string& column : columns) out += fmt::format("<td>{}</td>", three_digits(figure(*figures, column)));
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

std::string category_table(const RunRecord& run) {
  std::string out =
      "<h2>AP by category</h2>\n<div class='wide'><table><tr><th></th><th>masks</th><th>boxes</th></tr>\n";
  for (const auto& [name, figures] : run.by_category) {
    out += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n", escape_html(name),
                       three_digits(figure(figures, "segm")), three_digits(figure(figures, "bbox")));
  }
  return out + "</table></div>\n";
}

// The curves that `wanted` picks, as one chart; nothing where it picks none.
template <class F>
std::string chart(const RunRecord& run, ChartOptions options, const F& wanted) {
  std::vector<Series> series;
  size_t points = 0;
  for (const Curve& curve : run.curves) {
    if (!wanted(curve.name)) continue;
    series.push_back({curve.name, curve.steps, curve.values});
    points = std::max(points, curve.steps.size());
  }
  if (series.empty()) return {};
  // A mean over about a fiftieth of the run, and none for curves that have few points anyway.
  if (options.smoothing > 0) options.smoothing = points > 100 ? 1 - 50.0 / static_cast<double>(points) : 0;
  options.x_label = "step";
  return fmt::format("<div>{}</div>\n", line_chart(series, options));
}

std::string charts(const RunRecord& run) {
  constexpr double kSmooth = 0.5;  // any value above 0: `chart` sets it by the number of points
  const auto is = [](std::string_view name) { return [name](const std::string& n) { return n == name; }; };
  std::string out;
  out += chart(run, {.title = "Loss", .x_label = {}, .log_y = true, .smoothing = kSmooth},
               [](const std::string& n) { return n.starts_with("loss"); });
  out += chart(run, {.title = "AP while training", .x_label = {}, .from_zero = true},
               [](const std::string& n) { return n.find("AP") != std::string::npos; });
  out += chart(run, {.title = "Learning rate", .x_label = {}, .from_zero = true}, is("lr"));
  out += chart(run, {.title = "Pictures a second", .x_label = {}, .from_zero = true, .smoothing = kSmooth},
               is("img_per_s"));
  if (out.empty()) return out;
  return "<h2>Training</h2>\n<div class='charts'>\n" + out + "</div>\n";
}

std::string pictures(const RunRecord& run) {
  std::string out = "<h2>Pictures</h2>\n<div class='pictures'>\n";
  size_t shown = 0, bytes = 0;
  for (const auto& file : run.pictures) {
    if (shown == kMaxPictures) break;
    const std::string text = read_file(file);
    if (bytes + text.size() > kMaxPictureBytes) break;
    bytes += text.size();
    ++shown;
    const std::string name = escape_html(file.stem().string());
    out += fmt::format(
        "<figure><img alt='{}' loading='lazy' src='data:image/{};base64,{}'><figcaption>{}</figcaption></figure>\n",
        name, file.extension() == ".png" ? "png" : "jpeg", base64(text), name);
  }
  out += "</div>\n";
  if (shown < run.pictures.size()) {
    out += fmt::format("<p class='soft'>The first {} of {} in the folder <code>pictures</code>.</p>\n", shown,
                       run.pictures.size());
  }
  return out;
}

std::string seconds_table(const RunRecord& run) {
  std::string out = "<h2>Seconds by stage</h2>\n<div class='wide'><table><tr>";
  for (const auto& stage : run.stage_seconds) out += fmt::format("<th>{}</th>", escape_html(stage.first));
  out += "<th>total</th></tr>\n<tr>";
  for (const auto& stage : run.stage_seconds) out += fmt::format("<td>{:.1f}</td>", stage.second);
  return out + fmt::format("<td>{:.1f}</td></tr></table></div>\n", total_seconds(run));
}

}  // namespace

std::string report_html(const RunRecord& run, const std::string& machine) {
  const std::string name = escape_html(run.name);
  std::string out = fmt::format(
      "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>\n<meta name='viewport' "
      "content='width=device-width,initial-scale=1'>\n<title>Azimuth: {}</title>\n<style>{}</style></head>\n<body>\n"
      "<h1>Azimuth: {}</h1>\n",
      name, kStyle, name);
  std::string facts;
  if (last_step(run) > 0) facts += fmt::format("{:.0f} steps. ", last_step(run));
  if (run.images) facts += fmt::format("Scored on {:.0f} pictures. ", *run.images);
  out += fmt::format("<p class='soft'>{}{}</p>\n", facts, escape_html(machine));
  if (!run.segm.empty() || !run.bbox.empty()) out += tiles(run) + score_table(run);
  if (!run.trackers.empty()) out += tracker_tiles(run) + tracker_table(run);
  out += charts(run);
  if (!run.pictures.empty()) out += pictures(run);
  if (!run.by_category.empty()) out += category_table(run);
  if (!run.stage_seconds.empty()) out += seconds_table(run);
  if (!run.config.empty()) {
    out += fmt::format("<h2>Configuration</h2>\n<details><summary>config.toml</summary><pre>{}</pre></details>\n",
                       escape_html(run.config));
  }
  return out + "</body></html>\n";
}

std::string summary_json(const RunRecord& run, const std::string& machine) {
  const auto value = [](std::optional<double> v) {
    return v ? nlohmann::ordered_json(*v) : nlohmann::ordered_json(nullptr);
  };
  const auto count = [](std::optional<double> v) {
    return v ? nlohmann::ordered_json(static_cast<int64_t>(*v)) : nlohmann::ordered_json(nullptr);
  };
  nlohmann::ordered_json out;
  for (const auto& [name, figures] : run.trackers)
    for (const auto& [key, title] : kTrackerFigures) out[name][key] = value(figure(figures, key));
  if (run.trackers.empty()) {
    out["segm_AP"] = value(figure(run.segm, "AP"));
    out["segm_AP50"] = value(figure(run.segm, "AP50"));
    out["bbox_AP"] = value(figure(run.bbox, "AP"));
    out["ray_ceiling_AP"] = value(run.ray_ceiling_AP);
    out["share_of_ceiling"] = value(share_of_ceiling(run));
  } else {
    out["frames_per_s"] = value(figure(run.trackers.front().second, "frames_per_s"));
  }
  out["steps"] = count(last_step(run));
  if (run.trackers.empty()) out["images"] = count(run.images);
  out["machine"] = machine;
  out["seconds"] = nlohmann::ordered_json::object();
  for (const auto& [stage, seconds] : run.stage_seconds) out["seconds"][stage] = tenths(seconds);
  out["seconds"]["total"] = tenths(total_seconds(run));
  return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string machine_line() {
  std::string processor = "unknown processor";
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      processor = line.substr(colon + 2);
      break;
    }
  }
  cpu_set_t mine;
  CPU_ZERO(&mine);
  const int threads = sched_getaffinity(0, sizeof(mine), &mine) == 0 ? CPU_COUNT(&mine) : 1;
  const double gib =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 30);
  return fmt::format("{}, {} threads, {:.0f} GiB", processor, threads, gib);
}

}  // namespace az::eval
