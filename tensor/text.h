// Names from files, shown to people.
#pragma once

#include <string>
#include <string_view>

namespace az {

/// The text in quotes, fit for one line of a terminal: control characters and bytes past ASCII become `?`, and what is
/// longer than 100 characters is cut. For names that come out of a file that may be broken or hostile.
std::string printable(std::string_view text);

}  // namespace az
