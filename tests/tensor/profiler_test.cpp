#include "tensor/profiler.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cpu/device.h"
#include "tensor/error.h"
#include "tensor/tensor.h"
#include "tests/support/devices.h"

using namespace az;

TEST_CASE("a span is described only where there is a profiler") {
  cpu::CpuDevice device;
  int described = 0;
  const auto describe = [&] {
    ++described;
    return SpanDetail{.shape = "[3]"};
  };
  { const ProfileSpan span(device, "nobody listens", describe); }
  CHECK(described == 0);
  {
    Profiler profiler(device);
    { const ProfileSpan span(device, "somebody does", describe); }
    CHECK(described == 1);
    const std::vector<Span> spans = profiler.take();
    REQUIRE(spans.size() == 1);
    CHECK(std::string(spans[0].name) == "somebody does");
    CHECK(spans[0].detail.shape == "[3]");
  }
  CHECK(device.profiler() == nullptr);
  { const ProfileSpan span(device, "nobody again", describe); }
  CHECK(described == 1);
}

TEST_CASE("spans nest, keep their phase and count memory, on every device") {
  for (Device* device : test::devices()) {
    CAPTURE(device->name());
    Profiler profiler(*device);
    const int64_t begin = profiler.now_ns();
    {
      const ProfileSpan outer(*device, "outer");
      const ProfilePhase phase(*device, Phase::backward);
      const ProfileSpan inner(*device, "inner");
      Tensor::empty({1000}, DType::f32, *device);
    }
    { const ProfileSpan next(*device, "next"); }
    const int64_t end = profiler.now_ns();
    const std::vector<Span> spans = profiler.take();
    REQUIRE(spans.size() == 3);
    CHECK(std::string(spans[1].name) == "inner");
    CHECK(spans[0].parent == -1);
    CHECK(spans[1].parent == 0);
    CHECK(spans[2].parent == -1);
    CHECK(spans[0].phase == Phase::forward);
    CHECK(spans[1].phase == Phase::backward);
    CHECK(spans[2].phase == Phase::forward);
    CHECK(spans[0].allocated_bytes >= 4000);
    CHECK(spans[1].allocated_bytes == spans[0].allocated_bytes);
    CHECK(spans[2].allocated_bytes == 0);
    const int64_t order[] = {begin,           spans[0].begin_ns, spans[1].begin_ns, spans[1].end_ns,
                             spans[0].end_ns, spans[2].begin_ns, spans[2].end_ns,   end};
    for (size_t i = 1; i < std::size(order); ++i) CHECK(order[i - 1] <= order[i]);
    CHECK(profiler.take().empty());
  }
}

TEST_CASE("threads report on tracks of their own, and open spans stay for the next time") {
  cpu::CpuDevice device;
  Profiler profiler(device);
  const int64_t open = profiler.begin("step", {});
  std::thread worker([&] {
    const ProfilePhase phase(device, Phase::data);
    const ProfileSpan span(device, "batch");
  });
  worker.join();
  CHECK_THROWS_WITH_AS(profiler.take(), doctest::Contains("still open"), Error);
  profiler.end(open);
  const std::vector<Span> spans = profiler.take();
  REQUIRE(spans.size() == 2);
  CHECK(spans[0].track == 0);
  CHECK(spans[1].track == 1);
  CHECK(spans[1].parent == -1);
  CHECK(spans[1].phase == Phase::data);

  int64_t late = -1;
  std::thread other([&] { late = profiler.begin("half done", {}); });
  other.join();
  { const ProfileSpan span(device, "done"); }
  CHECK(profiler.take().size() == 1);
  CHECK(profiler.take().empty());
  profiler.end(late);
  REQUIRE(profiler.take().size() == 1);
}

TEST_CASE("a device has one profiler at a time") {
  cpu::CpuDevice device;
  const Profiler profiler(device);
  CHECK_THROWS_WITH_AS(std::make_unique<Profiler>(device), doctest::Contains("has one already"), Error);
  CHECK(device.profiler() == &profiler);
}

TEST_CASE("costs add up") {
  const Cost cost{.flops = 144, .bytes_read = 10, .bytes_written = 6, .executed_flops = 36};
  CHECK(cost.bytes() == 16);
  CHECK(cost.executed() == 36);
  CHECK(Cost{.flops = 7}.executed() == 7);
}
