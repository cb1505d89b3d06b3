#include "train/event_log.h"

#include <simdjson.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tensor/error.h"
#include "train/protobuf.h"

namespace az::train {
namespace {

constexpr size_t kFlush_bytes = 64 << 10;

/// Event {double wall_time = 1; int64 step = 2; ...}
std::string event(double wall_time, int64_t step) {
  std::string out;
  put_double(out, 1, wall_time);
  put_integer(out, 2, step);
  return out;
}

/// Summary.Value {string tag = 1; float simple_value = 2}
std::string summary_value(const Scalar& scalar) {
  std::string out;
  put_bytes(out, 1, scalar.tag);
  put_float(out, 2, static_cast<float>(scalar.value));
  return out;
}

// -- TFRecord

constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78U : 0U);  // Castagnoli, reflected
    table[i] = crc;
  }
  return table;
}();

/// CRC-32C, rotated and shifted so that a record may hold records (record_writer.h).
uint32_t masked_crc(std::string_view bytes) {
  uint32_t crc = ~0U;
  for (const char c : bytes) crc = kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xff] ^ (crc >> 8);
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

void put_record(std::string& out, std::string_view data) {
  std::string length;
  put_raw(length, uint64_t{data.size()});
  out += length;
  put_raw(out, masked_crc(length));
  out += data;
  put_raw(out, masked_crc(data));
}

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

/// A name that no other writer on any machine has; names sort by their start, which is how TensorBoard orders files.
std::filesystem::path event_file(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  AZ_CHECK(!error, "{}: cannot make the folder: {}", folder.string(), error.message());
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host = {'h', 'o', 's', 't'};
  static std::atomic<int> count{0};
  return folder / fmt::format("events.out.tfevents.{:010}.{}.{}.{}", static_cast<int64_t>(now()), host.data(),
                              ::getpid(), count++);
}

}  // namespace

EventLog::EventLog(const std::filesystem::path& folder, std::optional<int64_t> resumed_at) : file_(event_file(folder)) {
  std::string version = event(now(), 0);
  put_bytes(version, 3, "brain.Event:2");  // string file_version = 3
  put_record(pending_, version);
  if (resumed_at) {
    // SessionLog session_log = 7 {status = 1: START}: TensorBoard drops what it has from this step on.
    std::string restart = event(now(), *resumed_at + 1);
    put_bytes(restart, 7, "\x08\x01");
    put_record(pending_, restart);
  }
  flush();
}

EventLog::~EventLog() {
  try {
    flush();
  } catch (const std::exception&) {  // a full disk must not end the program from a destructor
  }
}

void EventLog::add(int64_t step, std::span<const Scalar> scalars, std::optional<double> wall_time) {
  std::string summary;
  for (const Scalar& scalar : scalars) put_bytes(summary, 1, summary_value(scalar));  // repeated Value value = 1
  std::string message = event(wall_time.value_or(now()), step);
  put_bytes(message, 5, summary);  // Summary summary = 5
  put_record(pending_, message);
  if (pending_.size() >= kFlush_bytes) flush();
}

void EventLog::flush() {
  file_.append(pending_);
  pending_.clear();
}

namespace {

/// The step of a line, or nothing if it is not a whole JSON object with one (a kill cut it).
std::optional<int64_t> step_of(simdjson::dom::parser& parser, std::string_view line) {
  int64_t step = 0;
  if (parser.parse(simdjson::padded_string(line))["step"].get(step)) return std::nullopt;
  return step;
}

/// Leaves the lines up to the step; the file is replaced as a whole.
std::filesystem::path cut_after(const std::filesystem::path& file, std::optional<int64_t> step) {
  if (!step || !std::filesystem::exists(file)) return file;
  const std::string text = read_file(file);
  std::string kept;
  simdjson::dom::parser parser;
  for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    const std::string_view line = std::string_view(text).substr(at, end + 1 - at);
    const auto line_step = step_of(parser, line);
    if (line_step && *line_step <= *step) kept += line;
  }
  if (kept != text) write_file(file, kept);
  return file;
}

}  // namespace

MetricsLog::MetricsLog(const std::filesystem::path& file, std::optional<int64_t> resumed_at)
    : file_(cut_after(file, resumed_at)) {}

void MetricsLog::add(int64_t step, std::span<const Scalar> scalars) {
  nlohmann::ordered_json line = {{"step", step}};
  for (const Scalar& scalar : scalars) line[scalar.tag] = scalar.value;
  file_.append(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace az::train
