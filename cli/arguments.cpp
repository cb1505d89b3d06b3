#include "cli/arguments.h"

#include <cstdio>

#include "tensor/error.h"

namespace az::cli {

std::pair<int64_t, int64_t> parse_size(const char* command, const std::string& text) {
  char rest = 0;
  long long height = 0, width = 0;
  AZ_CHECK(std::sscanf(text.c_str(), "%lldx%lld%c", &height, &width, &rest) == 2 && height > 0 && width > 0 &&
               height <= 16384 && width <= 16384,
           "{}: --size is '{}', want HxW in pixels, at most 16384 each", command, text);
  return {height, width};
}

}  // namespace az::cli
