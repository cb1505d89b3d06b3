// Run-time choice of the instruction set for our own loops.
#pragma once

/// Put before a function with a hot loop: it is compiled for AVX-512, for AVX2 and for plain x86-64, and the loader
/// picks once per process. Contraction is off in every build, so the three give the same bits.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && !defined(AZ_SANITIZED)
#define AZ_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define AZ_SIMD
#endif
