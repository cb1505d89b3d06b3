#include "tensor/text.h"

namespace az {

std::string printable(std::string_view text) {
  constexpr size_t kLongest = 100;
  std::string out = "\"";
  for (const char c : text.substr(0, kLongest)) out += c < ' ' || c > '~' ? '?' : c;
  return out + (text.size() > kLongest ? "...\"" : "\"");
}

}  // namespace az
