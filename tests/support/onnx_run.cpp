#include "tests/support/onnx_run.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

#include "tensor/error.h"
#include "tensor/layout.h"
#include "train/onnx_file.h"

namespace az::test {
namespace {

using Dims = std::vector<int64_t>;
using Arrays = std::vector<const OnnxArray*>;

int64_t product(const Dims& dims) { return std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>()); }

OnnxArray blank(Dims dims) {
  const auto count = static_cast<size_t>(product(dims));
  return {std::move(dims), std::vector<double>(count)};
}

Dims integers(const OnnxArray& a) { return {a.values.begin(), a.values.end()}; }

Dims attribute(const OnnxFileNode& node, const char* name, Dims otherwise) {
  const auto found = node.integers.find(name);
  return found == node.integers.end() ? otherwise : found->second;
}

/// Element (n, c, y, x) of an NCHW array, zero outside its rows and columns.
double at(const OnnxArray& a, int64_t n, int64_t c, int64_t y, int64_t x) {
  if (y < 0 || y >= a.dims[2] || x < 0 || x >= a.dims[3]) return 0;
  return a.values[static_cast<size_t>(((n * a.dims[1] + c) * a.dims[2] + y) * a.dims[3] + x)];
}

/// An NCHW array of f(n, c, y, x).
template <class F>
OnnxArray map4(const Dims& dims, const F& f) {
  OnnxArray y{dims, {}};
  for (int64_t n = 0; n < dims[0]; ++n)
    for (int64_t c = 0; c < dims[1]; ++c)
      for (int64_t i = 0; i < dims[2]; ++i)
        for (int64_t j = 0; j < dims[3]; ++j) y.values.push_back(f(n, c, i, j));
  return y;
}

OnnxArray conv(const OnnxFileNode& node, const Arrays& in) {
  const OnnxArray &x = *in[0], &w = *in[1];
  const Dims stride = attribute(node, "strides", {1, 1}), dilation = attribute(node, "dilations", {1, 1});
  const Dims pad = attribute(node, "pads", {0, 0, 0, 0});
  const int64_t groups = attribute(node, "group", {1})[0], out = w.dims[0] / groups, depth = w.dims[1];
  AZ_CHECK(depth * groups == x.dims[1], "Conv: {} channels of x, {} groups of {}", x.dims[1], groups, depth);
  const auto size = [&](size_t d) {
    return (x.dims[d + 2] + pad[d] + pad[d + 2] - dilation[d] * (w.dims[d + 2] - 1) - 1) / stride[d] + 1;
  };
  return map4({x.dims[0], w.dims[0], size(0), size(1)}, [&](int64_t n, int64_t k, int64_t i, int64_t j) {
    double sum = in.size() > 2 ? in[2]->values[static_cast<size_t>(k)] : 0;
    for (int64_t c = 0; c < depth; ++c)
      for (int64_t r = 0; r < w.dims[2]; ++r)
        for (int64_t s = 0; s < w.dims[3]; ++s)
          sum += at(w, k, c, r, s) * at(x, n, k / out * depth + c, i * stride[0] - pad[0] + r * dilation[0],
                                        j * stride[1] - pad[1] + s * dilation[1]);
    return sum;
  });
}

/// Stride 1, no padding.
OnnxArray conv_transpose(const Arrays& in) {
  const OnnxArray &x = *in[0], &w = *in[1];
  return map4({x.dims[0], w.dims[1], x.dims[2] + w.dims[2] - 1, x.dims[3] + w.dims[3] - 1},
              [&](int64_t n, int64_t k, int64_t i, int64_t j) {
                double sum = 0;
                for (int64_t c = 0; c < x.dims[1]; ++c)
                  for (int64_t r = 0; r < w.dims[2]; ++r)
                    for (int64_t s = 0; s < w.dims[3]; ++s) sum += at(w, c, k, r, s) * at(x, n, c, i - r, j - s);
                return sum;
              });
}

OnnxArray max_pool(const OnnxFileNode& node, const OnnxArray& x) {
  const Dims kernel = attribute(node, "kernel_shape", {}), stride = attribute(node, "strides", {1, 1});
  const Dims pad = attribute(node, "pads", {0, 0, 0, 0});
  const auto size = [&](size_t d) { return (x.dims[d + 2] + pad[d] + pad[d + 2] - kernel[d]) / stride[d] + 1; };
  return map4({x.dims[0], x.dims[1], size(0), size(1)}, [&](int64_t n, int64_t c, int64_t i, int64_t j) {
    double most = -std::numeric_limits<double>::infinity();
    for (int64_t r = 0; r < kernel[0]; ++r)
      for (int64_t s = 0; s < kernel[1]; ++s) {
        const int64_t y = i * stride[0] - pad[0] + r, z = j * stride[1] - pad[1] + s;
        if (y >= 0 && y < x.dims[2] && z >= 0 && z < x.dims[3]) most = std::max(most, at(x, n, c, y, z));
      }
    return most;
  });
}

/// f of each pair of elements, numpy's broadcasting.
template <class F>
OnnxArray broadcast(const OnnxArray& a, const OnnxArray& b, const F& f) {
  const size_t rank = std::max(a.dims.size(), b.dims.size());
  Dims dims(rank);
  const auto dim = [&](const OnnxArray& t, size_t d) {
    return d + t.dims.size() < rank ? 1 : t.dims[d + t.dims.size() - rank];
  };
  for (size_t d = 0; d < rank; ++d) {
    dims[d] = std::max(dim(a, d), dim(b, d));
    AZ_CHECK((dim(a, d) == dims[d] || dim(a, d) == 1) && (dim(b, d) == dims[d] || dim(b, d) == 1), "no broadcast");
  }
  OnnxArray y = blank(dims);
  const auto place = [&](const OnnxArray& t, int64_t i) {
    int64_t from = 0, step = 1;
    for (size_t d = rank; d-- > 0; i /= dims[d]) {
      if (dim(t, d) > 1) from += i % dims[d] * step;
      step *= dim(t, d);
    }
    return t.values[static_cast<size_t>(from)];
  };
  for (int64_t i = 0; i < y.count(); ++i) y.values[static_cast<size_t>(i)] = f(place(a, i), place(b, i));
  return y;
}

OnnxArray each(OnnxArray x, double (*f)(double)) {
  for (double& v : x.values) v = f(v);
  return x;
}

OnnxArray reshape(const OnnxArray& x, Dims dims) {
  for (size_t d = 0; d < dims.size(); ++d)
    if (dims[d] == 0) dims[d] = x.dims[d];
  for (int64_t& d : dims)
    if (d == -1) d = x.count() / -product(dims);
  AZ_CHECK(product(dims) == x.count(), "Reshape: {} elements", x.count());
  return {dims, x.values};
}

/// Of rows and columns.
OnnxArray slice(const Arrays& in) {
  AZ_CHECK(integers(*in[3]) == (Dims{2, 3}), "Slice of other axes than rows and columns");
  const Dims begin = integers(*in[1]), end = integers(*in[2]);
  const OnnxArray& x = *in[0];
  return map4({x.dims[0], x.dims[1], end[0] - begin[0], end[1] - begin[1]},
              [&](int64_t n, int64_t c, int64_t i, int64_t j) { return at(x, n, c, i + begin[0], j + begin[1]); });
}

OnnxArray pad(const Arrays& in) {
  const OnnxArray& x = *in[0];
  const Dims p = integers(*in[1]);
  AZ_CHECK(p[0] == 0 && p[1] == 0 && p[4] == 0 && p[5] == 0, "Pad of other axes than rows and columns");
  return map4({x.dims[0], x.dims[1], x.dims[2] + p[2] + p[6], x.dims[3] + p[3] + p[7]},
              [&](int64_t n, int64_t c, int64_t i, int64_t j) { return at(x, n, c, i - p[2], j - p[3]); });
}

OnnxArray gather(const Arrays& in) {
  AZ_CHECK(in[0]->dims.size() == 1, "Gather of more than one dimension");
  OnnxArray y = *in[1];
  for (double& v : y.values) v = in[0]->values.at(static_cast<size_t>(v));
  return y;
}

/// Over the last axis of two.
OnnxArray reduce_sum(const Arrays& in) {
  const OnnxArray& x = *in[0];
  AZ_CHECK(x.dims.size() == 2 && integers(*in[1]) == Dims{1}, "ReduceSum of another axis than 1 of 2");
  OnnxArray y = blank({x.dims[0], 1});
  for (size_t i = 0; i < x.values.size(); ++i) y.values[i / static_cast<size_t>(x.dims[1])] += x.values[i];
  return y;
}

OnnxArray resize(const OnnxFileNode& node, const Arrays& in) {
  AZ_CHECK(node.texts.at("mode") == "nearest" && node.texts.at("nearest_mode") == "floor" &&
               node.texts.at("coordinate_transformation_mode") == "asymmetric",
           "Resize of another mode");
  const OnnxArray& x = *in[0];
  const Dims dims = integers(*in.back());
  return map4(dims, [&](int64_t n, int64_t c, int64_t i, int64_t j) {
    return at(x, n, c, i * x.dims[2] / dims[2], j * x.dims[3] / dims[3]);
  });
}

OnnxArray instance_norm(const OnnxFileNode& node, const Arrays& in) {
  OnnxArray y = *in[0];
  const auto channels = static_cast<size_t>(y.dims[1]);
  const size_t count = y.values.size() / (static_cast<size_t>(y.dims[0]) * channels);
  for (size_t row = 0; row < static_cast<size_t>(y.dims[0]) * channels; ++row) {
    double* v = y.values.data() + row * count;
    const double mean = std::accumulate(v, v + count, 0.0) / static_cast<double>(count);
    double var = 0;
    for (size_t i = 0; i < count; ++i) var += (v[i] - mean) * (v[i] - mean) / static_cast<double>(count);
    const double factor = in[1]->values[row % channels] / std::sqrt(var + double{node.numbers.at("epsilon")});
    for (size_t i = 0; i < count; ++i) v[i] = (v[i] - mean) * factor + in[2]->values[row % channels];
  }
  return y;
}

OnnxArray run_node(const OnnxFileNode& node, const Arrays& in) {
  const std::string& type = node.type;
  if (type == "Conv") return conv(node, in);
  if (type == "ConvTranspose") return conv_transpose(in);
  if (type == "MaxPool") return max_pool(node, *in[0]);
  if (type == "Add") return broadcast(*in[0], *in[1], std::plus<>());
  if (type == "Mul") return broadcast(*in[0], *in[1], std::multiplies<>());
  if (type == "Min") return broadcast(*in[0], *in[1], [](double a, double b) { return std::min(a, b); });
  if (type == "Relu") return each(*in[0], [](double v) { return std::max(v, 0.0); });
  if (type == "Exp") return each(*in[0], [](double v) { return std::exp(v); });
  if (type == "Identity") return *in[0];
  if (type == "Reshape") return reshape(*in[0], integers(*in[1]));
  if (type == "Slice") return slice(in);
  if (type == "Pad") return pad(in);
  if (type == "Gather") return gather(in);
  if (type == "ReduceSum") return reduce_sum(in);
  if (type == "Resize") return resize(node, in);
  if (type == "InstanceNormalization") return instance_norm(node, in);
  fail("the operator {}", type);
}

OnnxArray decoded(const OnnxFileTensor& t) {
  OnnxArray a = blank(t.dims);
  const auto read = [&](auto element) {
    for (size_t i = 0; i < a.values.size(); ++i) {
      std::memcpy(&element, t.bytes.data() + i * sizeof(element), sizeof(element));
      a.values[i] = static_cast<double>(element);
    }
  };
  if (t.type == 1) read(float{});
  if (t.type == 6) read(int32_t{});
  if (t.type == 7) read(int64_t{});
  return a;
}

}  // namespace

