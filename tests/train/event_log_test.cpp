#include "train/event_log.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tests/support/temporary.h"

using namespace az;
using train::EventLog;
using train::MetricsLog;
using train::Scalar;

namespace {

/// Bit by bit from the polynomial, not from a table.
uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0U;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? (crc >> 1) ^ 0x82F63B78U : crc >> 1;
  }
  return ~crc;
}

uint32_t masked(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

template <class T>
T number_at(const std::string& bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

/// The records of a TFRecord file, their checksums checked.
std::vector<std::string> records_of(const std::string& bytes) {
  std::vector<std::string> records;
  for (size_t at = 0; at < bytes.size();) {
    REQUIRE(bytes.size() - at >= 16);
    const auto length = number_at<uint64_t>(bytes, at);
    REQUIRE(bytes.size() - at >= 16 + length);
    CHECK(number_at<uint32_t>(bytes, at + 8) == masked(bytes.substr(at, 8)));
    records.push_back(bytes.substr(at + 12, length));
    CHECK(number_at<uint32_t>(bytes, at + 12 + length) == masked(records.back()));
    at += 16 + length;
  }
  return records;
}

const std::vector<Scalar> kScalars = {{"loss", 2.5}, {"lr", 0.01}};

}  // namespace

TEST_CASE("event log: the checksum of this test is CRC-32C") { CHECK(crc32c("123456789") == 0xE3069283U); }

TEST_CASE("event log: records are framed Event messages") {
  const test::TemporaryFolder folder;
  EventLog log(folder.path() / "run");
  log.add(300, kScalars, 1.5);
  log.flush();
  const auto records = records_of(read_file(log.path()));
  REQUIRE(records.size() == 2);
  CHECK(records[0].ends_with(std::string("\x1a\x0d") + "brain.Event:2"));
  // wall_time 1.5, step 300, summary of {tag "loss", 2.5} and {tag "lr", 0.01}
  const std::string wanted(
      "\x09\0\0\0\0\0\0\xf8\x3f\x10\xac\x02\x2a\x18\x0a\x0b\x0a\x04loss\x15\0\0\x20\x40\x0a\x09\x0a\x02lr\x15\x0a\xd7"
      "\x23\x3c",
      38);
  CHECK(records[1] == wanted);
}

TEST_CASE("event log: each start has its own file, and a resume tells where it starts") {
  const test::TemporaryFolder folder;
  EventLog first(folder.path());
  EventLog second(folder.path(), 40);
  CHECK(first.path() != second.path());
  const auto records = records_of(read_file(second.path()));
  REQUIRE(records.size() == 2);
  CHECK(records[1].substr(9) == std::string("\x10\x29\x3a\x02\x08\x01"));  // step 41, session_log {START}
}

TEST_CASE("event log: values that nobody flushed are written at the end") {
  const test::TemporaryFolder folder;
  std::filesystem::path file;
  {
    EventLog log(folder.path());
    file = log.path();
    for (int step = 0; step < 3000; ++step) log.add(step, kScalars);
  }
  CHECK(records_of(read_file(file)).size() == 3001);
}

TEST_CASE("metrics log: a line a step, which a resume cuts where it starts") {
  const test::TemporaryFolder folder;
  const auto file = folder.path() / "metrics.jsonl";
  {
    MetricsLog log(file);
    for (int step = 1; step <= 4; ++step)
      log.add(step, std::vector<Scalar>{{"loss", step / 2.0}, {"bad", std::nan("")}});
  }
  CHECK(
      read_file(file).starts_with("{\"step\":1,\"loss\":0.5,\"bad\":null}\n{\"step\":2,\"loss\":1.0,\"bad\":null}\n"));
  AppendFile(file).append("{\"step\":1,\"lo");  // what a kill leaves
  {
    MetricsLog log(file, 2);
    log.add(3, std::vector<Scalar>{{"loss", 7}});
  }
  CHECK(read_file(file) ==
        "{\"step\":1,\"loss\":0.5,\"bad\":null}\n{\"step\":2,\"loss\":1.0,\"bad\":null}\n{\"step\":3,\"loss\":7.0}\n");
  MetricsLog again(file);
  CHECK(read_file(file).ends_with("\"loss\":7.0}\n"));
}

TEST_CASE("logs: a place that cannot be written is an error") {
  CHECK_THROWS_WITH_AS(EventLog("/proc/no/such"), "/proc/no/such: cannot make the folder: No such file or directory",
                       Error);
  CHECK_THROWS_WITH_AS(MetricsLog("/proc/metrics.jsonl"),
                       "/proc/metrics.jsonl: cannot open it to append: No such file or directory", Error);
}
