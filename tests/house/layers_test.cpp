// The rules of tests/support/source_rules.h on the project's own sources, and on made-up ones that break them.
#include <doctest/doctest.h>

#include "tests/support/shell.h"
#include "tests/support/source_rules.h"

namespace az::test {
namespace {

// What the rules say of one file, beside a few that it may include.
std::vector<std::string> faults(const std::string& path, const std::string& text) {
  return broken_rules({{path, text},
                       {"tensor/tensor.h", "#pragma once\n"},
                       {"cpu/dnn.h", "#pragma once\n#include <dnnl.hpp>\n"},
                       {"ops/pool.h", "#pragma once\n"},
                       {"cli/train.h", "#pragma once\n"},
                       {"tests/support/devices.h", "#pragma once\n"}});
}

std::string repeated(const std::string& line, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += line + "\n";
  return text;
}

}  // namespace

TEST_CASE("the project's sources keep the house rules") {
  const std::vector<SourceFile> files = source_files(source_root());
  REQUIRE(files.size() > 20);
  for (const std::string& fault : broken_rules(files)) FAIL_CHECK(fault);
}

TEST_CASE("includes go one way only") {
  CHECK(faults("ops/pool.cpp", "#include \"ops/pool.h\"\n#include \"tensor/tensor.h\"\n").empty());
  const auto upward = faults("tensor/shape.cpp", "#include <vector>\n\n  #  include \"ops/pool.h\"\n");
  REQUIRE(upward.size() == 1);
  CHECK(upward[0] == "tensor/shape.cpp:3: \"ops/pool.h\": tensor/ comes before ops/ and may not include it");
  CHECK(faults("data/coco.cpp", "#include \"ops/pool.h\"\n").size() == 1);
  CHECK(faults("models/polarmask/head.cpp", "#include \"cli/train.h\"\n").size() == 1);
  CHECK(faults("nn/conv.cpp", "#include \"tests/support/devices.h\"\n").size() == 1);
  CHECK(faults("ops/pool.cpp", "#include \"pool.h\"\n").size() == 1);
  CHECK(faults("tests/ops/pool_test.cpp", "#include \"cli/train.h\"\n").empty());
}

TEST_CASE("libraries stay in their folders and slow headers out of ours") {
  CHECK(faults("cpu/dnn.cpp", "#include <dnnl.hpp>\n").empty());
  CHECK(faults("ops/conv.cpp", "#include <dnnl.hpp>\n").size() == 1);
  CHECK(faults("cpu/conv.cpp", "#include \"cpu/dnn.h\"\n").empty());
  CHECK(faults("ops/conv.cpp", "#include \"cpu/dnn.h\"\n").size() == 1);
  CHECK(faults("ops/conv.cpp", "#include <oneapi/dnnl/dnnl.hpp>\n").size() == 1);
  CHECK(faults("cuda/memory.cu", "#include <cuda_runtime.h>\n").empty());
  CHECK(faults("tensor/device.cpp", "#include <cuda_runtime.h>\n").size() == 1);
  CHECK(faults("cli/train.cpp", "#include <CLI/CLI.hpp>\n").empty());
  CHECK(faults("cli/eval.h", "#pragma once\n#include <CLI/CLI.hpp>\n").size() == 1);
  CHECK(faults("eval/coco.h", "#pragma once\n#include <nlohmann/json.hpp>\n").size() == 1);
  CHECK(faults("eval/coco.h", "#pragma once\n#include <nlohmann/json_fwd.hpp>\n").empty());
  CHECK(faults("tests/support/check.h", "#pragma once\n#include <doctest/doctest.h>\n").empty());
}

TEST_CASE("headers are guarded, files and functions short") {
  CHECK(faults("nn/fpn.h", "// no guard\n").size() == 1);
  const std::string line = "const int x = 1;";
  CHECK(faults("nn/fpn.cpp", repeated(line, 400)).empty());
  CHECK(faults("nn/fpn.cpp", repeated(line, 401)).size() == 1);
  CHECK(faults("nn/fpn.cpp", "// long because one table\n" + repeated(line, 401)).empty());

  const std::string body = repeated("  call();", 79) + "}\n";
  CHECK(faults("nn/fpn.cpp", "void f() {\n" + repeated("  call();", 78) + "}\n").empty());
  CHECK(faults("nn/fpn.cpp", "void f() {\n" + body).size() == 1);
  CHECK(faults("nn/fpn.cpp", "// long because one table\nvoid f() {\n" + body).empty());
  CHECK(faults("nn/fpn.cpp", "template <class T>\nvoid f(T a,\n       T b) {\n" + body).size() == 1);
  CHECK(faults("nn/fpn.cpp", "namespace az {\n" + body).empty());
  CHECK(faults("tests/nn/fpn_test.cpp", "TEST_CASE(\"f\") {\n" + body).empty());
}

}  // namespace az::test
