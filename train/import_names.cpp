#include "train/import_names.h"

#include <algorithm>
#include <array>
#include <optional>

#include "tensor/error.h"
#include "tensor/text.h"
#include "train/import_torchvision.h"

namespace az::train {
namespace {

constexpr std::string_view kWrapper = "module.";
constexpr std::string_view kBackbone = "backbone.";

using Shapes = std::map<std::string, Shape>;

std::string named(const std::string& name, const Shape& shape) { return fmt::format("{} {}", name, shape.str()); }

/// mmdetection's PolarMask head before a rename of its last layers.
std::string with_polar(std::string name) {
  static constexpr std::array<std::string_view, 4> kLayers = {"cls", "reg", "mask", "centerness"};
  for (const std::string_view layer : kLayers) {
    const std::string old = fmt::format("bbox_head.fcos_{}.", layer);
    if (name.starts_with(old)) return fmt::format("bbox_head.polar_{}.{}", layer, name.substr(old.size()));
  }
  return name;
}

/// pysot's names for the parts of SiamMask, and a backbone alone: the reference tries `features.` in front of its keys.
std::string with_siamese(const std::string& name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kParts = {
      {{"backbone.", "features.features."},
       {"neck.downsample.", "features.downsample."},
       {"rpn_head.", "rpn_model."},
       {"mask_head.", "mask_model.mask."},
       {"refine_head.", "refine_model."}}};
  for (const auto& [theirs, ours] : kParts)
    if (name.starts_with(theirs)) return fmt::format("{}{}", ours, name.substr(theirs.size()));
  return fmt::format("features.features.{}", name);
}

/// The network's name for a name of the file.
std::optional<std::string> match(std::string name, const Shapes& network) {
  if (network.contains(name)) return name;
  if (name.starts_with(kWrapper)) name.erase(0, kWrapper.size());
  name = with_polar(std::move(name));
  if (network.contains(name)) return name;
  if (const std::string siamese = with_siamese(name); network.contains(siamese)) return siamese;
  if (const std::string wrapped = fmt::format("features.{}", name); network.contains(wrapped)) return wrapped;
  if (const std::string inner = fmt::format("{}{}", kBackbone, name); network.contains(inner)) return inner;
  if (!name.starts_with(kBackbone)) return std::nullopt;
  name.erase(0, kBackbone.size());
  return network.contains(name) ? std::optional(name) : std::nullopt;
}

/// A torchvision classifier has its last layer at the top level.
bool is_classifier(const std::string& name, const StateDict& file) {
  return (name == "fc.weight" || name == "fc.bias") && file.contains("layer1.0.conv1.weight");
}

void add_line(std::string& text, const char* what, const std::vector<std::string>& names) {
  constexpr size_t kShown = 8;
  if (names.empty()) return;
  text += fmt::format("{}{} {}:", text.empty() ? "" : "\n", names.size(), what);
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) text += fmt::format("{} {}", i ? "," : "", names[i]);
  if (names.size() > kShown) text += ", ...";
}

/// The stem of a SiamMask that takes torchvision's weights, as far as the file has it.
void fold_first(Import& import) {
  const auto conv = import.tensors.find("features.features.conv1.weight");
  const auto mean = import.tensors.find("features.features.bn1.running_mean");
  if (conv == import.tensors.end() || mean == import.tensors.end()) return;
  fold_normalisation(conv->second, mean->second);
  import.folded = {conv->first, mean->first};
}

}  // namespace

std::string Import::str() const {
  std::string text;
  add_line(text, "missing in the file", missing);
  add_line(text, "of another shape", mismatched);
  add_line(text, "without a place in the network", unused);
  add_line(text, "dropped", dropped);
  add_line(text, "1x1, put in the centre of a 3x3 kernel of zeros", centred);
  add_line(text, "rewritten for BGR of 0 to 255 in place of torchvision's normalised RGB", folded);
  return text;
}

Import import_names(const StateDict& file, const Shapes& network) {
  Import result;
  StateDict shapes_differ;
  for (const auto& [name, tensor] : file) {
    const auto ours = match(name, network);
    if (!ours) {
      (is_classifier(name, file) ? result.dropped : result.unused).push_back(named(name, tensor.shape()));
      continue;
    }
    AZ_CHECK(!result.tensors.contains(*ours) && !shapes_differ.contains(*ours),
             "import: the file has {} under two names", printable(*ours));
    const Shape& wanted = network.at(*ours);
    if (tensor.shape() == wanted) {
      result.tensors[*ours] = tensor;
    } else if (const Tensor wide = centred_shortcut(*ours, tensor, wanted); wide.defined()) {
      result.tensors[*ours] = wide;
      result.centred.push_back(named(name, tensor.shape()));
    } else {
      shapes_differ[*ours] = tensor;
      result.mismatched.push_back(fmt::format("{}, {} in the network", named(*ours, tensor.shape()), wanted.str()));
    }
  }
  AZ_CHECK(!result.tensors.empty(),
           "import: none of the file's {} tensors fits the network; its first name is {}, the "
           "network's {}",
           file.size(), file.empty() ? "none" : printable(file.begin()->first),
           network.empty() ? "none" : printable(network.begin()->first));
  if (!result.centred.empty() && !result.dropped.empty()) fold_first(result);
  for (const auto& [name, shape] : network)
    if (!result.tensors.contains(name) && !shapes_differ.contains(name) && !name.ends_with("num_batches_tracked"))
      result.missing.push_back(named(name, shape));
  return result;
}

}  // namespace az::train
