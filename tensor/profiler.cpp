#include "tensor/profiler.h"

#include <chrono>
#include <utility>

#include "tensor/error.h"

namespace az {
namespace {

int64_t host_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Of a device whose work is done when a call returns.
class HostClock final : public ProfileClock {
 public:
  int64_t mark() override { return host_ns() - zero_; }
  int64_t ns(int64_t mark) override { return mark; }
  void clear() override {}

 private:
  const int64_t zero_ = host_ns();
};

}  // namespace

std::unique_ptr<ProfileClock> Device::profile_clock() { return std::make_unique<HostClock>(); }

const char* phase_name(Phase phase) {
  switch (phase) {
    case Phase::forward: return "forward";
    case Phase::backward: return "backward";
    case Phase::optimizer: return "optimizer";
    case Phase::data: return "data";
    case Phase::output: break;
  }
  return "output";
}

/// Times are marks of the device's clock, or nanoseconds of the host's where the work is the host's.
struct Profiler::Record {
  Span span;
  bool by_device = false, ended = false, taken = false;
};

Profiler::Profiler(Device& device) : device_(device) {
  AZ_CHECK(!device.profiler(), "profiler: {} has one already", device.name());
  device.synchronise();
  clock_ = device.profile_clock();
  host_zero_ns_ = host_ns();
  tracks_[std::this_thread::get_id()] = {};
  device.set_profiler(this);
}

Profiler::~Profiler() { device_.set_profiler(nullptr); }

Profiler::Track& Profiler::track() {
  const auto [at, is_new] = tracks_.try_emplace(std::this_thread::get_id());
  if (is_new) at->second.index = static_cast<int>(tracks_.size()) - 1;
  return at->second;
}

int64_t Profiler::begin(const char* name, SpanDetail detail) {
  const int64_t allocated = device_.allocator().stats().allocated_bytes;
  const std::lock_guard lock(mutex_);
  Track& on = track();
  const int64_t index = first_ + static_cast<int64_t>(records_.size());
  Record& record = records_.emplace_back();
  record.by_device = on.index == 0 && on.phase != Phase::data;
  record.span = {.name = name,
                 .phase = on.phase,
                 .track = on.index,
                 .parent = on.open,
                 .allocated_bytes = allocated,
                 .detail = std::move(detail)};
  on.open = index;
  if (record.by_device) clock_->enter(name);
  record.span.begin_ns = record.by_device ? clock_->mark() : host_ns() - host_zero_ns_;
  return index;
}

void Profiler::end(int64_t span) noexcept {
  const int64_t allocated = device_.allocator().stats().allocated_bytes;
  const std::lock_guard lock(mutex_);
  Record& record = records_[static_cast<size_t>(span - first_)];
  try {
    record.span.end_ns = record.by_device ? clock_->mark() : host_ns() - host_zero_ns_;
    if (record.by_device) clock_->leave();
  } catch (...) {  // a driver that fails says so at the next launch; a destructor must not
    record.span.end_ns = record.span.begin_ns;
  }
  record.span.allocated_bytes = allocated - record.span.allocated_bytes;
  record.ended = true;
  track().open = record.span.parent;
}

Phase Profiler::set_phase(Phase phase) {
  const std::lock_guard lock(mutex_);
  return std::exchange(track().phase, phase);
}

std::vector<Span> Profiler::take() {
  device_.synchronise();
  const std::lock_guard lock(mutex_);
  AZ_CHECK(track().open < 0, "profiler: a span of this thread is still open");
  std::vector<int64_t> index(records_.size(), -1);  // in what is returned
  std::vector<Span> spans;
  bool all_ended = true;  // an open span of another thread keeps the indices
  for (size_t i = 0; i < records_.size(); ++i) {
    Record& record = records_[i];
    all_ended = all_ended && record.ended;
    if (!record.ended || std::exchange(record.taken, true)) continue;
    index[i] = static_cast<int64_t>(spans.size());
    Span& span = spans.emplace_back(record.span);
    if (span.parent >= 0) span.parent = span.parent >= first_ ? index[static_cast<size_t>(span.parent - first_)] : -1;
    if (!record.by_device) continue;
    span.begin_ns = clock_->ns(span.begin_ns);
    span.end_ns = clock_->ns(span.end_ns);
  }
  if (all_ended) {
    first_ += static_cast<int64_t>(records_.size());
    records_.clear();
    clock_->clear();
  }
  return spans;
}

int64_t Profiler::now_ns() {
  const int64_t mark = clock_->mark();
  device_.synchronise();
  return clock_->ns(mark);
}

}  // namespace az
