// Whether this build has a CUDA device: real (nvcc) or emulated (cuda/emulator).
#pragma once

namespace az::cuda {

#ifdef AZ_CUDA_BUILT
inline constexpr bool kBuilt = true;
#else
inline constexpr bool kBuilt = false;
#endif

#ifdef AZ_CUDA_EMULATED
inline constexpr bool kEmulated = true;
#else
inline constexpr bool kEmulated = false;
#endif

}  // namespace az::cuda
