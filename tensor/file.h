// Files that are either whole or not there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace az {

/// When a file's bytes are on the disk: as the call returns, or, of thousands of small ones, at the next flush_files.
/// Until then a loss of power may leave it empty; a killed process does not.
enum class Flush : uint8_t { now, later };
/// Writes to a temporary name beside the file, syncs, and renames. Error: `FILE: what is wrong` (the old file stays).
void write_file(const std::filesystem::path& file, std::string_view bytes, Flush flush = Flush::now);
/// Puts all that was written to the folder's file system on its disk. Error: `FOLDER: what is wrong`.
void flush_files(const std::filesystem::path& folder);
/// Removes the temporary files that killed writers left in a folder; those of living processes stay, and a folder that
/// is not there has none. A process of another machine counts as dead.
void remove_leftovers(const std::filesystem::path& folder);
/// The whole file. Error: `FILE: what is wrong`.
std::string read_file(const std::filesystem::path& file);

/// A regular file to read in pieces. Errors: `FILE: what is wrong`; reading past the end is one.
class InputFile {
 public:
  explicit InputFile(std::filesystem::path file);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// Bytes when it was opened.
  uint64_t size() const { return size_; }
  void read(uint64_t at, uint64_t bytes, void* to) const;

 private:
  std::filesystem::path file_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

/// A file that only grows: logs. Errors: `FILE: what is wrong`.
class AppendFile {
 public:
  /// Opens the file at its end, or makes it.
  explicit AppendFile(std::filesystem::path file);
  ~AppendFile();
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&&) = delete;

  /// Adds the bytes in one write, so that a line is there as a whole or not at all, whoever else appends.
  void append(std::string_view bytes);
  const std::filesystem::path& path() const { return file_; }

 private:
  std::filesystem::path file_;
  int fd_ = -1;
};

}  // namespace az
