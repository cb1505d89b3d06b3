#include <doctest/doctest.h>
#include <fmt/core.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/devices.h"
#include "tests/support/shell.h"
#include "train/pth_reader.h"
#include "train/pth_writer.h"

using namespace az;

namespace {

// The files are by tests/data_files/pth/make_pth.py, run with PyTorch 1.13 and 2.15.
std::filesystem::path fixture(const std::string& name) {
  return test::source_root() / "tests/data_files/pth" / (name + ".pth");
}

StateDict read(const std::string& name) { return train::read_pth(fixture(name), test::cpu()); }

StateDict decode(const std::string& bytes) { return train::decode_pth(bytes, "w.pth", test::cpu()); }

std::string message(const std::string& bytes) {
  try {
    decode(bytes);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

/// make_pth.py's r(): 0.5 * i - 3.
std::vector<double> ramp(std::vector<int> indices) {
  std::vector<double> values;
  for (const int i : indices) values.push_back(0.5 * i - 3);
  return values;
}

std::vector<double> ramp(int begin, int end) {
  std::vector<double> values;
  for (int i = begin; i < end; ++i) values.push_back(0.5 * i - 3);
  return values;
}

void check(const StateDict& state, const std::string& name, const Shape& shape, DType dtype,
           const std::vector<double>& values) {
  CAPTURE(name);
  REQUIRE(state.contains(name));
  const Tensor& tensor = state.at(name);
  CHECK(tensor.shape() == shape);
  CHECK(tensor.dtype() == dtype);
  CHECK(tensor.to(DType::f64).to_vector<double>() == values);
}

/// A file of the older layout around this object pickle, without storages.
std::string legacy(std::string object) {
  std::string bytes("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  bytes += std::string("\x80\x02M\xe9\x03.", 6);
  bytes += std::string("\x80\x02}X\x0d\0\0\0little_endian\x88s.", 24);
  return bytes + object + std::string("\x80\x02].", 4);
}

/// A tensor's call in a pickle, its numbers as one-byte opcodes.
std::string tensor_call(const std::string& sizes, const std::string& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x01"
         "0U\x03"
         "cpuK\x01tQK" +
         std::string(1, '\0') + sizes + strides + "\x89)tR";
}

}  // namespace

TEST_CASE("pth: every dtype and stride that real PyTorch writes") {
  for (const char* name : {"values_zip_2.15", "values_zip_protocol4_2.15", "values_legacy_2.15", "values_zip_1.13",
                           "values_legacy_1.13"}) {
    CAPTURE(name);
    const StateDict state = read(name);
    CHECK(state.size() == 19);
    check(state, "conv.weight", {4, 2, 3, 3}, DType::f32, ramp(0, 72));
    check(state, "channels_last", {2, 3, 4, 5}, DType::f32, ramp(0, 120));
    check(state, "transposed", {5, 3}, DType::f32, ramp({0, 5, 10, 1, 6, 11, 2, 7, 12, 3, 8, 13, 4, 9, 14}));
    check(state, "tail", {4}, DType::f32, ramp(20, 24));
    check(state, "stepped", {7}, DType::f32, ramp({1, 4, 7, 10, 13, 16, 19}));
    check(state, "grid", {4, 6}, DType::f32, ramp(0, 24));
    check(state, "half", {3}, DType::f16, ramp(0, 3));
    check(state, "bfloat", {5}, DType::bf16, ramp(0, 5));
    check(state, "double", {2, 2}, DType::f64, ramp(0, 4));
    check(state, "long", {}, DType::i64, {7});
    check(state, "int", {2}, DType::i32, {-5, 6});
    check(state, "short", {2}, DType::i32, {-300, 300});
    check(state, "char", {2}, DType::i32, {-128, 127});
    check(state, "byte", {2}, DType::u8, {0, 255});
    check(state, "bool", {3}, DType::u8, {1, 0, 1});
    check(state, "empty", {0, 3}, DType::f32, {});
    check(state, "scalar", {}, DType::f32, {2.5});
    check(state, "expanded", {2, 3}, DType::f32, {4, 4, 4, 4, 4, 4});
    check(state, "parameter", {2, 2}, DType::f32, ramp(0, 4));
  }
}

TEST_CASE("pth: a training checkpoint full of other objects gives its state dict") {
  for (const char* name :
       {"checkpoint_zip_2.15", "checkpoint_legacy_2.15", "checkpoint_zip_1.13", "checkpoint_legacy_1.13"}) {
    CAPTURE(name);
    const StateDict state = read(name);
    CHECK(state.size() == 7);
    std::vector<double> weight;
    for (int i = 0; i < 54; ++i) weight.push_back(i);
    check(state, "0.weight", {3, 2, 3, 3}, DType::f32, weight);
    check(state, "0.bias", {3}, DType::f32, {1, 2, 3});
    check(state, "1.weight", {3}, DType::f32, {2, 3, 4});
    check(state, "1.bias", {3}, DType::f32, {3, 4, 5});
    check(state, "1.running_mean", {3}, DType::f32, {4, 5, 6});
    check(state, "1.running_var", {3}, DType::f32, {5, 6, 7});
    check(state, "1.num_batches_tracked", {}, DType::i64, {6});
  }
}

TEST_CASE("pth: a file that would run a program is refused and runs nothing") {
  const std::string error = message(read_file(fixture("malicious_zip_2.15")));
  CHECK(error.starts_with("w.pth: data.pkl: pickle byte "));
  CHECK(error.ends_with(": it asks for \"posix\".\"system\": a program, not a checkpoint; nothing was run"));
  CHECK(message(legacy("\x80\x02"
                       "cbuiltins\neval\nU\x01xR."))
            .ends_with("it asks for \"builtins\".\"eval\": a program, not a checkpoint; nothing was run"));
  CHECK(message(legacy("\x80\x04U\x07os.pathU\x04joinx\x93.")).find("opcode 0x78") != std::string::npos);
}

TEST_CASE("pth: files that are no state dicts say so") {
  CHECK(
      message(read_file(fixture("module_zip_2.15"))) ==
      "w.pth: a Python object of class \"Linear\", not a state dict; in Python, torch.save(module.state_dict(), ...)");
  CHECK(message(read_file(fixture("no_tensors_zip_2.15"))) ==
        "w.pth: no tensors at the top level nor under state_dict, model, model_state_dict or net");
  CHECK(message(read_file(fixture("complex_zip_2.15"))) ==
        "w.pth: tensor \"w\": its elements are of a type that is not supported");
  CHECK(message("") == "w.pth: not a PyTorch checkpoint: neither a zip archive nor the older layout");
  CHECK(message("PK\x03\x04").starts_with("w.pth: a damaged zip archive ("));
}

TEST_CASE("pth: every cut of a real file is an error, quickly") {
  for (const char* name : {"checkpoint_zip_2.15", "values_legacy_2.15"}) {
    const std::string bytes = read_file(fixture(name));
    for (size_t length = 0; length < bytes.size(); length += 3) {
      const std::string error = message(bytes.substr(0, length));
      CAPTURE(length);
      CHECK(error.starts_with("w.pth: "));
    }
  }
}

TEST_CASE("pth: a changed byte of a stored tensor is noticed in the zip layout") {
  std::string bytes = read_file(fixture("values_zip_2.15"));
  const float wanted[] = {-3.0F, -2.5F, -2.0F};
  const size_t at = bytes.find(std::string(reinterpret_cast<const char*>(wanted), sizeof(wanted)));
  REQUIRE(at != std::string::npos);
  bytes[at] = 1;
  CHECK(message(bytes).find("is damaged: CRC error") != std::string::npos);
}

TEST_CASE("pth: broken pickles get one clear error") {
  const auto pickle_error = [](const std::string& opcodes) {
    const std::string text = message(legacy("\x80\x02" + opcodes));
    return text.substr(text.find(": pickle byte ") + 2);
  };
  CHECK(pickle_error("0") == "pickle byte 2: it takes a value from an empty stack");
  CHECK(pickle_error("}(0") == "pickle byte 4: it takes a value from an empty stack");
  CHECK(pickle_error("t") == "pickle byte 2: it closes a group that was never opened");
  CHECK(pickle_error("N\x86") == "pickle byte 3: it takes 2 values from a stack of 1");
  CHECK(pickle_error("h\x05") == "pickle byte 2: it fetches value 5 of the memo, which was never stored");
  CHECK(pickle_error("\x82\x01") == "pickle byte 2: opcode 0x82 is not one that PyTorch writes");
  CHECK(pickle_error("X\xff\xff\xff\x7fz") ==
        "pickle byte 2: the data ends in the middle of a value; the file is cut short");
  CHECK(pickle_error("NNa") == "pickle byte 4: it appends to something that is not a list");
  CHECK(pickle_error("](NNu") == "pickle byte 6: it sets a key of something that is not a dict");
  CHECK(pickle_error("}(Nu") == "pickle byte 5: a key without a value");
  CHECK(message(legacy("\x80\x01.")).ends_with("pickle protocol 1; 2 to 5 are read"));
}

TEST_CASE("pth: cycles, shared lists and deep nesting do no harm") {
  CHECK(message(legacy("\x80\x02]q\x01h\x01"
                       "a."))
            .find("no tensors at the top level") != std::string::npos);
  std::string deep = "\x80\x02";
  for (int i = 0; i < 100'000; ++i) deep += "]";
  for (int i = 1; i < 100'000; ++i) deep += "a";
  CHECK(message(legacy(deep + ".")).find("no tensors at the top level") != std::string::npos);
  // One list of pairs as the argument of many OrderedDicts would fill the memory.
  std::string pairs = "\x80\x02]q\x01(";
  for (int i = 0; i < 5'000; ++i) pairs += "NN\x86";
  pairs +=
      "e0ccollections\nOrderedDict\nq\x02"
      "0h\x01\x85q\x03"
      "0";
  for (int i = 0; i < 5'000; ++i) pairs += "h\x02h\x03R";
  CHECK(message(legacy(pairs + ".")).ends_with("more than 4000000 values; this is not a checkpoint"));
  // A parameter of itself.
  CHECK(message(legacy("\x80\x02}U\x01w]q\x01"
                       "0ctorch._utils\n_rebuild_parameter\nh\x01Rq\x02h\x01h\x02"
                       "a00U\x01wh\x02s."))
            .starts_with("w.pth: "));
}

TEST_CASE("pth: a tensor that asks for more than its file means is refused") {
  const auto with_tensor = [](const std::string& sizes, const std::string& strides) {
    std::string bytes = legacy("\x80\x02}U\x01w" + tensor_call(sizes, strides) + "s.");
    bytes.resize(bytes.size() - 4);
    return bytes +
           std::string(
               "\x80\x02]U\x01"
               "0a.",
               8) +
           std::string("\x01\0\0\0\0\0\0\0\0\0\x80\x3f", 12);
  };
  check(decode(with_tensor("K\x01\x85", "K\x01\x85")), "w", {1}, DType::f32, {1});
  check(decode(with_tensor("K\x03\x85", std::string("K\0\x85", 3))), "w", {3}, DType::f32, {1, 1, 1});
  CHECK(message(with_tensor("K\x02\x85", "K\x01\x85")) ==
        "w.pth: tensor \"w\": it reaches past the end of its storage; the file is damaged or cut short");
  const std::string huge("J\xff\xff\xff\x7f", 5), zero("K\0", 2);
  CHECK(message(with_tensor(huge + "\x85", zero + "\x85")) ==
        "w.pth: tensor \"w\": it asks for more memory than a file of this size can mean");
  CHECK(message(with_tensor(huge + huge + huge + "\x87", zero + zero + zero + "\x87")) ==
        "w.pth: tensor \"w\": its shape has more elements than can be counted");
  CHECK(message(with_tensor("K\x01\x85", ")")) == "w.pth: tensor \"w\": as many strides as sizes are wanted");
  CHECK(message(with_tensor("K\x01\x85", "K\x01\x85") + "x") == "w.pth: 1 bytes after the last storage belong to none");
}

TEST_CASE("pth: what is written is read back, and the same tensors give the same bytes") {
  for (Device* device : test::devices()) {
    StateDict state;
    state["a.weight"] = Tensor::full({2, 3, 1, 1}, 0.5, DType::f32, *device);
    state["b"] = Tensor::full({}, 7, DType::i64, *device);
    state["c"] = Tensor::full({33}, -1.5, DType::bf16, *device);
    state["g"] = Tensor::full({31}, 0.1, DType::f16, *device);
    state["d"] = Tensor::full({0, 4}, 0, DType::f64, *device);
    state["e"] = Tensor::full({2}, 200, DType::u8, *device);
    state["f"] = Tensor::full({3}, -200, DType::i32, *device);
    const std::string bytes = train::encode_pth(state);
    CHECK(train::encode_pth(state) == bytes);
    const StateDict read = train::decode_pth(bytes, "w.pth", *device);
    CHECK(read.size() == state.size());
    for (const auto& [name, tensor] : state)
      check(read, name, tensor.shape(), tensor.dtype(), tensor.to(DType::f64).to_vector<double>());
  }
  CHECK(decode(train::encode_pth(read("values_zip_2.15"))).size() == 19);
  CHECK_THROWS_WITH_AS(train::encode_pth({{"a", Tensor()}}), "pth: tensor \"a\" is undefined", Error);
}
