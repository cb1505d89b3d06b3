// A configuration file, and the same bytes as an override. What reads must read again from its own dump.
#include <string>

#include "models/config.h"
#include "models/polarmask/config.h"
#include "tensor/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  using az::models::Config;
  const std::string text(reinterpret_cast<const char*>(bytes), count);
  for (const bool overrides : {false, true}) try {
      Config config = overrides ? Config::parse("", "fuzz", {text}) : Config::parse(text, "fuzz");
      az::models::parse_polarmask_config(config);
      Config again = Config::parse(config.dump(), "dump");
      az::models::parse_polarmask_config(again);
      if (again.dump() != config.dump()) __builtin_trap();
    } catch (const az::Error&) {
    }
  return 0;
}
