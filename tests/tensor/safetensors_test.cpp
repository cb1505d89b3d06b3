#include "tensor/safetensors.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/devices.h"

using namespace az;

namespace {

std::string file_of(const std::string& header, const std::string& data = "") {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

/// A file of these header entries.
std::string file_with(const std::vector<std::string>& entries, const std::string& data = "") {
  std::string header;
  for (const std::string& item : entries) header.append(header.empty() ? "{" : ",").append(item);
  return file_of(header.append("}"), data);
}

StateDict decode(const std::string& bytes) { return decode_safetensors(bytes, "w.st", test::cpu()); }

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& range) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})", name, dtype, shape, range);
}

std::string message(const std::string& bytes) {
  try {
    decode(bytes);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("safetensors: what is written is read back, every dtype and odd shapes") {
  for (Device* device : test::devices()) {
    StateDict tensors;
    tensors["f32"] = Tensor::full({3, 5}, 1.25, DType::f32, *device);
    tensors["bf16"] = Tensor::full({7}, -3, DType::bf16, *device);
    tensors["f16"] = Tensor::full({9}, 0.1, DType::f16, *device);
    tensors["f64"] = Tensor::full({}, 0.1, DType::f64, *device);
    tensors["i32"] = Tensor::full({1, 1, 33}, -7, DType::i32, *device);
    tensors["i64"] = Tensor::full({2, 0, 4}, 9, DType::i64, *device);
    tensors["u8 \"\n\u00e9"] = Tensor::full({31}, 200, DType::u8, *device);
    const std::string bytes = encode_safetensors(tensors, {{"format", "pt"}});
    Metadata metadata;
    const StateDict read = decode_safetensors(bytes, "w.st", *device, &metadata);
    CHECK(metadata == Metadata{{"format", "pt"}});
    REQUIRE(read.size() == tensors.size());
    for (const auto& [name, tensor] : tensors) {
      CAPTURE(name);
      REQUIRE(read.contains(name));
      CHECK(read.at(name).shape() == tensor.shape());
      CHECK(read.at(name).dtype() == tensor.dtype());
      CHECK(read.at(name).to(DType::f64).to_vector<double>() == tensor.to(DType::f64).to_vector<double>());
    }
    CHECK(encode_safetensors(read, metadata) == bytes);
  }
}

TEST_CASE("safetensors: a file survives a write that replaces it") {
  const auto file = std::filesystem::temp_directory_path() / "az_safetensors_test.safetensors";
  write_safetensors(file, {{"a", Tensor::full({2}, 1, DType::f32, test::cpu())}});
  write_safetensors(file, {{"a", Tensor::full({2}, 2, DType::f32, test::cpu())}});
  CHECK(read_safetensors(file, test::cpu()).at("a").to_vector<float>() == std::vector{2.0F, 2.0F});
  std::filesystem::remove(file);
  CHECK_THROWS_WITH_AS(read_safetensors(file, test::cpu()),
                       (file.string() + ": cannot open it: No such file or directory").c_str(), Error);
}

TEST_CASE("safetensors: narrow types are widened") {
  const std::string data("\x00\x3c\x01\x80\xff\x7f\xfe\xff\xfe\xff\x80\x07", 12);
  const StateDict t =
      decode(file_with({entry("h", "F16", "[2]", "[0,4]"),
                        entry("i16", "I16", "[2]", "[4,8]") + "," + entry("u16", "U16", "[1]", "[8,10]"),
                        entry("i8", "I8", "[1]", "[10,11]") + "," + entry("b", "BOOL", "[1]", "[11,12]")},
                       data));
  CHECK(t.at("h").dtype() == DType::f16);
  CHECK(t.at("h").to(DType::f32).to_vector<float>() == std::vector{1.0F, -0x1p-24F});
  CHECK(t.at("i16").to_vector<int32_t>() == std::vector{32767, -2});
  CHECK(t.at("u16").to_vector<int32_t>() == std::vector{65534});
  CHECK(t.at("i8").to_vector<int32_t>() == std::vector{-128});
  CHECK(t.at("b").to_vector<uint8_t>() == std::vector<uint8_t>{1});
}

TEST_CASE("safetensors: broken files get one clear error") {
  const std::string four(4, '\0');
  CHECK(message("") == "w.st: 0 bytes are too few for a safetensors file");
  CHECK(message(std::string(8, '\xff')) ==
        "w.st: a header of 18446744073709551615 bytes; it is not a safetensors file");
  CHECK(message(file_of("{}").substr(0, 9)) ==
        "w.st: the header has 2 bytes, but only 1 follow; the file is cut short");
  CHECK(message(file_of(" {}")) == "w.st: the header does not start with a brace; it is not a safetensors file");
  CHECK(message(file_of("{")).starts_with("w.st: the header is not JSON: "));
  CHECK(message(file_of("{}x")).starts_with("w.st: the header is not JSON: "));
  CHECK(message(file_of("{\"\xff\":1}")).starts_with("w.st: the header is not JSON: "));
  CHECK(message(file_of("{\"a\":1}")) == "w.st: tensor \"a\": its entry is not a JSON object");
  CHECK(message(file_of("{\"a\":{\"dtype\":\"F32\"}}")) == "w.st: tensor \"a\": wants dtype, shape and data_offsets");
  CHECK(message(file_of("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}")) ==
        "w.st: tensor \"a\": field \"dtype\" comes twice");
  CHECK(message(file_of("{\"a\":{\"more\":1}}")) == "w.st: tensor \"a\": unknown field \"more\"");
  CHECK(message(file_with({entry("a", "F8_E4M3", "[4]", "[0,4]")}, four)) ==
        "w.st: tensor \"a\": dtype \"F8_E4M3\" is not supported");
  const std::string a = entry("a", "F32", "[1]", "[0,4]");
  CHECK(message(file_with({a, a}, four)) == "w.st: tensor \"a\" comes twice");
  CHECK(message(file_with({a}, "abc")) ==
        "w.st: tensor \"a\" ends at 4, but the data has 3 bytes; the file is cut short");
  CHECK(message(file_with({a}, "abcde")) == "w.st: 1 bytes after the last tensor belong to none");
  CHECK(message(file_with({a, entry("b", "F32", "[1]", "[0,4]")}, four)) ==
        "w.st: tensor \"b\" starts at 0, but the one before it ends at 4");
  CHECK(message(file_with({a, entry("b", "U8", "[1]", "[5,6]")}, four + "xx")) ==
        "w.st: tensor \"b\" starts at 5, but the one before it ends at 4");
  CHECK(message(file_with({entry("a", "F32", "[2]", "[0,4]")}, four)) ==
        "w.st: tensor \"a\": 4 bytes at 0 do not fit its shape [2]");
  CHECK(message(file_with({entry("a", "F32", "[4294967296,4294967296]", "[0,4]")}, four)) ==
        "w.st: tensor \"a\": its shape has more elements than can be counted");
  CHECK(message(file_with({entry("a", "F32", "[4611686018427387904]", "[0,0]")})) ==
        "w.st: tensor \"a\": 0 bytes at 0 do not fit its shape [4611686018427387904]");
  CHECK(message(file_with({entry("a", "F32", "[-1]", "[0,4]")}, four)) ==
        "w.st: tensor \"a\": shape holds something else than whole numbers");
  CHECK(message(file_with({entry("a", "F32", "[1.5]", "[0,4]")}, four)) ==
        "w.st: tensor \"a\": shape holds something else than whole numbers");
  CHECK(message(file_with({entry("a", "U8", "[1,1,1,1,1,1,4]", "[0,4]")}, four)) ==
        "w.st: tensor \"a\": 7 dimensions, at most 6 are supported");
  CHECK(message(file_with({entry("a", "F32", "[1]", "[4,0]")}, four)) ==
        "w.st: tensor \"a\": data_offsets are not [begin, end]");
  CHECK(message(file_of(R"({"__metadata__":{"a":1}})")) == "w.st: __metadata__ field \"a\" is not a string");
  CHECK(message(file_of(fmt::format("{{\"{}\\n\":1}}", std::string(300, 'n')))) ==
        fmt::format("w.st: tensor \"{}...\": its entry is not a JSON object", std::string(100, 'n')));
}

TEST_CASE("safetensors: every prefix of a good file is an error") {
  const std::string bytes = encode_safetensors(
      {{"a", Tensor::full({3}, 1, DType::f32, test::cpu())}, {"b", Tensor::full({2, 2}, 1, DType::u8, test::cpu())}});
  for (size_t length = 0; length < bytes.size(); ++length) CHECK_THROWS_AS(decode(bytes.substr(0, length)), Error);
}

TEST_CASE("safetensors: names that no file can hold are refused") {
  const Tensor one = Tensor::zeros({1}, DType::f32, test::cpu());
  CHECK_THROWS_WITH_AS(encode_safetensors({{"__metadata__", one}}),
                       "safetensors: a tensor cannot be called __metadata__", Error);
  CHECK_THROWS_WITH_AS(encode_safetensors({{"a", Tensor()}}), "safetensors: tensor \"a\" is undefined", Error);
  CHECK_THROWS_WITH_AS(encode_safetensors({{"\xff", one}}), "safetensors: a name or a metadata field is not UTF-8 text",
                       Error);
}

TEST_CASE("safetensors: the golden files are read") {
  const char* source = std::getenv("AZIMUTH_SOURCE");
  const std::filesystem::path golden = std::filesystem::path(source ? source : ".") / "tests/golden/polarmask";
  const StateDict losses = read_safetensors(golden / "losses.safetensors", test::cpu());
  CHECK(!losses.empty());
  const StateDict pipeline = read_safetensors(golden / "pipeline.safetensors", test::cpu());
  CHECK(!pipeline.empty());
}
