# Compiler flags of our own code. No -march: loops pick their instruction set at run time (tensor/simd.h), and no
# contraction to fused multiply-add, so that a result does not depend on which one was picked. Nobody reads errno after a
# square root or traps floating-point exceptions; saying so changes no value and lets such loops vectorise.
add_library(az_flags INTERFACE)
target_include_directories(az_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(az_flags INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Werror -ffp-contract=off
                       -fno-math-errno -fno-trapping-math)
set(CMAKE_CXX_FLAGS_RELEASE "-O3")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g -fno-omit-frame-pointer")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees an overlap in "literal" + std::string that is not there (GCC bug 105651).
  target_compile_options(az_flags INTERFACE -Wno-restrict)
else()
  # Clang has no "GCC ivdep", and asks for no code of functions that templates alone name.
  target_compile_options(az_flags INTERFACE -Wno-unknown-pragmas -Wno-unneeded-internal-declaration)
endif()
if(AZ_SANITIZE)
  add_compile_options(-fsanitize=${AZ_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${AZ_SANITIZE})
  target_compile_definitions(az_flags INTERFACE AZ_SANITIZED)
  if(AZ_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
endif()
find_program(AZ_CCACHE ccache)
if(AZ_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${AZ_CCACHE})
endif()
