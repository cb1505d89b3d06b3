#include "data/vot.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "data/image.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/text.h"

namespace az::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

/// Calls f(line, number from 1) for each line, without its end; blank lines at the end of the text are none.
template <class F>
void for_lines(std::string_view text, const F& f) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    f(line, number);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

void check_region(const cpu::Region& region, const std::string& where) {
  const size_t count = region.values.size();
  AZ_CHECK(count == 1 || count == 4 || (count >= 6 && count % 2 == 0 && count <= 4096),
           "{}: {} numbers, want 1 (a code), 4 (x, y, w, h) or an even number of at least 6 (corners)", where, count);
  for (const float v : region.values)
    AZ_CHECK(std::isfinite(v) && std::abs(v) < 1e6F, "{}: {} is no coordinate", where, v);
}

/// The numbers of a line, between commas, tabs, semicolons or spaces.
template <class T>
std::vector<T> parse_numbers(std::string_view line, const std::string& where) {
  constexpr std::string_view kBetween = ", \t;";
  std::vector<T> values;
  for (size_t at = line.find_first_not_of(kBetween); at < line.size();) {
    const std::string_view word = line.substr(at, line.find_first_of(kBetween, at) - at);
    T value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    AZ_CHECK(error == std::errc() && end == word.data() + word.size(), "{}: {} is not a number", where,
             printable(word));
    values.push_back(value);
    at = line.find_first_not_of(kBetween, at + word.size());
  }
  return values;
}

/// The marks of SEQ/NAME.tag or .label, as many as there are frames; empty without a file.
std::vector<uint8_t> read_marks(const fs::path& folder, const std::string& attribute, size_t frames) {
  for (const char* ending : {".tag", ".label"}) {
    const fs::path file = folder / (attribute + ending);
    if (!fs::is_regular_file(file)) continue;
    std::vector<uint8_t> marks;
    for_lines(read_file(file), [&](std::string_view line, size_t number) {
      AZ_CHECK(line == "0" || line == "1", "{}: line {}: {} is neither 0 nor 1", file.string(), number,
               printable(line));
      marks.push_back(line == "1" ? 1 : 0);
    });
    marks.resize(frames);
    return marks;
  }
  return {};
}

std::vector<std::string> find_images(const fs::path& root, const std::string& name) {
  for (const std::string& below : {name, name + "/color"}) {
    std::vector<std::string> images;
    for (size_t frame = 1;; ++frame) {
      const std::string image = fmt::format("{}/{:08}.jpg", below, frame);
      if (!fs::is_regular_file(root / image)) break;
      images.push_back(image);
    }
    if (!images.empty()) return images;
  }
  return {};
}

VotSequence read_sequence(const fs::path& root, const std::string& name) {
  const fs::path folder = root / name;
  AZ_CHECK(fs::is_directory(folder), "{}: the list names the sequence {}, and its folder is missing",
           (root / "list.txt").string(), printable(name));
  VotSequence sequence;
  sequence.name = name;
  const fs::path truth = folder / "groundtruth.txt";
  sequence.truth = read_regions(truth);
  AZ_CHECK(!sequence.truth.empty() && !sequence.truth[0].special(), "{}: has no region in line 1", truth.string());
  sequence.images = find_images(root, name);
  if (!sequence.images.empty()) {
    AZ_CHECK(sequence.images.size() == sequence.truth.size(), "{}: {} lines for {} frames", truth.string(),
             sequence.truth.size(), sequence.images.size());
    const ImageSize size = image_size(root / sequence.images[0]);
    sequence.width = size.width;
    sequence.height = size.height;
  }
  for (const char* attribute : kVotAttributes)
    sequence.attributes[attribute] = read_marks(folder, attribute, sequence.truth.size());
  return sequence;
}

VotSet read_folder(const fs::path& root) {
  const fs::path list = root / "list.txt";
  if (!fs::exists(list) && fs::is_regular_file(root / "groundtruth.txt")) {  // a sequence's own folder
    const fs::path own = fs::canonical(root);
    return {own.parent_path(), {read_sequence(own.parent_path(), own.filename().string())}};
  }
  AZ_CHECK(fs::is_regular_file(list), "{}: has no list.txt with the sequences' names, one a line", root.string());
  VotSet set{root, {}};
  std::set<std::string> names;
  for_lines(read_file(list), [&](std::string_view line, size_t number) {
    AZ_CHECK(!line.empty() && line.find('/') == std::string_view::npos && line != "..",
             "{}: line {}: {} names no sequence", list.string(), number, printable(line));
    AZ_CHECK(names.insert(std::string(line)).second, "{}: line {}: {} is there twice", list.string(), number,
             printable(line));
  });
  AZ_CHECK(!names.empty(), "{}: names no sequence", list.string());
  for (const std::string& name : names) set.sequences.push_back(read_sequence(root, name));
  return set;
}

/// A side of the frames; 0 where the file has none.
int side_from_json(const json& item, const char* key, const std::string& where) {
  constexpr double kMostSide = 1 << 20;
  const double side = item.contains(key) ? item.at(key).get<double>() : 0;
  AZ_CHECK(side >= 0 && side <= kMostSide && side == std::floor(side), "{}: {} is {}, want whole pixels", where, key,
           side);
  return static_cast<int>(side);
}

/// Whether an attribute holds in a frame: true, or a number that is not 0.
uint8_t mark_from_json(const json& mark) {
  return mark.is_boolean() ? uint8_t{mark.get<bool>()} : uint8_t{mark.get<double>() != 0};
}

