#include "cli/bench_kernels.h"

#include "cli/kernel_cases_image.h"
#include "cli/kernel_cases_maps.h"
#include "cli/kernel_cases_polar.h"
#include "cli/kernel_cases_siam.h"
#include "cuda/build.h"
#include "cuda/device.h"
#include "tensor/error.h"

namespace az::cli {
namespace {

template <bool kBuilt, class Cuda>
KernelBench time_all(const KernelBenchOptions& options, Cuda& device) {
  if constexpr (kBuilt) {
    KernelTimer<Cuda> b(device, options);
    KernelBench result;
    result.copy_gb_s = b.copy_gb_s();
    for (const int64_t n : b.sizes.batches) {
      time_elementwise_maps(b, n);
      time_elementwise_heads(b, n);
      time_reduce(b, n);
      time_norm(b, n);
      time_pool_and_resize(b, n);
      time_xcorr(b, n);
      time_window(b, n);
      time_conv(b, n);
      time_siam_loss(b, n);
      time_focal(b, n);
      time_polar_loss(b, n);
      time_ray_labels(b, n);
      time_detection(b, n);
      time_siam_select(b, n);
    }
    time_image(b);
    time_polygon_fill(b);
    time_optim(b);
    result.kernels = b.times();
    for (KernelTime& t : result.kernels) t.share = t.gb_s / result.copy_gb_s;
    return result;
  }
  fail("bench kernels: this build has no kernels");
}

}  // namespace

KernelBench bench_kernels(const KernelBenchOptions& options, Device& device) {
  AZ_CHECK(device.kind() == DeviceKind::cuda, "bench kernels: {} has no kernels; use --device cuda", device.name());
  return time_all<cuda::kBuilt>(options, cuda::device_of(device));
}

}  // namespace az::cli
