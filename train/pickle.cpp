// Opcodes: Lib/pickletools.py of CPython documents them. Those of protocols 0 and 1 that later protocols replaced, and
// those that fetch code from a registry, are not here.
#include "train/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <unordered_map>

#include "tensor/error.h"
#include "tensor/text.h"

namespace az::train {

using Kind = PickleValue::Kind;

namespace {

constexpr size_t kMostValues = 4'000'000;  // a checkpoint of 1,000 tensors with its optimizer has some 50,000

/// Names that no checkpoint needs. Nothing would run anyway; the error tells the user what the file is.
bool is_program(std::string_view module, std::string_view name) {
  static constexpr std::array<std::string_view, 30> kModules = {
      "os",     "posix",      "nt",        "subprocess", "sys",      "runpy",
      "shutil", "socket",     "importlib", "pty",        "ctypes",   "commands",
      "popen2", "webbrowser", "code",      "timeit",     "platform", "pdb",
      "bdb",    "profile",    "cProfile",  "pip",        "asyncio",  "marshal",
      "pickle", "_pickle",    "requests",  "urllib",     "http",     "multiprocessing"};
  static constexpr std::array<std::string_view, 11> kBuiltins = {"eval",  "exec",       "execfile",  "compile",
                                                                 "open",  "__import__", "getattr",   "setattr",
                                                                 "apply", "input",      "breakpoint"};
  const std::string_view package = module.substr(0, module.find('.'));
  if (package == "builtins" || package == "__builtin__") return std::ranges::find(kBuiltins, name) != kBuiltins.end();
  return std::ranges::find(kModules, package) != kModules.end();
}

}  // namespace

const PickleValue* PickleValue::find(std::string_view key) const {
  if (!parts) return nullptr;
  const PickleValue* found = nullptr;
  for (const auto& [name, value] : parts->entries)
    if (name->is(Kind::text) && name->text == key) found = value;
  return found;
}

/// The stack machine that runs a pickle's opcodes.
class PickleMachine {
 public:
  PickleMachine(Pickle& pickle, std::string_view bytes, std::string where)
      : pickle_(pickle), bytes_(bytes), where_(std::move(where)) {}

  void run() {
    do opcode_at_ = at_;
    while (step(static_cast<uint8_t>(take(1)[0])));
    pickle_.root_ = pop();
    pickle_.size_ = at_;
  }

 private:
  template <class... Args>
  [[noreturn]] void error(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: pickle byte {}: {}", where_, opcode_at_, fmt::format(format, std::forward<Args>(args)...));
  }

