#include "cli/siammask.h"

#include "models/config.h"

namespace az::cli {

std::string config_system(const std::string& file, const std::vector<std::string>& overrides) {
  return models::Config::load(file, overrides).choice("system", "polarmask", {"polarmask", "siammask"});
}

LoadedSiamMask load_siammask_config(const std::string& file, const std::vector<std::string>& overrides) {
  models::Config config = models::Config::load(file, overrides);
  LoadedSiamMask loaded{models::parse_siammask_config(config), {}};
  loaded.text = config.dump();
  return loaded;
}

std::unique_ptr<models::SiamMask> make_network(const models::SiamMaskConfig& config, Device& device, bool blank) {
  return std::make_unique<models::SiamMask>(nn::Builder{device, static_cast<uint64_t>(config.train.seed), blank},
                                            config.model);
}

}  // namespace az::cli
