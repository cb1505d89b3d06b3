#include "data/siam_list.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/json_stream.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/text.h"

namespace az::data {
namespace {

namespace json = simdjson::ondemand;

constexpr size_t kMost = UINT32_MAX;

/// Reads the videos of a list one after the other.
class Reader {
 public:
  Reader(std::istream& input, const std::string& name) : stream_(input, name), name_(name) {}

  SiamList read() {
    stream_.for_fields([&](std::string_view key) {
      video_ = std::string(key);
      AZ_CHECK(!key.empty() && key.find('\\') == std::string_view::npos, "{}: {} is no name of a video", name_,
               printable(key));
      list_.add_video(video_);
      read_video(stream_.next_value());
    });
    stream_.expect_end();
    return std::move(list_);
  }

 private:
  [[noreturn]] void fail_at(std::string_view track, std::string_view frame, std::string_view what) const {
    fail("{}: {}{}{}{}{}: {}", name_, printable(video_), track.empty() ? "" : ".",
         track.empty() ? "" : printable(track), frame.empty() ? "" : ".", frame.empty() ? "" : printable(frame), what);
  }

  /// Calls f(key, value) for each field.
  template <class F>
  void for_fields(json::object& object, std::string_view track, const F& f) {
    for (auto result : object) {
      json::field field;
      std::string_view key;
      if (const auto error = std::move(result).get(field)) fail_at(track, "", simdjson::error_message(error));
      if (const auto error = field.unescaped_key().get(key)) fail_at(track, "", simdjson::error_message(error));
      f(std::string(key), field.value());
    }
  }

  void read_video(std::string_view text) {
    const simdjson::padded_string_view padded(text.data(), text.size(), text.size() + JsonStream::kPadding);
    json::document document;
    json::object tracks;
    if (const auto error = parser_.iterate(padded).get(document)) fail_at("", "", simdjson::error_message(error));
    if (document.get_object().get(tracks)) fail_at("", "", "should be an object of tracks");
    for_fields(tracks, "", [&](const std::string& track, json::value value) {
      json::object frames;
      if (value.get_object().get(frames)) fail_at(track, "", "should be an object of frames");
      std::vector<SiamFrame> read;
      for_fields(frames, track, [&](const std::string& frame, json::value box) {
        int64_t number = 0;
        const auto [end, error] = std::from_chars(frame.data(), frame.data() + frame.size(), number);
        if (error != std::errc() || end != frame.data() + frame.size() || number < 0) return;
        read.push_back({number, read_box(track, frame, box)});
      });
      try {
        list_.add_track(track, std::move(read));
      } catch (const Error& e) {
        fail_at(track, "", e.what());
      }
    });
  }

  CornerBox read_box(std::string_view track, std::string_view frame, json::value value) {
    constexpr const char* kWant = "should be a list of four numbers, x1, y1, x2, y2";
    json::array array;
    if (value.get_array().get(array)) fail_at(track, frame, kWant);
    std::array<double, 4> box{};
    size_t count = 0;
    for (auto item : array) {
      double number = 0;
      if (count == 4 || item.get_double().get(number) || !(std::abs(number) < 1e6)) fail_at(track, frame, kWant);
      box[count++] = number;
    }
    if (count != 4) fail_at(track, frame, kWant);
    return {box[0], box[1], box[2], box[3]};
  }

  JsonStream stream_;
  const std::string& name_;
  json::parser parser_;
  std::string video_;
  SiamList list_;
};

}  // namespace

std::pair<size_t, size_t> SiamList::tracks_of(size_t video) const {
  const size_t end = video + 1 < videos_.size() ? videos_[video + 1].first_track : tracks_.size();
  return {videos_[video].first_track, end};
}

std::span<const SiamFrame> SiamList::frames_of(size_t track) const {
  const size_t begin = tracks_[track].first_frame;
  const size_t end = track + 1 < tracks_.size() ? tracks_[track + 1].first_frame : frames_.size();
  return std::span(frames_).subspan(begin, end - begin);
}

void SiamList::add_video(std::string name) {
  AZ_CHECK(videos_.size() < kMost, "more than 2^32 videos");
  videos_.push_back({std::move(name), static_cast<uint32_t>(tracks_.size())});
}

void SiamList::add_track(std::string name, std::vector<SiamFrame> frames) {
  AZ_CHECK(!videos_.empty() && tracks_.size() < kMost && frames_.size() + frames.size() < kMost,
           "a track before any video, or more than 2^32 frames");
  std::ranges::sort(frames, {}, &SiamFrame::number);
  const auto twice = std::ranges::adjacent_find(frames, {}, &SiamFrame::number);
  AZ_CHECK(twice == frames.end(), "has the frame {} twice", twice->number);
  tracks_.push_back(
      {std::move(name), static_cast<uint32_t>(videos_.size() - 1), static_cast<uint32_t>(frames_.size())});
  frames_.insert(frames_.end(), frames.begin(), frames.end());
}

size_t SiamList::drop_empty() {
  SiamList kept;
  for (size_t v = 0; v < videos_.size(); ++v) {
    bool added = false;
    const auto [begin, end] = tracks_of(v);
    for (size_t t = begin; t < end; ++t) {
      std::vector<SiamFrame> frames;
      for (const SiamFrame& frame : frames_of(t))
        if (frame.box.x2 > frame.box.x1 && frame.box.y2 > frame.box.y1) frames.push_back(frame);
      if (frames.empty()) continue;
      if (!added) kept.add_video(videos_[v].name);
      added = true;
      kept.add_track(tracks_[t].name, std::move(frames));
    }
  }
  const size_t dropped = frames_.size() - kept.frames_.size();
  *this = std::move(kept);
  return dropped;
}

SiamList read_siam_list(const std::filesystem::path& file) {
  AZ_CHECK(std::filesystem::is_regular_file(file), "{}: is not there; convert crop511 writes such lists",
           file.string());
  std::ifstream input(file, std::ios::binary);
  AZ_CHECK(input.is_open(), "{}: cannot be read", file.string());
  const std::string name = file.string();
  return Reader(input, name).read();
}

SiamList decode_siam_list(std::string_view text, const std::string& name) {
  std::istringstream input{std::string(text)};
  return Reader(input, name).read();
}

void write_siam_list(const std::filesystem::path& file, const SiamList& list) {
  // As text: a tree of a million boxes would take gigabytes.
  std::string text = "{";
  const auto quoted = [](const std::string& name) { return nlohmann::json(name).dump(); };
  for (size_t v = 0; v < list.videos().size(); ++v) {
    text += fmt::format("{}{}: {{", v > 0 ? ",\n" : "\n", quoted(list.videos()[v].name));
    const auto [begin, end] = list.tracks_of(v);
    for (size_t t = begin; t < end; ++t) {
      text += fmt::format("{}{}: {{", t > begin ? ", " : "", quoted(list.tracks()[t].name));
      const char* between = "";
      for (const SiamFrame& frame : list.frames_of(t)) {
        const CornerBox& b = frame.box;
        text += fmt::format("{}\"{:06}\": [{}, {}, {}, {}]", between, frame.number, b.x1, b.y1, b.x2, b.y2);
        between = ", ";
      }
      text += '}';
    }
    text += '}';
  }
  write_file(file, text + "\n}\n");
}

}  // namespace az::data
