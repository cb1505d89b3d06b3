// Errors: one exception type whose text is what the user reads.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace az {

/// What a user did wrong or a machine could not do. The text names the op or the file, the shapes or the place, and
/// what to do; `main` prints it as one line and returns 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws `Error` with the formatted text.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace az

/// Throws `az::Error` with the formatted text unless the condition holds. For what callers and files can get wrong;
/// our own mistakes are `assert`. The text is built only on failure.
#define AZ_CHECK(condition, ...)   \
  do {                             \
    if (!(condition)) [[unlikely]] \
      ::az::fail(__VA_ARGS__);     \
  } while (0)
