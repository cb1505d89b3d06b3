#include "data/json_stream.h"

#include <array>
#include <cstring>

#include "tensor/error.h"

namespace az::data {
namespace {

constexpr size_t kChunk = size_t{1} << 16;

constexpr bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// The characters that end a run of uninteresting ones inside an object or a list.
constexpr auto kStructural = [] {
  std::array<bool, 256> table{};
  for (const char c : {'"', '[', ']', '{', '}'}) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

}  // namespace

JsonStream::JsonStream(std::istream& input, std::string name)
    : input_(input), name_(std::move(name)), buffer_(kChunk + kPadding) {
  refill(0);
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (std::string_view(buffer_.data(), end_).starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
}

// Drops what is before `keep`, and reads on. False at the end of the input.
bool JsonStream::refill(size_t keep) {
  if (keep > 0) std::memmove(buffer_.data(), buffer_.data() + keep, end_ - keep);
  dropped_ += keep;
  at_ -= keep;
  end_ -= keep;
  if (end_ + kPadding == buffer_.size()) buffer_.resize(2 * buffer_.size());
  input_.read(buffer_.data() + end_, static_cast<std::streamsize>(buffer_.size() - kPadding - end_));
  const auto count = static_cast<size_t>(input_.gcount());
  if (input_.bad()) fail("{}: cannot be read", name_);
  end_ += count;
  return count > 0;
}

void JsonStream::fail_here(const std::string& what) const { fail("{}: {}, at byte {}", name_, what, offset()); }

char JsonStream::peek() {
  while (true) {
    while (at_ < end_ && is_space(buffer_[at_])) ++at_;
    if (at_ < end_) return buffer_[at_];
    if (!refill(at_)) return 0;
  }
}

void JsonStream::expect(char wanted) {
  const char next = peek();
  if (next != wanted || at_ == end_) {
    fail_here(at_ == end_ ? fmt::format("the file stops where '{}' should follow", wanted)
                          : fmt::format("'{}' should follow", wanted));
  }
  ++at_;
}

// Takes a string from its opening quote; `start` moves with the buffer.
void JsonStream::skip_string(size_t& start) {
  const auto need = [&] {
    if (at_ < end_) return;
    const size_t keep = start;
    if (!refill(keep)) fail_here("the file stops within a string");
    start = 0;
  };
  for (++at_;; ++at_) {
    need();
    if (buffer_[at_] == '"') break;
    if (buffer_[at_] != '\\') continue;
    ++at_;
    need();
  }
  ++at_;
}

// Takes an object or a list from its opening bracket; `start` moves with the buffer.
void JsonStream::skip_nested(size_t& start) {
  std::string open;  // the brackets still open
  do {
    while (at_ < end_ && !kStructural[static_cast<unsigned char>(buffer_[at_])]) ++at_;
    if (at_ == end_) {
      if (!refill(start)) fail_here("the file stops within a value");
      start = 0;
      continue;
    }
    const char c = buffer_[at_];
    if (c == '"') {
      skip_string(start);
      continue;
    }
    if (c == '[' || c == '{') {
      open.push_back(c);
      if (open.size() > 1000) fail_here("values are nested more than 1000 deep");
    } else {
      if (open.back() != (c == ']' ? '[' : '{')) fail_here(fmt::format("'{}' closes another kind of bracket", c));
      open.pop_back();
    }
    ++at_;
  } while (!open.empty());
}

std::string_view JsonStream::next_value() {
  const char first = peek();
  if (at_ == end_) fail_here("the file stops where a value should follow");
  size_t start = at_;
  if (first == '"') {
    skip_string(start);
  } else if (first == '[' || first == '{') {
    skip_nested(start);
  } else {
    const auto ends = [](char c) { return is_space(c) || c == ',' || c == ']' || c == '}' || c == ':'; };
    while (true) {
      while (at_ < end_ && !ends(buffer_[at_])) ++at_;
      if (at_ < end_ || !refill(start)) break;
      start = 0;
    }
    if (at_ == start) fail_here(fmt::format("a value should follow, not '{}'", first));
  }
  return {buffer_.data() + start, at_ - start};
}

void JsonStream::for_elements(const std::function<void(size_t)>& f) {
  expect('[');
  if (peek() == ']') return expect(']');
  for (size_t index = 0;; ++index) {
    f(index);
    if (peek() == ']') return expect(']');
    expect(',');
  }
}

void JsonStream::for_fields(const std::function<void(std::string_view)>& f) {
  expect('{');
  if (peek() == '}') return expect('}');
  while (true) {
    if (peek() != '"') fail_here("a key in quotes should follow");
    const std::string_view quoted = next_value();
    const std::string key(quoted.substr(1, quoted.size() - 2));
    expect(':');
    f(key);
    if (peek() == '}') return expect('}');
    expect(',');
  }
}

void JsonStream::expect_end() {
  peek();
  if (at_ != end_) fail_here("nothing should follow");
}

}  // namespace az::data
