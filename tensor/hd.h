// Functions that run on the host and in CUDA kernels alike.
#pragma once
#ifdef __CUDACC__
#define AZ_HD __host__ __device__
#else
#define AZ_HD
#endif