std::map<std::string, OnnxArray> run_onnx(const OnnxFile& file, std::map<std::string, OnnxArray> values) {
  for (const auto& [name, input] : file.inputs)
    AZ_CHECK(values.contains(name) && values[name].dims == input.dims, "no input {} of the file's shape", name);
  for (const auto& [name, constant] : file.constants) values[name] = decoded(constant);
  for (const OnnxFileNode& node : file.nodes) {
    Arrays in;
    for (const std::string& name : node.inputs)
      if (!name.empty()) in.push_back(&values.at(name));
    OnnxArray y = run_node(node, in);
    values[node.outputs.at(0)] = std::move(y);
  }
  std::map<std::string, OnnxArray> outputs;
  for (const auto& [name, output] : file.outputs) {
    AZ_CHECK(values.at(name).dims == output.dims, "the output {} has another shape than the file says", name);
    outputs[name] = values.at(name);
  }
  return outputs;
}

OnnxArray onnx_array(const Tensor& t) {
  const Tensor values = (t.rank() == 4 ? ohwi_to_oihw(t) : t).to(DType::f64);
  const auto dims = values.shape().dims();
  return {{dims.begin(), dims.end()}, values.to_vector<double>()};
}

OnnxRound check_onnx(const autograd::OnnxGraph& graph, const autograd::NamedTensors& inputs,
                     const autograd::NamedTensors& outputs) {
  OnnxRound round{read_onnx(train::encode_onnx(graph)), {}};
  round.faults = onnx_faults(round.file);
  std::map<std::string, OnnxArray> values;
  for (const auto& [name, tensor] : inputs) values[name] = onnx_array(tensor);
  const auto got = run_onnx(round.file, std::move(values));
  AZ_CHECK(got.size() == outputs.size(), "{} outputs, want {}", got.size(), outputs.size());
  for (const auto& [name, tensor] : outputs) {
    const OnnxArray want = onnx_array(tensor);
    const OnnxArray& have = got.at(name);
    AZ_CHECK(have.dims == want.dims, "{} has another shape", name);
    double most = 0, error = 0;
    for (size_t i = 0; i < want.values.size(); ++i) {
      most = std::max(most, std::abs(want.values[i]));
      const double difference = std::abs(have.values[i] - want.values[i]);
      error = std::isfinite(difference) ? std::max(error, difference) : std::numeric_limits<double>::infinity();
    }
    AZ_CHECK(most > 0, "{} is zero everywhere", name);
    round.worst = std::max(round.worst, error / most);
  }
  return round;
}

}  // namespace az::test
