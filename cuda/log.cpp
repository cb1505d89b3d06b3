#include "cuda/log.h"

namespace az::cuda {

LaunchLog::LaunchLog(Stream& stream) : stream_(stream) { stream.set_log(this); }
LaunchLog::~LaunchLog() { stream_.set_log(nullptr); }

void LaunchLog::begin(const char* name) {
  launches_.push_back({name, std::make_unique<Event>(), std::make_unique<Event>()});
  launches_.back().begin->record(stream_);
}

void LaunchLog::end() { launches_.back().end->record(stream_); }

std::map<std::string, LaunchTimes> LaunchLog::times() {
  stream_.synchronise();
  std::map<std::string, LaunchTimes> times;
  for (const Launch& launch : launches_) {
    LaunchTimes& of = times[launch.name];
    ++of.calls;
    of.ms += launch.end->ms_since(*launch.begin);
  }
  return times;
}

}  // namespace az::cuda
