// Any bytes as an annotation file, as results for a small set, and as a labelme file.
#include "data/convert_labelme.h"
#include "tensor/error.h"

namespace {

const az::data::CocoDataset& small_set() {
  static const az::data::CocoDataset set = az::data::decode_coco(
      R"({"images":[{"id":1,"width":9,"height":7}],"categories":[{"id":1,"name":"a"}],"annotations":[]})", "small");
  return set;
}

template <class F>
void expect_answer_or_error(const F& f) {
  try {
    f();
  } catch (const az::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), count);
  expect_answer_or_error([&] {
    const az::data::CocoDataset set = az::data::decode_coco(text, "fuzz");
    for (const auto& annotation : set.annotations) {
      const auto& image = set.images[*set.find_image(annotation.image_id)];
      if (int64_t{image.width} * image.height < 10'000 && !annotation.segmentation.empty())
        az::cpu::rle_decode(set.mask_of(annotation));
    }
  });
  expect_answer_or_error([&] { az::data::decode_coco_results(text, "fuzz", small_set()); });
  expect_answer_or_error([&] {
    az::data::CocoBuilder builder;
    az::data::ConvertNotes notes;
    az::data::add_labelme(text, "/nonexistent/fuzz.json", "/nonexistent", builder, notes);
    builder.finish({});
  });
  return 0;
}
