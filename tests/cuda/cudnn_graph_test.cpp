// cuDNN takes our graphs and has plans for them. It answers for a GPU that only its properties describe, so that this
// runs on a machine without one.
#if defined(AZ_CUDA_BUILT) && !defined(AZ_CUDA_EMULATED)
#include "cuda/cudnn_graph.h"

#include <doctest/doctest.h>

#include <optional>

#include "tensor/error.h"

using namespace az;
using namespace az::cuda;

namespace {

// As an H100 (SXM) reports itself.
constexpr std::string_view kH100 = R"({"maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64],
  "regsPerBlock": 65536, "multiProcessorCount": 132, "warpSize": 32, "maxSharedMemoryPerBlock": 49152,
  "maxSharedMemoryPerBlockOptin": 232448, "reservedSharedMemoryPerBlock": 1024, "maxRegistersPerSM": 65536,
  "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "pciDeviceId": 0, "isTccDriver": 0,
  "supportCoopLaunch": 1, "smClockRateKHz": 1980000, "memClockRateKHz": 2619000, "l2CacheSize": 52428800,
  "deviceName": "NVIDIA H100", "totalGlobalMem": 85045084160, "cudaDeviceId": 0, "deviceVer": 900,
  "driverVer": 13000})";

/// Whether cuDNN can be loaded here: the build needs its headers only.
bool has_cudnn() {
  const std::string fault = vendor_fault();
  if (!fault.empty()) MESSAGE("left out: " << fault);
  return fault.empty();
}

Descriptor h100() {
  Descriptor properties(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  properties.set_raw(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<int64_t>(kH100.size()),
                     kH100.data());
  properties.finalise();
  return properties;
}

// Shapes of PolarMask and of our tests: the stem, a bottleneck, a head with odd outputs, groups, depthwise, tiny.
const math::ConvShape kShapes[] = {
    {.n = 16, .h = 800, .w = 1333, .c = 3, .k = 64, .r = 7, .s = 7, .stride = 2, .padding = 3},
    {.n = 16, .h = 100, .w = 167, .c = 256, .k = 256, .r = 3, .s = 3, .padding = 1},
    {.n = 16, .h = 100, .w = 167, .c = 512, .k = 128},
    {.n = 1, .h = 25, .w = 42, .c = 256, .k = 36, .r = 3, .s = 3, .padding = 1},
    {.n = 16, .h = 50, .w = 84, .c = 512, .k = 512, .r = 3, .s = 3, .padding = 1, .groups = 64},
    {.n = 4, .h = 31, .w = 31, .c = 256, .k = 256, .r = 5, .s = 5, .groups = 256},
    {.n = 1, .h = 5, .w = 7, .c = 3, .k = 5, .r = 3, .s = 3, .stride = 2, .padding = 2, .dilation = 2},
};

}  // namespace

TEST_CASE("cuDNN has a deterministic plan for every pass of our convolutions") {
  if (!has_cudnn()) return;
  const Descriptor properties = h100();
  for (const math::ConvShape& shape : kShapes)
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16})
      for (const ConvPass pass : {ConvPass::forward, ConvPass::backward_data, ConvPass::backward_weights}) {
        const bool after = pass == ConvPass::forward;
        const PlanKey key{
            .pass = pass, .shape = shape, .dtype = dtype, .bias = after, .residual = after, .relu = after};
        CAPTURE(key_text(key));
        std::optional<ConvPlan> plan;
        for_each_plan({.properties = &properties}, key, int64_t{1} << 30, nullptr, [&](ConvPlan found) {
          plan = std::move(found);
          return Next::stop;
        });
        REQUIRE(plan);
        CHECK(plan->ids.size() == (after && plan->form.whole ? 5 : 3));
        // The same place gives the same plan again, as a file of choices needs.
        std::optional<PlanChoice> again;
        for_each_plan({.properties = &properties}, key, int64_t{1} << 30, &plan->choice, [&](ConvPlan found) {
          again = found.choice;
          return Next::stop;
        });
        CHECK(again == plan->choice);
      }
}

TEST_CASE("a descriptor that cuDNN refuses says what and why") {
  if (!has_cudnn()) return;
  Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  CHECK_THROWS_WITH_AS(tensor.finalise(), doctest::Contains("cudnn: a descriptor: CUDNN_STATUS_BAD_PARAM"), Error);
}

TEST_CASE("a library's error names the function that was called") {
  CHECK(called_name("cudnn().cudnnCreate(&handle_)") == "cudnnCreate");
  CHECK(called_name("cublas().cublasSetStream_v2(handle_, stream.get())") == "cublasSetStream_v2");
}
#endif
