// Weights in the form in which the convolution takes them, kept from one inference to the next.
#pragma once

#include <unordered_map>
#include <vector>

#include "cpu/conv.h"
#include "tensor/tensor.h"

namespace az::cuda {

using cpu::WeightIdentity;

/// A packed form stays at its address while its weights change, so that captured graphs find it; it is refreshed by the
/// next inference that is not a replay.
class WeightCache {
 public:
  struct Slot {
    Tensor packed;
    bool fill = false;  ///< the caller packs now
  };
  /// The packed form of these weights, of `w`'s shape and this type. `capturing`: what is queued now runs later, so
  /// that the form still counts as old.
  Slot find(const WeightIdentity& identity, const Tensor& w, DType dtype, bool capturing);

 private:
  struct Kept {
    WeightIdentity identity;
    Tensor packed;
  };
  std::unordered_map<uint64_t, std::vector<Kept>> kept_;  // by the weights' storage
};

}  // namespace az::cuda
