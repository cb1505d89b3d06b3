// Modules: parts of a network that name their parameters.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace az::nn {

class Module;

/// Walks a network's parts. Names join with dots and equal the references' state-dict names.
class Visitor {
 public:
  virtual ~Visitor() = default;
  /// A learned tensor. Convolution weights are [k, r, s, c / groups] here and OIHW in files.
  virtual void parameter(const std::string& name, Tensor& t) = 0;
  /// A tensor that is saved but not learned: running statistics.
  virtual void buffer(const std::string& name, Tensor& t) = 0;
  /// Enters a part; "" stays at the same level of names.
  virtual void module(const std::string& name, Module& m) = 0;
};

class Module {
 public:
  Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  virtual ~Module() = default;

  /// Shows every part to `v`, always in the same order.
  virtual void visit(Visitor& v) = 0;

  /// Training mode: batch norms use and update the batch's statistics. Off by default; set for all parts.
  void set_training(bool on);
  bool training() const { return training_; }

 private:
  bool training_ = false;
};

/// One named tensor of a network.
struct Entry {
  std::string name;
  Tensor* tensor = nullptr;
  bool learned = false;  ///< a parameter; else a buffer
};

/// All tensors of a network in visiting order. The pointers live as long as the module.
std::vector<Entry> entries(Module& module);
/// The part of this full name. Error: there is none.
Module& find_module(Module& root, const std::string& name);
/// Number of elements of the parameters.
int64_t parameter_count(Module& module);
/// Stops gradients to all parameters of a part.
void freeze(Module& module);

/// The values by name, in PyTorch's layouts (OIHW), on the module's device and sharing no storage with it.
std::map<std::string, Tensor> state_dict(Module& module);

/// The shapes of those values.
std::map<std::string, Shape> state_shapes(Module& module);

/// What a load found.
struct LoadReport {
  std::vector<std::string> missing;  ///< in the network, not in the file
  std::vector<std::string> unused;   ///< in the file, not in the network
};

/// Copies values in by name; `num_batches_tracked` may be missing. Error: a shape differs, all such names in one text.
LoadReport load_state_dict(Module& module, const std::map<std::string, Tensor>& state);
/// The same with values that are given away: on the host convolution weights that nobody else holds are not copied.
LoadReport load_state_dict(Module& module, std::map<std::string, Tensor>&& state);

}  // namespace az::nn
