#include "tensor/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "tensor/error.h"

namespace az {
namespace {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& file, int flags) : fd_(::open(file.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  int take() { return std::exchange(fd_, -1); }
  bool close() {
    const int fd = std::exchange(fd_, -1);
    return fd < 0 || ::close(fd) == 0;
  }

 private:
  int fd_;
};

constexpr std::string_view kTemporary = ".tmp";

/// Whether `name` is FILE.PID.tmp of a process that cannot be writing it: a dead one, or this one, which writes one
/// file at a time and is asking. A reused process id keeps a file for one more start.
bool is_leftover(std::string_view name) {
  if (!name.ends_with(kTemporary)) return false;
  name.remove_suffix(kTemporary.size());
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view digits = name.substr(dot + 1);
  pid_t writer = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), writer);
  if (error != std::errc() || end != digits.data() + digits.size() || writer <= 0) return false;
  return writer == ::getpid() || (::kill(writer, 0) != 0 && errno == ESRCH);
}

}  // namespace

void remove_leftovers(const std::filesystem::path& folder) {
  std::error_code ignored;  // no folder, or somebody else was faster
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (is_leftover(entry.path().filename().string())) std::filesystem::remove(entry.path(), ignored);
}

void write_file(const std::filesystem::path& file, std::string_view bytes, Flush flush) {
  std::filesystem::path temporary = file;
  temporary += fmt::format(".{}{}", ::getpid(), kTemporary);
  const auto check = [&](bool ok, const char* doing) {
    if (ok) return;
    const int error = errno;
    ::unlink(temporary.c_str());
    fail("{}: cannot {}: {}", file.string(), doing, std::strerror(error));
  };
  Descriptor out(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  check(out.ok(), "create it");
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t count = ::write(out.get(), bytes.data() + done, bytes.size() - done);
    check(count >= 0 || errno == EINTR, "write it");
    if (count > 0) done += static_cast<size_t>(count);
  }
  if (flush == Flush::now) check(::fsync(out.get()) == 0, "sync it");
  check(out.close(), "close it");
  check(::rename(temporary.c_str(), file.c_str()) == 0, "rename it into place");
}

void flush_files(const std::filesystem::path& folder) {
  const Descriptor in(folder, O_RDONLY | O_DIRECTORY);
  AZ_CHECK(in.ok() && ::syncfs(in.get()) == 0, "{}: cannot sync it: {}", folder.string(), std::strerror(errno));
}

InputFile::InputFile(std::filesystem::path file) : file_(std::move(file)) {
  Descriptor in(file_, O_RDONLY | O_NONBLOCK);  // a named pipe must not hang us before it is refused
  AZ_CHECK(in.ok(), "{}: cannot open it: {}", file_.string(), std::strerror(errno));
  struct stat info {};
  AZ_CHECK(::fstat(in.get(), &info) == 0, "{}: cannot read it: {}", file_.string(), std::strerror(errno));
  AZ_CHECK(S_ISREG(info.st_mode), "{}: not a regular file", file_.string());
  size_ = static_cast<uint64_t>(info.st_size);
  fd_ = in.take();
}

InputFile::~InputFile() {
  if (fd_ >= 0) ::close(fd_);
}

void InputFile::read(uint64_t at, uint64_t bytes, void* to) const {
  for (uint64_t done = 0; done < bytes;) {
    const ssize_t count = ::pread(fd_, static_cast<char*>(to) + done, bytes - done, static_cast<off_t>(at + done));
    AZ_CHECK(count >= 0 || errno == EINTR, "{}: cannot read it: {}", file_.string(), std::strerror(errno));
    AZ_CHECK(count != 0, "{}: it ends at byte {}, {} more are wanted; the file is cut short", file_.string(), at + done,
             bytes - done);
    if (count > 0) done += static_cast<uint64_t>(count);
  }
}

std::string read_file(const std::filesystem::path& file) {
  const InputFile in(file);
  std::string bytes;
  try {
    bytes.resize(in.size());
  } catch (const std::exception&) {  // bad_alloc, or length_error of a sparse file
    fail("{}: {} MiB are more than the memory can take", file.string(), in.size() >> 20);
  }
  in.read(0, in.size(), bytes.data());
  return bytes;
}

AppendFile::AppendFile(std::filesystem::path file)
    : file_(std::move(file)), fd_(::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  AZ_CHECK(fd_ >= 0, "{}: cannot open it to append: {}", file_.string(), std::strerror(errno));
}

AppendFile::~AppendFile() {
  if (fd_ >= 0) ::close(fd_);
}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : file_(std::move(other.file_)), fd_(std::exchange(other.fd_, -1)) {}

void AppendFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
    AZ_CHECK(count >= 0 || errno == EINTR, "{}: cannot append to it: {}", file_.string(), std::strerror(errno));
    if (count > 0) bytes.remove_prefix(static_cast<size_t>(count));
  }
}

}  // namespace az
