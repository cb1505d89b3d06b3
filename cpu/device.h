// The host as a device.
#pragma once

#include "tensor/device.h"

namespace az::cpu {

class CpuDevice final : public Device {
 public:
  /// `exact`: convolutions are plain loops that sum in double, for comparisons; tens of times slower.
  explicit CpuDevice(bool exact = false);
  ~CpuDevice() override;

  DeviceKind kind() const override { return DeviceKind::cpu; }
  std::string name() const override { return "cpu"; }
  void copy_from_host(void* to, const void* from, int64_t bytes) override;
  void copy_to_host(void* to, const void* from, int64_t bytes) override;
  void copy(void* to, const void* from, int64_t bytes) override;
  void fill_zero(void* to, int64_t bytes) override;
  void fill(void* to, const void* value, int64_t value_bytes, int64_t count) override;
  void synchronise() override {}

  bool exact() const { return exact_; }
  /// Whether 3x3 convolutions may be Winograd's where cpu/winograd.h says that it pays; they are unless turned off.
  bool winograd() const { return winograd_; }
  void set_winograd(bool on) { winograd_ = on; }

  /// Whether convolutions multiply bf16 maps as they are: where the processor can, unless turned off, and never on an
  /// exact device. Elsewhere they go through f32, with the same points of rounding.
  bool bf16_products() const { return bf16_products_; }
  void set_bf16_products(bool on);

  /// oneDNN's engine, primitives and packed weights (cpu/dnn.h).
  class Dnn;
  Dnn& dnn() { return *dnn_; }

 private:
  std::unique_ptr<Dnn> dnn_;
  bool exact_;
  bool winograd_ = true;
  bool bf16_products_ = false;
};

/// The version of oneDNN in use, "2.6.3".
std::string dnn_version();

}  // namespace az::cpu
