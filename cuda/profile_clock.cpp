// A CUDA device's clock for profiles: events, so that a span is the work it queued and not the queueing. Spans are NVTX
// ranges too, which Nsight Systems shows; without such a tool the header's calls return at once.
#include <cmath>
#include <vector>

#include "cuda/device.h"

#if __has_include(<nvtx3/nvToolsExt.h>)
#define AZ_NVTX
#include <nvtx3/nvToolsExt.h>
#endif

namespace az::cuda {
namespace {

class EventClock final : public ProfileClock {
 public:
  explicit EventClock(Stream& stream) : stream_(stream) { zero_.record(stream); }

  int64_t mark() override {
    marks_.push_back(std::make_unique<Event>());
    marks_.back()->record(stream_);
    return static_cast<int64_t>(marks_.size()) - 1;
  }
  int64_t ns(int64_t mark) override { return std::llround(marks_[static_cast<size_t>(mark)]->ms_since(zero_) * 1e6); }
  void clear() override { marks_.clear(); }
#ifdef AZ_NVTX
  void enter(const char* name) override { nvtxRangePushA(name); }
  void leave() override { nvtxRangePop(); }
#endif

 private:
  Stream& stream_;
  Event zero_;
  std::vector<std::unique_ptr<Event>> marks_;
};

}  // namespace

std::unique_ptr<ProfileClock> CudaDevice::profile_clock() { return std::make_unique<EventClock>(stream()); }

}  // namespace az::cuda