VotSequence sequence_from_json(const std::string& name, const json& item, const std::string& where) {
  VotSequence sequence;
  sequence.name = name;
  for (const json& values : item.at("gt_rect")) {
    sequence.truth.push_back({values.get<std::vector<float>>()});
    check_region(sequence.truth.back(), fmt::format("{}: gt_rect[{}]", where, sequence.truth.size() - 1));
  }
  AZ_CHECK(!sequence.truth.empty() && !sequence.truth[0].special(), "{}: gt_rect begins with no region", where);
  sequence.images = item.at("img_names").get<std::vector<std::string>>();
  AZ_CHECK(sequence.images.size() == sequence.truth.size(), "{}: {} regions for {} frames", where,
           sequence.truth.size(), sequence.images.size());
  sequence.width = side_from_json(item, "width", where);
  sequence.height = side_from_json(item, "height", where);
  for (const char* attribute : kVotAttributes) {
    auto& marks = sequence.attributes[attribute];
    for (const json& mark : item.value(attribute, json::array())) marks.push_back(mark_from_json(mark));
    if (!marks.empty()) marks.resize(sequence.truth.size());
  }
  return sequence;
}

VotSet read_json(const fs::path& file) {
  VotSet set = decode_vot_json(read_file(file), file.string());
  set.root = file.parent_path();
  for (VotSequence& sequence : set.sequences) {
    if (sequence.width > 0 || !fs::is_regular_file(set.root / sequence.images[0])) continue;
    const ImageSize size = image_size(set.root / sequence.images[0]);
    sequence.width = size.width;
    sequence.height = size.height;
  }
  return set;
}

}  // namespace

std::vector<cpu::Region> parse_regions(std::string_view text, const std::string& name) {
  std::vector<cpu::Region> regions;
  for_lines(text, [&](std::string_view line, size_t number) {
    const std::string where = fmt::format("{}: line {}", name, number);
    regions.push_back({parse_numbers<float>(line, where)});
    check_region(regions.back(), where);
  });
  return regions;
}

std::vector<cpu::Region> read_regions(const fs::path& file) { return parse_regions(read_file(file), file.string()); }

std::vector<cpu::Box> read_boxes(const fs::path& file) {
  std::vector<cpu::Box> boxes;
  for_lines(read_file(file), [&](std::string_view line, size_t number) {
    const std::string where = fmt::format("{}: line {}", file.string(), number);
    const std::vector<double> values = parse_numbers<double>(line, where);
    AZ_CHECK(values.size() == 4 && std::ranges::all_of(values, [](double v) { return std::abs(v) < 1e6; }),
             "{}: want the four numbers x, y, w, h", where);
    boxes.push_back({values[0], values[1], values[2], values[3]});
  });
  return boxes;
}

std::string regions_text(const std::vector<cpu::Region>& regions) {
  std::string text;
  for (const cpu::Region& region : regions) {
    if (region.special()) {
      text += fmt::format("{:.0f}", region.values[0]);
    } else {
      for (size_t i = 0; i < region.values.size(); ++i)
        text += fmt::format("{}{:.4f}", i ? "," : "", static_cast<double>(region.values[i]));
    }
    text += '\n';
  }
  return text;
}

VotSet read_vot(const fs::path& path) {
  AZ_CHECK(fs::exists(path), "{}: is not there; want a folder with list.txt, or a JSON file", path.string());
  return fs::is_directory(path) ? read_folder(path) : read_json(path);
}

VotSet decode_vot_json(std::string_view text, const std::string& name) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  AZ_CHECK(document.is_object() && !document.empty(), "{}: is no JSON object of sequences", name);
  VotSet set;
  for (const auto& [sequence, item] : document.items()) {  // nlohmann's objects are in the order of their keys
    const std::string where = fmt::format("{}: {}", name, printable(sequence));
    try {
      set.sequences.push_back(sequence_from_json(sequence, item, where));
    } catch (const json::exception& e) {
      fail("{}: {}", where, printable(e.what()));
    }
  }
  return set;
}

void write_vot_json(const VotSet& set, const fs::path& file) {
  ordered_json document = ordered_json::object();
  for (const VotSequence& sequence : set.sequences) {
    ordered_json& item = document[sequence.name];
    item["video_dir"] = sequence.name;
    item["init_rect"] = sequence.truth[0].values;
    item["img_names"] = sequence.images;
    item["gt_rect"] = ordered_json::array();
    for (const cpu::Region& region : sequence.truth) item["gt_rect"].push_back(region.values);
    item["width"] = sequence.width;
    item["height"] = sequence.height;
    for (const char* attribute : kVotAttributes) item[attribute] = sequence.attributes.at(attribute);
  }
  write_file(file, document.dump());
}

VotResults read_vot_results(const fs::path& folder, const VotSet& set) {
  const fs::path below = fs::is_directory(folder / "baseline") ? folder / "baseline" : folder;
  AZ_CHECK(fs::is_directory(below), "{}: is no folder of a tracker's results", folder.string());
  VotResults results;
  results.tracker = (folder.filename().empty() ? folder.parent_path() : folder).filename().string();
  for (const VotSequence& sequence : set.sequences) {
    std::vector<fs::path> files;
    if (fs::is_directory(below / sequence.name))
      for (const auto& entry : fs::directory_iterator(below / sequence.name))
        if (entry.path().extension() == ".txt" && entry.path().stem().string().find('0') != std::string::npos)
          files.push_back(entry.path());
    AZ_CHECK(!files.empty(), "{}: has no result of the sequence {}", below.string(), sequence.name);
    std::ranges::sort(files);
    if (files.size() != kVotRepetitions) files.resize(1);
    auto& runs = results.runs.emplace_back();
    for (const fs::path& file : files) runs.push_back(read_regions(file));
  }
  return results;
}

}  // namespace az::data
