// `azimuth export --onnx` as a shell sees it: the files, and what it refuses.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "models/siammask/model.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/safetensors.h"
#include "tests/support/devices.h"
#include "tests/support/onnx_run.h"
#include "tests/support/shell.h"
#include "tests/support/temporary.h"

namespace az::test {
namespace {

namespace fs = std::filesystem;

ShellResult exported(const std::string& arguments) {
  const char* binary = std::getenv("AZIMUTH_BINARY");
  AZ_CHECK(binary != nullptr, "AZIMUTH_BINARY must name the binary; ctest sets it");
  return shell(fmt::format("{} export {}", quoted(binary), arguments), 120);
}

fs::path small_siammask(const fs::path& folder) {
  models::SiamMaskOptions o;
  o.backbone.blocks = {1, 1, 1};
  o.backbone.width = 4;
  o.channels = 8;
  o.mask_side = 5;
  models::SiamMask network({cpu(), 3}, o);
  const fs::path file = folder / "weights.safetensors";
  write_safetensors(file, nn::state_dict(network));
  return file;
}

/// Every file of the folder, sorted.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

}  // namespace

TEST_CASE("export --onnx writes a graph a part, with --example our outputs, which the graph gives too") {
  const TemporaryFolder folder;
  const fs::path weights = small_siammask(folder.path()), out = folder.path() / "graphs";
  fs::create_directory(out);
  const ShellResult r = exported(
      fmt::format("{} --onnx {} --example --batch 2 --size 191x191", quoted(weights), quoted(out / "siam.onnx")));
  CAPTURE(r.output);
  REQUIRE(r.status == 0);
  CHECK(names_in(out) == std::vector<std::string>{"siam-refine.onnx", "siam-refine.safetensors", "siam-search.onnx",
                                                  "siam-search.safetensors", "siam-template.onnx",
                                                  "siam-template.safetensors"});
  for (const char* part : {"refine", "search", "template"}) {
    CAPTURE(part);
    const OnnxFile file = read_onnx(read_file(out / fmt::format("siam-{}.onnx", part)));
    CHECK(onnx_faults(file).empty());
    std::map<std::string, OnnxArray> inputs, want;
    for (const auto& [name, t] : read_safetensors(out / fmt::format("siam-{}.safetensors", part), cpu())) {
      // These are in the graph's layout already.
      const auto dims = t.shape().dims();
      OnnxArray array{{dims.begin(), dims.end()}, t.to(DType::f64).to_vector<double>()};
      (file.inputs.contains(name) ? inputs : want)[name] = std::move(array);
    }
    CHECK(want.size() == file.outputs.size());
    const auto got = run_onnx(file, inputs);
    for (const auto& [name, array] : want) {
      CAPTURE(name);
      double most = 0, error = 0;
      for (size_t i = 0; i < array.values.size(); ++i) {
        most = std::max(most, std::abs(array.values[i]));
        error = std::max(error, std::abs(array.values[i] - got.at(name).values[i]));
      }
      CHECK(most > 0);
      CHECK(error <= 2e-5 * most);  // f32 against double
    }
  }
}

TEST_CASE("export --onnx says in one line what it cannot do") {
  const TemporaryFolder folder;
  const std::string weights = quoted(small_siammask(folder.path()));
  const std::string out = quoted(folder.path() / "x.onnx");
  const fs::path other = folder.path() / "other.safetensors";
  write_safetensors(other, {{"a", Tensor::zeros({2}, DType::f32, cpu())}});
  const auto check_fails = [&](const std::string& arguments, const std::string& part) {
    CAPTURE(arguments);
    const ShellResult r = exported(arguments);
    CAPTURE(r.output);
    CHECK(r.status == 1);
    CHECK(r.output.find("error: ") == 0);
    CHECK(r.output.find(part) != std::string::npos);
  };
  check_fails(weights + " --onnx " + quoted(folder.path() / "x.pb"), "want a name that ends in .onnx");
  check_fails(weights + " --batch 0 --onnx " + out, "--batch is 0, want 1 to 1024");
  check_fails(weights + " --size 255x191 --onnx " + out, "--size is 255x191, a search crop is square");
  check_fails(weights + " --onnx " + quoted(folder.path() / "no_such_folder" / "x.onnx"), "no_such_folder");
  check_fails(quoted(other) + " --onnx " + out, "other.safetensors: neither PolarMask's weights");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"other.safetensors", "weights.safetensors"});
}

}  // namespace az::test
