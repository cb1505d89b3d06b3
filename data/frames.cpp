#include "data/frames.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <future>

#include "data/video.h"
#include "tensor/error.h"

namespace az::data {

namespace fs = std::filesystem;

struct Frames::State {
  std::vector<fs::path> pictures;
  std::unique_ptr<VideoReader> video;
  size_t position = 0;  // of the picture that is read next
  Image ahead;
  std::future<bool> reading;  // whether `ahead` is a frame; last, so that its thread ends first

  bool read() {
    if (video) return video->next(ahead);
    if (position == pictures.size()) return false;
    ahead = read_image(pictures[position++]);
    return true;
  }
  void read_ahead() {
    reading = std::async(std::launch::async, [this] { return read(); });
  }
};

Frames::Frames(std::unique_ptr<State> state) : state_(std::move(state)) { state_->read_ahead(); }
Frames::Frames(std::vector<fs::path> pictures) : state_(std::make_unique<State>()) {
  state_->pictures = std::move(pictures);
  state_->read_ahead();
}
Frames::~Frames() = default;
Frames::Frames(Frames&&) noexcept = default;

std::vector<fs::path> pictures_in(const fs::path& folder) {
  AZ_CHECK(fs::is_directory(folder), "{}: is no folder", folder.string());
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::string ending = entry.path().extension().string();
    std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    constexpr std::array kEndings = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm"};
    if (std::ranges::find(kEndings, ending) != kEndings.end()) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

Frames Frames::open(const fs::path& path) {
  auto state = std::make_unique<State>();
  if (fs::is_directory(path)) {
    for (const char* inner : {"", "color", "img"})
      if (const fs::path folder = *inner ? path / inner : path; state->pictures.empty() && fs::is_directory(folder))
        state->pictures = pictures_in(folder);
    AZ_CHECK(!state->pictures.empty(), "{}: no picture in it", path.string());
  } else {
    AZ_CHECK(fs::exists(path), "{}: is missing; want a folder of frames or a video", path.string());
    state->video = std::make_unique<VideoReader>(path);
  }
  return Frames(std::move(state));
}

bool Frames::next(Image& frame) {
  if (!state_->reading.valid()) return false;
  const bool got = state_->reading.get();  // throws what reading threw
  if (!got) return false;
  std::swap(frame, state_->ahead);
  state_->read_ahead();
  return true;
}

int64_t Frames::count() const { return state_->video ? -1 : static_cast<int64_t>(state_->pictures.size()); }

std::string Frames::name(int64_t frame) const {
  if (state_->video) return fmt::format("{:05}", frame);
  return state_->pictures.at(static_cast<size_t>(frame)).stem().string();
}

double Frames::frames_per_second() const { return state_->video ? state_->video->frames_per_second() : 25; }

}  // namespace az::data
