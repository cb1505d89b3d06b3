// Training curves, twice: event files that TensorBoard opens, and JSON lines for everything else.
//
// TensorBoard's format is TFRecord framing (length, masked CRC-32C, data, masked CRC-32C) around Event messages. Four
// message types with a handful of fields are written by hand, so that a build needs no protobuf compiler; the sources
// are tensorflow/core/lib/io/record_writer.h and tensorflow/core/util/event.proto.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "tensor/file.h"

namespace az::train {

struct Scalar {
  std::string tag;  ///< "loss/cls"; TensorBoard groups by what stands before the slash
  double value;
};

/// One `events.out.tfevents.TIME.HOST.PID.N` file, new at each start as TensorBoard's own writers do.
class EventLog {
 public:
  /// Makes the folder. With `resumed_at` = k, TensorBoard forgets what earlier files of the folder say of steps after
  /// k.
  explicit EventLog(const std::filesystem::path& folder, std::optional<int64_t> resumed_at = std::nullopt);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  /// Adds values of a step; they are in the file after flush(), or once enough have gathered. `wall_time`: seconds
  /// since 1970, now by default.
  void add(int64_t step, std::span<const Scalar> scalars, std::optional<double> wall_time = std::nullopt);
  /// Error: `FILE: cannot append to it`.
  void flush();
  const std::filesystem::path& path() const { return file_.path(); }

 private:
  AppendFile file_;
  std::string pending_;
};

/// `metrics.jsonl`: an object a line, {"step": 120, "loss": 2.413, ...}, tags in the order given; NaN and infinities,
/// which JSON lacks, are null. No times, so that two equal runs write equal files.
class MetricsLog {
 public:
  /// Appends to the file. With `resumed_at` = k, first drops the lines of steps after k, and any that is not whole.
  explicit MetricsLog(const std::filesystem::path& file, std::optional<int64_t> resumed_at = std::nullopt);

  /// Adds one line; it is in the file when this returns.
  void add(int64_t step, std::span<const Scalar> scalars);

 private:
  AppendFile file_;
};

}  // namespace az::train
