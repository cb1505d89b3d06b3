// The two layouts of a PyTorch checkpoint: a zip archive (since 1.6), and a row of pickles followed by raw storages.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tensor/file_type.h"
#include "train/pickle.h"

namespace az::train {

/// What a pickle says of a storage: a flat run of elements that tensors look into.
struct StorageRef {
  std::string_view class_name;   ///< "FloatStorage", for errors
  std::optional<FileType> type;  ///< none: elements that no tensor of ours holds
  int64_t element_bytes = 0;
  std::string_view key;  ///< its name in the file
  int64_t offset = 0;    ///< of a view within the storage of that key, in elements
};

/// Reads the tuple ("storage", class, key, location, elements[, view]). Error: `file: what is wrong`.
StorageRef parse_storage(const PickleValue& persistent, const std::string& file);

/// An opened checkpoint. It refers to the file's bytes, which must stay.
class PthContainer {
 public:
  virtual ~PthContainer() = default;
  /// The pickle of what was saved.
  virtual const Pickle& pickle() const = 0;
  /// The bytes of a storage. Error: there is none of that name, or the file is cut short or damaged there.
  virtual std::string_view storage(std::string_view key) = 0;
};

/// Opens either layout. Errors start with `file: `.
std::unique_ptr<PthContainer> open_pth(std::string_view bytes, const std::string& file);

}  // namespace az::train
