#include <nlohmann/json.hpp>

#include "autograd/node.h"
#include "ops/cast.h"
#include "ops/reduce.h"
#include "ops/xcorr.h"
#include "tensor/error.h"
#include "tensor/layout.h"
#include "tests/golden_runner/siammask/kinds.h"
#include "tests/golden_runner/siammask/network.h"
#include "tests/support/devices.h"
#include "tests/support/golden_network.h"

namespace az::golden::siammask {

using models::SiamMask;
using nlohmann::json;

std::unique_ptr<SiamMask> make_network(const json& net, Device& device) {
  AZ_CHECK(net.at("backbone_depth") == 50, "siammask: a backbone of depth {}", net.at("backbone_depth").get<int>());
  models::SiamMaskOptions options;
  options.anchors = net.at("anchors").at("count").get<int64_t>();
  options.mask_side = net.at("mask_size").get<int64_t>();
  options.refine = net.at("refine").get<bool>();
  auto network = std::make_unique<SiamMask>(nn::Builder{device, 0}, options);
  fill_network(*network, net.at("weights_seed").get<uint64_t>());
  return network;
}

void scale_weights(SiamMask& network, const json& factors) {
  size_t found = 0;
  for (const nn::Entry& e : nn::entries(network)) {
    const auto factor = factors.find(e.name);
    if (factor == factors.end()) continue;
    ++found;
    std::vector<float> values = e.tensor->to_vector<float>();
    for (float& v : values) v *= factor->get<float>();
    e.tensor->copy_from(Tensor::from(values, e.tensor->shape(), e.tensor->device()));
  }
  AZ_CHECK(found == factors.size(), "siammask: weight_scale names tensors that the network lacks");
}

Tensor make_input(const json& inputs, const std::string& name, Device& device) {
  const json& input = inputs.at(name);
  return fill_maps(name, input.at("shape").get<std::vector<int64_t>>(), input.at("seed").get<uint64_t>(),
                   input.at("offset").get<double>(), input.at("scale").get<double>(), device);
}

namespace {

/// log_softmax over (background, foreground) of each anchor: [1, anchors, s, s, 2].
std::vector<double> pair_log_softmax(const std::vector<float>& classes, size_t anchors) {
  const size_t plane = classes.size() / (2 * anchors);
  std::vector<double> out(classes.size());
  for (size_t i = 0; i < anchors * plane; ++i) {
    const double b = classes[i], f = classes[anchors * plane + i];
    const double high = std::max(b, f), total = high + std::log(std::exp(b - high) + std::exp(f - high));
    out[2 * i] = b - total;
    out[2 * i + 1] = f - total;
  }
  return out;
}

/// The masks of one cell, both kinds.
void check_cell(Case& c, SiamMask& network, const models::SiamSearch& found, const Tensor& masks, int row, int column) {
  const std::string cell = std::to_string(row) + "_" + std::to_string(column);
  const Tensor cells = Tensor::from(std::vector<int32_t>{0, row, column}, {1, 3}, masks.device());
  c.check_samples("refine." + cell, network.refine(found, cells, true).to_vector<float>());
  const int64_t side = masks.dim(2), area = masks.dim(3);
  const auto values = masks.to_vector<float>();
  const auto begin = values.begin() + (row * side + column) * area;
  c.check_samples("mask63." + cell, std::vector<float>(begin, begin + area));
}

}  // namespace

void run_forward(const std::filesystem::path& file, Report& report) {
  Case c(file, report);
  const json& net = c.json().at("net");
  for (Device* device : test::devices()) {
    const auto network = make_network(net, *device);
    const autograd::NoGrad off;
    models::SiamTrace z, x;
    const auto kernels = network->make_template(make_input(c.json().at("inputs"), "template", *device), &z);
    const auto found = network->search(make_input(c.json().at("inputs"), "search", *device), kernels, &x);
    c.check_samples("zf", torch_values(z.adjusted));
    c.check_samples("xf", torch_values(x.adjusted));
    for (size_t i = 0; i < x.stages.size(); ++i) {
      c.check_samples("z.p" + std::to_string(i), torch_values(z.stages[i]));
      c.check_samples("x.p" + std::to_string(i), torch_values(x.stages[i]));
    }
    c.check_samples("cls", torch_values(found.classes));
    c.check_samples("loc", torch_values(found.boxes));
    c.check_samples("corr", torch_values(found.correlation));
    c.check_samples("cls_logsoftmax",
                    pair_log_softmax(torch_values(found.classes), static_cast<size_t>(network->options().anchors)));
    const Tensor masks = network->masks(found);
    c.check_samples("mask", torch_values(masks));
    for (const json& cell : net.at("refine_positions_row_col"))
      check_cell(c, *network, found, masks, cell.at(0).get<int>(), cell.at(1).get<int>());
  }
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& [name, shape] : c.json().at("state_dict").items()) shapes[name] = shape.get<std::vector<int64_t>>();
  const auto network = make_network(net, *test::devices()[0]);
  for (const nn::Entry& e : nn::entries(*network)) {
    const Tensor t = e.tensor->rank() == 4 ? ohwi_to_oihw(*e.tensor) : *e.tensor;
    const auto dims = t.shape().dims();
    if (shapes[e.name] != std::vector<int64_t>(dims.begin(), dims.end()))
      report.fail(e.name + ": another name or shape than the reference's");
    shapes.erase(e.name);
  }
  for (const auto& [name, shape] : shapes) report.fail(name + ": not in the network");
  c.finish();
}

void run_xcorr(const std::filesystem::path& file, Report& report) {
  Case c(file, report);
  for (Device* device : test::devices()) {
    for (const auto& [name, item] : c.json().at("cases").items()) {
      const json& inputs = item.at("inputs");
      Tensor x = make_input(inputs, "xcorr." + name + ".x", *device),
             k = make_input(inputs, "xcorr." + name + ".k", *device);
      autograd::set_requires_grad(x, true);
      autograd::set_requires_grad(k, true);
      const Tensor y = ops::xcorr_depthwise(x, k);
      autograd::backward(ops::weighted_sum(y, make_input(inputs, "xcorr." + name + ".g", *device)));
      c.check_samples(name + ".out", torch_values(y));
      c.check_samples(name + ".dx", torch_values(autograd::grad(x)));
      c.check_samples(name + ".dk", torch_values(autograd::grad(k)));
    }
  }
  c.finish();
}

}  // namespace az::golden::siammask
