// What commands read from their arguments in the same way.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace az::cli {

/// "800x1333" as height and width. Error: other text, or more than 16384 pixels; `command` is named.
std::pair<int64_t, int64_t> parse_size(const char* command, const std::string& text);

}  // namespace az::cli
