// A run's state on disk, and the folder that keeps it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "tensor/safetensors.h"

namespace az::train {

/// Everything a run needs to go on with the same bits. The sampler and all randomness are functions of seed and step.
struct Checkpoint {
  int64_t step = 0;     ///< steps done
  StateDict model;      ///< by state-dict name, PyTorch's layouts
  StateDict optimizer;  ///< Optimizer::state
  std::string config;   ///< the effective configuration's text
  int64_t stage = 0;    ///< Task::stage of the last step, which the optimiser's state belongs to
  double score = 0;     ///< of the last validation
  bool has_score = false;
};

/// One safetensors file: the model's tensors by their names, the optimiser's under "optimizer/", the rest as metadata.
/// Atomic. Error: `FILE: what is wrong`.
void save_checkpoint(const std::filesystem::path& file, const Checkpoint& checkpoint);
/// Any safetensors file of model tensors is a checkpoint at step 0. Error: `FILE: what is wrong`.
Checkpoint load_checkpoint(const std::filesystem::path& file, Device& device);
/// Step, stage, score and configuration of such a file, without its tensors.
Checkpoint load_header(const std::filesystem::path& file, Device& device);
/// The model of such a file alone.
StateDict load_model(const std::filesystem::path& file, Device& device);

/// RUN/checkpoints: step_00001200.safetensors files, of which the last K are kept.
class CheckpointFolder {
 public:
  /// Makes the folders and removes what killed writers left in them. Error: `FOLDER: cannot create the folder`.
  CheckpointFolder(std::filesystem::path run, int64_t keep_last);

  /// Saves and removes older ones. Returns the file.
  std::filesystem::path save(const Checkpoint& checkpoint);
  /// The newest file; unreadable ones are not passed over: they are an error of the load.
  std::optional<std::filesystem::path> newest() const;

 private:
  std::filesystem::path run_;
  int64_t keep_last_;
};

/// The files that a --weights argument means: a file, a run folder (its best, else its newest), or a glob of either.
/// Error: nothing there.
std::vector<std::filesystem::path> find_weights(const std::string& argument);

}  // namespace az::train
