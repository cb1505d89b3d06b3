#include "cuda/log.h"

#include <cstdlib>
#include <cstring>

#include "cuda/graph.h"
#include "cuda/runtime.h"
#include "tensor/error.h"

namespace az::cuda {
namespace {

bool synchronous() {
  static const bool wanted = [] {
    const char* value = std::getenv("AZ_SYNC");
    return value && std::strcmp(value, "1") == 0;
  }();
  return wanted;
}

}  // namespace

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

// Declared in cuda/launch.h, which only .cu files can include.
void before_launch(Stream& stream, const char* name) {
  if (stream.log()) stream.log()->begin(name);
}

void after_launch(Stream& stream, const char* name) {
  if (stream.log()) stream.log()->end();
  if (!synchronous() || stream.capturing()) return;
  AZ_CUDA(cudaStreamSynchronize(stream.get()), fmt::format("{} (found with AZ_SYNC=1)", name));
}

}  // namespace az::cuda
