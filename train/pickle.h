// Python pickles as plain data. Nothing in a pickle is ever called: a class or function is a name, and what Python
// would build by calling it is an object that only remembers that name and its arguments.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace az::train {

/// One value of a pickle. Values refer to each other and may form cycles, so walk them with a bound.
struct PickleValue {
  enum class Kind : uint8_t {
    none,
    boolean,     ///< integer
    integer,     ///< integer, as far as 64 bits hold it
    big,         ///< text: little-endian two's complement of more than 8 bytes
    real,        ///< real
    text,        ///< text: a str
    bytes,       ///< text
    sequence,    ///< items: a tuple, list or set
    mapping,     ///< entries: a dict or an OrderedDict
    global,      ///< module, text: the name of a class or function
    persistent,  ///< items[0]: what the pickle's writer names something outside the pickle by
    object,      ///< items[0] the callable, items[1] its arguments, items[2] the state if there is one; entries
  };
  struct Parts {
    std::vector<const PickleValue*> items;
    std::vector<std::pair<const PickleValue*, const PickleValue*>> entries;
  };

  Kind kind = Kind::none;
  int64_t integer = 0;
  double real = 0;
  std::string_view text;    ///< into the pickle's bytes
  std::string_view module;  ///< of a global, into the pickle's bytes
  std::unique_ptr<Parts> parts;

  bool is(Kind k) const { return kind == k; }
  /// The global `module.name`?
  bool is_global(std::string_view wanted_module, std::string_view name) const {
    return kind == Kind::global && module == wanted_module && text == name;
  }
  /// Item `i`, or null where there is none.
  const PickleValue* item(size_t i) const { return parts && i < parts->items.size() ? parts->items[i] : nullptr; }
  size_t item_count() const { return parts ? parts->items.size() : 0; }
  /// The value stored last under a text key, or null. Any other kind than a mapping or an object has none.
  const PickleValue* find(std::string_view key) const;
};

/// A pickle of protocol 2 to 5 at the start of some bytes, which must stay as long as the values are used.
class Pickle {
 public:
  /// Reads up to the STOP opcode. `where` starts the errors: `where: pickle byte 12: what is wrong`. Errors: an opcode
  /// that PyTorch's checkpoints do not use, a broken stack, a cut end, more values than a checkpoint can have, or a
  /// name that only a program would ask for (os.system, builtins.eval, ...).
  Pickle(std::string_view bytes, std::string where);

  const PickleValue& root() const { return *root_; }
  /// How many bytes the pickle takes.
  size_t size() const { return size_; }
  /// Every persistent identifier, in the pickle's order.
  const std::vector<const PickleValue*>& persistents() const { return persistents_; }

 private:
  friend class PickleMachine;
  std::deque<PickleValue> values_;  // owns them all: cycles are freed too, and without recursion
  std::vector<const PickleValue*> persistents_;
  const PickleValue* root_ = nullptr;
  size_t size_ = 0;
};

}  // namespace az::train
