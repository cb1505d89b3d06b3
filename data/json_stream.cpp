#include "data/json_stream.h"

#include <array>
#include <cstring>
#include <exception>

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

// Drops what is before `keep` and not held, and reads on. False at the end of the input.
bool JsonStream::refill(size_t keep) {
  if (held_ < dropped_ + keep) keep = static_cast<size_t>(held_ - dropped_);
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

// Reads on within a value; its start moves with the buffer.
bool JsonStream::refill_value(size_t& start) {
  const uint64_t before = dropped_;
  const bool more = refill(start);
  start -= static_cast<size_t>(dropped_ - before);
  return more;
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
  bool escaped = false;  // by the character before
  for (++at_;;) {
    if (at_ == end_ && !refill_value(start)) fail_here("the file stops within a string");
    const char* const from = buffer_.data() + at_;
    const size_t left = end_ - at_;
    if (escaped) {
      escaped = false;
      ++at_;
      continue;
    }
    const void* const quote = std::memchr(from, '"', left);
    const size_t length = quote ? static_cast<size_t>(static_cast<const char*>(quote) - from) : left;
    if (const void* const slash = std::memchr(from, '\\', length)) {
      at_ += static_cast<size_t>(static_cast<const char*>(slash) - from) + 1;
      escaped = true;
      continue;
    }
    at_ += length;
    if (!quote) continue;
    ++at_;
    return;
  }
}

// Takes an object or a list from its opening bracket; `start` moves with the buffer.
void JsonStream::skip_nested(size_t& start) {
  std::string open;  // the brackets still open
  do {
    while (at_ < end_ && !kStructural[static_cast<unsigned char>(buffer_[at_])]) ++at_;
    if (at_ == end_) {
      if (!refill_value(start)) fail_here("the file stops within a value");
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
      if (at_ < end_ || !refill_value(start)) break;
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

// Cuts elements up to `bytes` or the end of the list: where each begins in the input, and its length. False at the end.
bool JsonStream::cut_stretch(size_t bytes, std::vector<std::pair<uint64_t, size_t>>& cuts) {
  peek();
  held_ = offset();
  while (offset() - held_ < bytes) {
    const size_t length = next_value().size();
    cuts.emplace_back(offset() - length, length);
    if (peek() == ']') {
      expect(']');
      return false;
    }
    expect(',');
  }
  return true;
}

void JsonStream::for_stretches(size_t bytes, const std::function<void(size_t, std::span<const std::string_view>)>& f) {
  expect('[');
  if (peek() == ']') return expect(']');
  std::vector<std::pair<uint64_t, size_t>> cuts;
  std::vector<std::string_view> texts;
  std::exception_ptr damage;
  size_t done = 0;
  for (bool more = true; more;) {
    cuts.clear();
    texts.clear();
    try {
      more = cut_stretch(bytes, cuts);
    } catch (...) {
      damage = std::current_exception();
    }
    for (const auto& [first, length] : cuts) texts.emplace_back(buffer_.data() + (first - dropped_), length);
    if (!texts.empty()) f(done, texts);
    if (damage) std::rethrow_exception(damage);
    done += texts.size();
    held_ = UINT64_MAX;
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
