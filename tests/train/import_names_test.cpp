#include "train/import_names.h"

#include <doctest/doctest.h>

#include "tensor/error.h"
#include "tests/support/devices.h"

using namespace az;

namespace {

Tensor of_shape(const Shape& shape) { return Tensor::zeros(shape, DType::u8, test::cpu()); }

std::map<std::string, Shape> shapes(const StateDict& tensors) {
  std::map<std::string, Shape> all;
  for (const auto& [name, t] : tensors) all[name] = t.shape();
  return all;
}

}  // namespace

TEST_CASE("import: older PolarMask heads, wrapped names, a backbone out of a detector") {
  const StateDict network = {{"backbone.conv1.weight", of_shape({1})},
                             {"bbox_head.polar_cls.bias", of_shape({80})},
                             {"bbox_head.polar_centerness.bias", of_shape({1})},
                             {"bbox_head.polar_mask.bias", of_shape({36})},
                             {"bbox_head.polar_reg.bias", of_shape({4})}};
  const StateDict file = {{"module.backbone.conv1.weight", of_shape({1})},
                          {"bbox_head.fcos_cls.bias", of_shape({80})},
                          {"module.bbox_head.fcos_centerness.bias", of_shape({1})},
                          {"bbox_head.fcos_mask.bias", of_shape({36})},
                          {"bbox_head.polar_reg.bias", of_shape({4})}};
  const train::Import import = train::import_names(file, shapes(network));
  CHECK(import.tensors.size() == 5);
  CHECK(import.str() == "");
  const StateDict backbone = {{"conv1.weight", of_shape({1})}};
  const train::Import alone = train::import_names(network, shapes(backbone));
  CHECK(alone.tensors.size() == 1);
  CHECK(alone.unused.size() == 4);
}

TEST_CASE("import: what does not fit is reported with shapes") {
  const StateDict network = {
      {"a", of_shape({2})}, {"b", of_shape({3, 1})}, {"c", of_shape({})}, {"n.num_batches_tracked", of_shape({})}};
  const train::Import import =
      train::import_names({{"a", of_shape({2})}, {"b", of_shape({4, 1})}, {"d", of_shape({5})}}, shapes(network));
  CHECK(import.str() ==
        "1 missing in the file: c []\n1 of another shape: b [4, 1], [3, 1] in the network\n"
        "1 without a place in the network: d [5]");
  CHECK_THROWS_WITH_AS(
      train::import_names({{"x", of_shape({})}}, shapes(network)),
      "import: none of the file's 1 tensors fits the network; its first name is \"x\", the network's \"a\"", Error);
  CHECK_THROWS_WITH_AS(train::import_names({{"a", of_shape({2})}, {"module.a", of_shape({2})}}, shapes(network)),
                       "import: the file has \"a\" under two names", Error);
}

TEST_CASE("import: SiamMask's weights under pysot's names, a backbone alone, and the reference's") {
  const std::map<std::string, Shape> network = {{"features.features.conv1.weight", {2}},
                                                {"features.downsample.downsample.0.weight", {3}},
                                                {"rpn_model.cls.head.3.bias", {4}},
                                                {"mask_model.mask.head.3.bias", {5}},
                                                {"refine_model.post2.bias", {1}}};
  const auto import = [&](const std::vector<std::pair<std::string, int64_t>>& names) {
    StateDict file;
    for (const auto& [name, size] : names) file[name] = Tensor::zeros({size}, DType::f32, test::cpu());
    return train::import_names(file, network);
  };
  const auto pysot = import({{"backbone.conv1.weight", 2},
                             {"neck.downsample.downsample.0.weight", 3},
                             {"rpn_head.cls.head.3.bias", 4},
                             {"mask_head.head.3.bias", 5},
                             {"refine_head.post2.bias", 1}});
  CHECK(pysot.missing.empty());
  CHECK(pysot.unused.empty());
  const auto backbone = import({{"conv1.weight", 2}, {"layer4.0.conv1.weight", 9}});
  CHECK(backbone.tensors.contains("features.features.conv1.weight"));
  CHECK(backbone.missing.size() == 4);
  CHECK(backbone.unused.size() == 1);
  CHECK(import({{"features.conv1.weight", 2}}).tensors.contains("features.features.conv1.weight"));
  CHECK(import({{"module.features.features.conv1.weight", 2}}).tensors.size() == 1);
}