  // -- bytes

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) error("the data ends in the middle of a value; the file is cut short");
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }

  /// A little-endian number.
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) error("the data ends in the middle of a name; the file is cut short");
    const std::string_view text = take(end - at_);
    take(1);
    return text;
  }

  // -- values and the stack

  void count_values(size_t count) const {
    if (count > kMostValues) error("more than {} values; this is not a checkpoint", kMostValues);
  }

  PickleValue& push(Kind kind) {
    count_values(pickle_.values_.size() + 1);
    PickleValue& value = pickle_.values_.emplace_back();
    value.kind = kind;
    stack_.push_back(&value);
    return value;
  }

  PickleValue& push_parts(Kind kind) {
    PickleValue& value = push(kind);
    value.parts = std::make_unique<PickleValue::Parts>();
    return value;
  }

  /// How many values of the stack belong to what is under construction since the last mark.
  size_t available() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }

  PickleValue* pop() {
    PickleValue* value = top();
    stack_.pop_back();
    return value;
  }

  PickleValue* top() const {
    if (available() == 0) error("it takes a value from an empty stack");
    return stack_.back();
  }

  std::vector<PickleValue*> pop_to_mark() {
    if (marks_.empty()) error("it closes a group that was never opened");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleValue*> values(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return values;
  }

  std::vector<PickleValue*> pop_count(size_t count) {
    if (available() < count) error("it takes {} values from a stack of {}", count, available());
    std::vector<PickleValue*> values(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return values;
  }

  void push_integer(int64_t value) { push(Kind::integer).integer = value; }
  void push_boolean(bool value) { push(Kind::boolean).integer = value; }
  void push_text(Kind kind, std::string_view text) { push(kind).text = text; }
  void push_sequence(const std::vector<PickleValue*>& items) {
    push_parts(Kind::sequence).parts->items.assign(items.begin(), items.end());
  }

  /// An integer of any length, little-endian two's complement.
  void push_long(std::string_view digits) {
    if (digits.size() > sizeof(int64_t)) return push_text(Kind::big, digits);
    uint64_t value = 0;
    for (size_t i = 0; i < digits.size(); ++i) value |= uint64_t{static_cast<uint8_t>(digits[i])} << (8 * i);
    if (!digits.empty() && digits.size() < 8 && (digits.back() & 0x80)) value |= ~uint64_t{0} << (8 * digits.size());
    push_integer(static_cast<int64_t>(value));
  }

  void push_real() {
    uint64_t bits = 0;
    for (const char c : take(sizeof(bits))) bits = bits << 8 | static_cast<uint8_t>(c);  // big-endian
    push(Kind::real).real = std::bit_cast<double>(bits);
  }

  void push_global(std::string_view module, std::string_view name) {
    if (is_program(module, name))
      error("it asks for {}.{}: a program, not a checkpoint; nothing was run", printable(module), printable(name));
    PickleValue& value = push(Kind::global);
    value.module = module;
    value.text = name;
  }

  void push_stack_global() {
    const auto names = pop_count(2);
    if (!names[0]->is(Kind::text) || !names[1]->is(Kind::text)) error("a class is named by something else than text");
    push_global(names[0]->text, names[1]->text);
  }

  void push_persistent() {
    PickleValue* id = pop();
    PickleValue& value = push_parts(Kind::persistent);
    value.parts->items = {id};
    pickle_.persistents_.push_back(&value);
  }

  /// What Python would get by calling: a dict for OrderedDict, else an object that remembers the call.
  void push_call(PickleValue* callable, PickleValue* arguments) {
    if (!callable->is_global("collections", "OrderedDict")) {
      push_parts(Kind::object).parts->items = {callable, arguments};
      return;
    }
    PickleValue& dict = push_parts(Kind::mapping);
    // Python 2 writes OrderedDict([[key, value], ...]).
    const PickleValue* pairs = arguments->item(0);
    for (size_t i = 0; pairs && i < pairs->item_count(); ++i) {
      const PickleValue* pair = pairs->item(i);
      if (pair->item_count() != 2) error("an OrderedDict of something else than pairs");
      count_values(++pairs_);
      dict.parts->entries.emplace_back(pair->item(0), pair->item(1));
    }
  }

  void add_items(PickleValue* to, const std::vector<PickleValue*>& items) {
    if (!to->is(Kind::sequence) && !to->is(Kind::object)) error("it appends to something that is not a list");
    if (to->is(Kind::sequence)) to->parts->items.insert(to->parts->items.end(), items.begin(), items.end());
  }

  void add_entries(PickleValue* to, const std::vector<PickleValue*>& items) {
    if (!to->is(Kind::mapping) && !to->is(Kind::object)) error("it sets a key of something that is not a dict");
    if (items.size() % 2 != 0) error("a key without a value");
    for (size_t i = 0; i < items.size(); i += 2) to->parts->entries.emplace_back(items[i], items[i + 1]);
  }

  /// Python's __setstate__. Of a dict the state is only its attributes, which nobody asks for.
  void build() {
    PickleValue* state = pop();
    PickleValue* object = top();
    if (object->is(Kind::object) && object->item_count() == 2) object->parts->items.push_back(state);
  }

  // -- memo

  void memoize(uint64_t index) { memo_[index] = top(); }

  void push_memo(uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) error("it fetches value {} of the memo, which was never stored", index);
    stack_.push_back(found->second);
  }

  // -- opcodes; each group returns false where the opcode is not its own

  /// Runs one opcode; false at STOP.
  bool step(uint8_t code) {
    if (code == '.') return false;
    if (!step_atom(code) && !step_text(code) && !step_container(code) && !step_object(code) && !step_memo(code))
      error("opcode 0x{:02x} is not one that PyTorch writes", code);
    return true;
  }

  bool step_atom(uint8_t code) {
    switch (code) {
      case 0x80: check_protocol(number<uint8_t>()); return true;
      case 0x95: take(sizeof(uint64_t)); return true;  // FRAME: a hint for readers of streams
      case 'N': push(Kind::none); return true;
      case 0x88: push_boolean(true); return true;
      case 0x89: push_boolean(false); return true;
      case 'J': push_integer(number<int32_t>()); return true;
      case 'K': push_integer(number<uint8_t>()); return true;
      case 'M': push_integer(number<uint16_t>()); return true;
      case 0x8a: push_long(take(number<uint8_t>())); return true;
      case 0x8b: push_long(take(number<uint32_t>())); return true;
      case 'G': push_real(); return true;
      default: return false;
    }
  }

  bool step_text(uint8_t code) {
    switch (code) {
      case 'X': push_text(Kind::text, take(number<uint32_t>())); return true;
      case 0x8c: push_text(Kind::text, take(number<uint8_t>())); return true;
      case 0x8d: push_text(Kind::text, take(number<uint64_t>())); return true;
      // Python 2's str, which was its text.
      case 'T': push_text(Kind::text, take(number<uint32_t>())); return true;
      case 'U': push_text(Kind::text, take(number<uint8_t>())); return true;
      case 'B': push_text(Kind::bytes, take(number<uint32_t>())); return true;
      case 'C': push_text(Kind::bytes, take(number<uint8_t>())); return true;
      case 0x8e:
      case 0x96: push_text(Kind::bytes, take(number<uint64_t>())); return true;
      default: return false;
    }
  }

  bool step_container(uint8_t code) {
    switch (code) {
      case '(': marks_.push_back(stack_.size()); return true;
      case ')':
      case ']':
      case 0x8f: push_parts(Kind::sequence); return true;
      case '}': push_parts(Kind::mapping); return true;
      case 't':
      case 0x91: push_sequence(pop_to_mark()); return true;
      case 0x85: push_sequence(pop_count(1)); return true;
      case 0x86: push_sequence(pop_count(2)); return true;
      case 0x87: push_sequence(pop_count(3)); return true;
      case 'a': add_last(1); return true;
      case 's': add_last(2); return true;
      case 'e':
      case 0x90: {
        const auto items = pop_to_mark();
        add_items(top(), items);
        return true;
      }
      case 'u': {
        const auto items = pop_to_mark();
        add_entries(top(), items);
        return true;
      }
      case '0': pop(); return true;
      case '1': pop_to_mark(); return true;
      case '2': stack_.push_back(top()); return true;
      default: return false;
    }
  }

  /// APPEND (1 value) and SETITEM (2).
  void add_last(size_t count) {
    const auto items = pop_count(count);
    if (count == 1) {
      add_items(top(), items);
    } else {
      add_entries(top(), items);
    }
  }

  bool step_object(uint8_t code) {
    switch (code) {
      case 'c': {
        const std::string_view module = line();
        push_global(module, line());
        return true;
      }
      case 0x93: push_stack_global(); return true;
      case 'Q': push_persistent(); return true;
      case 'R':
      case 0x81: {  // REDUCE, NEWOBJ
        const auto call = pop_count(2);
        push_call(call[0], call[1]);
        return true;
      }
      case 0x92: {  // NEWOBJ_EX, with keyword arguments that nobody asks for
        const auto call = pop_count(3);
        push_call(call[0], call[1]);
        return true;
      }
      case 'b': build(); return true;
      default: return false;
    }
  }

  bool step_memo(uint8_t code) {
    switch (code) {
      case 'q': memoize(number<uint8_t>()); return true;
      case 'r': memoize(number<uint32_t>()); return true;
      case 0x94: memoize(memo_.size()); return true;
      case 'h': push_memo(number<uint8_t>()); return true;
      case 'j': push_memo(number<uint32_t>()); return true;
      default: return false;
    }
  }

  void check_protocol(uint8_t protocol) const {
    if (protocol < 2 || protocol > 5) error("pickle protocol {}; 2 to 5 are read", protocol);
  }

  Pickle& pickle_;
  std::string_view bytes_;
  std::string where_;
  size_t at_ = 0;
  size_t opcode_at_ = 0;
  size_t pairs_ = 0;  // of Python 2's OrderedDicts: one list may be the argument of many
  std::vector<PickleValue*> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, PickleValue*> memo_;
};

Pickle::Pickle(std::string_view bytes, std::string where) { PickleMachine(*this, bytes, std::move(where)).run(); }

}  // namespace az::train
