// The best cell of a Siamese tracker's score map (formulas and source: math/siam_select.h), so that the network, the
// choice and Refine at the chosen cell are one sequence of launches.
//
// Shapes   classes [images, cells, 2 anchors], boxes [images, cells, 4 anchors] -> a choice and a cell an image
// Mapping  a block of 512 an image. A thread ranks candidates a block apart, so that neighbours read neighbouring
//          cells' values; a warp keeps its best by shuffles, the block by one word of shared memory a warp.
// Work     24 bytes and two exponentials in double a candidate, 3125 of them for a crop of 255. Limit: latency.
// Bits     deterministic: a total order. Ranks differ from the CPU's by rounding of exp; in double that decides between
//          candidates only where they are equal to 15 digits.
//
// Ladder (not measured: no GPU yet)
//   v1  this
#include "cuda/siam_select.h"

#include "cuda/kernel.cuh"

namespace az::cuda {
namespace {

constexpr int kThreads = 512;

struct Ranked {
  double rank;
  int flat;

  __device__ void take(double other_rank, int other) {
    if (math::siam_before(other_rank, other, rank, flat)) rank = other_rank, flat = other;
  }
};

/// The warp's first, in every lane.
__device__ Ranked warp_first(Ranked own) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const double rank = __shfl_xor_sync(kWholeWarp, own.rank, offset);
    const int flat = __shfl_xor_sync(kWholeWarp, own.flat, offset);
    own.take(rank, flat);
  }
  return own;
}

__global__ void __launch_bounds__(kThreads)
    siam_select_kernel(math::SiamMaps maps, math::SiamChoice* choices, int32_t* cells) {
  AZ_SHARED(ranks, double[kThreads / kWarp]);
  AZ_SHARED(flats, int[kThreads / kWarp]);
  const int image = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  const int candidates = static_cast<int>(maps.anchors * maps.cells());
  // A thread without a candidate repeats the first, which cannot displace another.
  Ranked own{maps.candidate(image, 0).rank, 0};
  for (int flat = thread; flat < candidates; flat += kThreads) own.take(maps.candidate(image, flat).rank, flat);
  own = warp_first(own);
  if (thread % kWarp == 0) {
    ranks[thread / kWarp] = own.rank;
    flats[thread / kWarp] = own.flat;
  }
  __syncthreads();
  if (thread != 0) return;
  for (int warp = 1; warp < kThreads / kWarp; ++warp) own.take(ranks[warp], flats[warp]);
  const int cell = own.flat % static_cast<int>(maps.cells());
  choices[image] = {static_cast<double>(own.flat), maps.candidate(image, own.flat)};
  cells[3 * image] = image;
  cells[3 * image + 1] = cell / static_cast<int>(maps.side);
  cells[3 * image + 2] = cell % static_cast<int>(maps.side);
}

}  // namespace

void siam_select(Stream& stream, const math::SiamMaps& maps, math::SiamChoice* choices, int32_t* cells) {
  launch(stream, "siam_select_kernel", static_cast<unsigned>(maps.images), kThreads, 0, siam_select_kernel, maps,
         choices, cells);
}

}  // namespace az::cuda
