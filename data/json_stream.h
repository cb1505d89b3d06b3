// A JSON file taken value by value, so that a list of a million entries never stands in memory as a whole.
#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace az::data {

/// Cuts a JSON text into the raw texts of its values: finds where each ends, by brackets and quotes only. What is
/// inside a value is the caller's to parse. Errors: `NAME: what is wrong, at byte N`.
class JsonStream {
 public:
  /// Bytes after every value that may be read (but mean nothing), as simdjson needs.
  static constexpr size_t kPadding = 64;

  /// `name` stands in errors; the stream must outlive this.
  JsonStream(std::istream& input, std::string name);

  /// The next character that is not white space, 0 at the end. Takes nothing.
  char peek();
  /// Takes the character. Error: another one is next.
  void expect(char wanted);
  /// Takes the next value whole: object, list, string, number or word. Valid until the next call.
  std::string_view next_value();
  /// Calls f(index) before each element of a list; f must take one value. Error: not a list.
  void for_elements(const std::function<void(size_t)>& f);
  /// Cuts a list into its elements and calls f(index of the first, texts) for about `bytes` of them at a time, valid
  /// during the call. Where the text is damaged, f gets what stands before the damage, then the error is thrown.
  void for_stretches(size_t bytes, const std::function<void(size_t, std::span<const std::string_view>)>& f);
  /// Calls f(key) before each value of an object; f must take one value. Keys with escapes are given as written.
  void for_fields(const std::function<void(std::string_view)>& f);
  /// Error: something follows.
  void expect_end();
  /// The number of bytes taken.
  uint64_t offset() const { return dropped_ + at_; }

 private:
  bool refill(size_t keep);
  bool refill_value(size_t& start);
  bool cut_stretch(size_t bytes, std::vector<std::pair<uint64_t, size_t>>& cuts);
  void skip_nested(size_t& start);
  void skip_string(size_t& start);
  [[noreturn]] void fail_here(const std::string& what) const;

  std::istream& input_;
  std::string name_;
  std::vector<char> buffer_;
  size_t at_ = 0;
  size_t end_ = 0;
  uint64_t dropped_ = 0;        // bytes of the input before buffer_
  uint64_t held_ = UINT64_MAX;  // the byte of the input from which on nothing may be dropped
};

}  // namespace az::data
