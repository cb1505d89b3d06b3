#include "cli/export.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <memory>

#include "cli/arguments.h"
#include "cli/checkpoints.h"
#include "cli/polarmask.h"
#include "models/polarmask/onnx.h"
#include "models/siammask/onnx.h"
#include "tensor/error.h"
#include "tensor/layout.h"
#include "tensor/safetensors.h"
#include "train/checkpoint.h"
#include "train/onnx_file.h"
#include "train/pth_writer.h"

namespace az::cli {
namespace {

void export_pth(const std::string& file, const std::string& out) {
  const auto device = make_device("cpu");
  const StateDict state = read_weights(file, *device);
  train::write_pth(out, state);
  fmt::print("{}: {} tensors\n", out, state.size());
}

struct OnnxArguments {
  std::string out, model = "polarmask-r50", size;
  int64_t images = 1;
  bool example = false;
};

using Shapes = std::map<std::string, Shape>;

/// The first tensor of the file whose name ends so, or null.
const Shape* find_shape(const Shapes& state, const std::string& end) {
  for (const auto& [name, shape] : state)
    if (name.ends_with(end)) return &shape;
  return nullptr;
}

std::vector<nn::OnnxPart> siammask_parts(const Shapes& shapes, StateDict state, const std::string& file,
                                         const OnnxArguments& a, Device& device) {
  models::SiamMask network({device, 0, /*blank=*/true}, models::siammask_options_of(shapes));
  load_weights(network, std::move(state), file, /*whole=*/true);
  models::SiamOnnxOptions options{.images = a.images};
  if (!a.size.empty()) {
    const auto [h, w] = parse_size("export", a.size);
    AZ_CHECK(h == w, "export: --size is {}, a search crop is square", a.size);
    options.search_side = h;
  }
  return models::onnx_parts(network, options, device);
}

std::vector<nn::OnnxPart> polarmask_parts(int64_t classes, StateDict state, const std::string& file,
                                          const OnnxArguments& a, Device& device) {
  const models::PolarMaskOptions options = polarmask_options_of(a.model, classes);
  models::PolarMask network({device, 0, /*blank=*/true}, options);
  load_weights(network, std::move(state), file, /*whole=*/true);
  const auto [h, w] = parse_size("export", a.size.empty() ? "800x1344" : a.size);
  AZ_CHECK(h % 32 == 0 && w % 32 == 0, "export: --size is {}x{}, want multiples of 32", h, w);
  std::vector<nn::OnnxPart> parts;
  parts.push_back(models::onnx_part(network, a.images, h, w, 2 + options.fpn.start_level, device));
  return parts;
}

/// "10 Add, 53 Conv, ..."
std::string node_counts(const autograd::OnnxGraph& graph) {
  std::map<std::string, int> counts;
  for (const autograd::OnnxNode& node : graph.nodes) ++counts[node.type];
  std::string text;
  for (const auto& [type, count] : counts) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, type);
  return text;
}

/// The graph, and with --example a safetensors file of its inputs and our outputs beside it, in the graph's layouts.
void write_part(const nn::OnnxPart& part, std::filesystem::path file, bool example) {
  train::write_onnx(file, part.graph);
  fmt::print("{}: {}\n", file.string(), node_counts(part.graph));
  if (!example) return;
  StateDict tensors;
  for (const autograd::NamedTensors& named : {part.inputs, part.outputs})
    for (const auto& [name, t] : named) tensors[name] = t.rank() == 4 ? ohwi_to_oihw(t) : t;
  file.replace_extension(".safetensors");
  write_safetensors(file, tensors, {{"graph", part.graph.name}});
  fmt::print("{}: {} tensors\n", file.string(), tensors.size());
}

void export_onnx(const std::string& file, const OnnxArguments& a) {
  AZ_CHECK(a.images >= 1 && a.images <= 1024, "export: --batch is {}, want 1 to 1024", a.images);
  const std::filesystem::path out = a.out;
  AZ_CHECK(out.extension() == ".onnx", "export: --onnx is {}, want a name that ends in .onnx", a.out);
  const auto device = make_device("cpu");
  StateDict state = read_weights(file, *device);
  Shapes shapes;
  for (const auto& [name, tensor] : state) shapes.emplace(name, tensor.shape());
  const Shape* classes = find_shape(shapes, "_cls.bias");  // polar_cls, or fcos_cls of older files
  AZ_CHECK(classes || find_shape(shapes, "cls.head.3.weight"),
           "{}: neither PolarMask's weights (bbox_head.polar_cls.bias) nor SiamMask's (rpn_model.cls.head.3.weight)",
           file);
  const std::vector<nn::OnnxPart> parts = classes
                                              ? polarmask_parts(classes->numel(), std::move(state), file, a, *device)
                                              : siammask_parts(shapes, std::move(state), file, a, *device);
  for (const nn::OnnxPart& part : parts) {
    const std::string name = parts.size() == 1 ? "" : "-" + part.graph.name;
    write_part(part, out.parent_path() / (out.stem().string() + name + ".onnx"), a.example);
  }
}

}  // namespace

void add_export_command(CLI::App& app) {
  struct Arguments {
    std::string weights, pth;
    OnnxArguments onnx;
  };
  const auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("export", "write weights as a .pth, or networks as ONNX graphs");
  command->add_option("WEIGHTS", a->weights, "weights file or run folder")->required();
  CLI::Option_group* to = command->add_option_group("TO", "exactly one");
  to->add_option("--pth", a->pth, "file that torch.load reads");
  CLI::Option* onnx = to->add_option("--onnx", a->onnx.out,
                                     "FILE.onnx; of SiamMask FILE-template.onnx, FILE-search.onnx and, with Refine, "
                                     "FILE-refine.onnx. NCHW, operator set 13");
  to->require_option(1);
  command->add_option("--model", a->onnx.model, "of PolarMask weights: polarmask-r50, -r101, -x101 or a configuration")
      ->needs(onnx);
  command->add_option("--batch", a->onnx.images, "images (SiamMask: also kernels and cells) a run")->needs(onnx);
  command
      ->add_option("--size", a->onnx.size, "HxW of the picture (default 800x1344), of SiamMask's search crop (255x255)")
      ->needs(onnx);
  command
      ->add_flag("--example", a->onnx.example,
                 "also write inputs and our outputs for them, as safetensors beside each graph")
      ->needs(onnx);
  command->callback([a] {
    const std::string file = train::find_weights(a->weights).front().string();
    if (a->onnx.out.empty()) {
      export_pth(file, a->pth);
    } else {
      export_onnx(file, a->onnx);
    }
  });
}

}  // namespace az::cli
