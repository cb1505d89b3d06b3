#include "tensor/file.h"

#include <doctest/doctest.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tensor/error.h"
#include "tests/support/temporary.h"

using namespace az;

TEST_CASE("file: bytes come back, and a rewrite leaves no other file") {
  const test::TemporaryFolder folder;
  const auto file = folder.path() / "a.bin";
  const std::string bytes("\0\xff\n\r", 4);
  write_file(file, "longer than the next");
  write_file(file, bytes);
  CHECK(read_file(file) == bytes);
  write_file(file, "");
  CHECK(read_file(file).empty());
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("file: many files are written first and put on the disk at once") {
  const test::TemporaryFolder folder;
  for (const char* name : {"a", "b"}) write_file(folder.path() / name, name, Flush::later);
  flush_files(folder.path());
  CHECK(read_file(folder.path() / "a") == "a");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);
  CHECK_THROWS_AS(flush_files(folder.path() / "none"), Error);
  CHECK_THROWS_AS(flush_files(folder.path() / "a"), Error);  // no folder
}

TEST_CASE("file: errors name the file") {
  const test::TemporaryFolder folder;
  const std::string missing = folder.path() / "no" / "file";
  CHECK_THROWS_WITH_AS(read_file(missing),
                       fmt::format("{}: cannot open it: No such file or directory", missing).c_str(), Error);
  CHECK_THROWS_WITH_AS(write_file(missing, "x"),
                       fmt::format("{}: cannot create it: No such file or directory", missing).c_str(), Error);
  CHECK_THROWS_WITH_AS(read_file(folder.path()), fmt::format("{}: not a regular file", folder.path().string()).c_str(),
                       Error);
}

TEST_CASE("file: parts of a file, and what lies past its end") {
  const test::TemporaryFolder folder;
  const std::string name = folder.path() / "parts";
  write_file(name, "0123456789");
  const InputFile file(name);
  CHECK(file.size() == 10);
  char part[4] = {};
  file.read(3, 4, part);
  CHECK(std::string(part, 4) == "3456");
  file.read(10, 0, part);
  CHECK_THROWS_WITH_AS(file.read(8, 4, part),
                       fmt::format("{}: it ends at byte 10, 2 more are wanted; the file is cut short", name).c_str(),
                       Error);
  CHECK_THROWS_AS(InputFile(folder.path() / "none"), Error);
}

TEST_CASE("file: a failed write leaves the old file and nothing else") {
  const test::TemporaryFolder folder;
  const auto target = folder.path() / "is_a_folder";
  std::filesystem::create_directories(target / "full");
  CHECK_THROWS_WITH_AS(write_file(target, "x"),
                       fmt::format("{}: cannot rename it into place: Is a directory", target.string()).c_str(), Error);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("file: pipes and files larger than any memory do not stop a reader") {
  const test::TemporaryFolder folder;
  const std::string pipe = folder.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH_AS(read_file(pipe), fmt::format("{}: not a regular file", pipe).c_str(), Error);
}

TEST_CASE("file: appends from two writers keep whole lines") {
  const test::TemporaryFolder folder;
  const auto file = folder.path() / "log";
  AppendFile a(file);
  AppendFile b(file);
  for (int i = 0; i < 3; ++i) {
    a.append("one\n");
    b.append("two\n");
  }
  CHECK(read_file(file) == "one\ntwo\none\ntwo\none\ntwo\n");
}
