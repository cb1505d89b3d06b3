#pragma once
#ifdef __CUDACC__
#define AZ_HD __host__ __device__
#else
#define AZ_HD
#endif
