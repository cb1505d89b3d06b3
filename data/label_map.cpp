#include "data/label_map.h"

#include <png.h>

#include <array>
#include <csetjmp>
#include <cstring>

#include "data/codecs.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::data {
namespace {

// libpng leaves by longjmp, which skips destructors: functions that call it hold plain values only, and what they
// allocate belongs to this.
class PngReader {
 public:
  PngReader(const uint8_t* bytes, size_t count) : next_(bytes), left_(count) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (png_) png_set_read_fn(png_, this, on_read);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  // false: `problem` says why.
  bool read_header() {
    if (!png_ || !info_) return false;
    if (setjmp(png_jmpbuf(png_))) return false;
    png_read_info(png_, info_);
    return true;
  }
  bool read_rows(uint8_t* labels, size_t width, int passes) {
    if (setjmp(png_jmpbuf(png_))) return false;
    for (int pass = 0; pass < passes; ++pass)
      for (png_uint_32 y = 0; y < height(); ++y) png_read_row(png_, labels + y * width, nullptr);
    png_read_end(png_, nullptr);
    return true;
  }
  // One byte a pixel; the number of passes over the rows.
  int unpack() {
    if (setjmp(png_jmpbuf(png_))) return 0;
    png_set_packing(png_);
    const int passes = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return passes;
  }

  png_uint_32 width() const { return png_get_image_width(png_, info_); }
  png_uint_32 height() const { return png_get_image_height(png_, info_); }
  int color_type() const { return png_get_color_type(png_, info_); }
  int bit_depth() const { return png_get_bit_depth(png_, info_); }
  const char* problem() const { return problem_; }

 private:
  static void on_error(png_structp png, png_const_charp text) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::strncpy(self->problem_, text, sizeof(self->problem_) - 1);
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void on_read(png_structp png, png_bytep to, png_size_t count) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > self->left_) png_error(png, "the file ends early");
    std::memcpy(to, self->next_, count);
    self->next_ += count;
    self->left_ -= count;
  }

  const uint8_t* next_;
  size_t left_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  char problem_[128] = "out of memory";
};

/// A label's bits dealt out to red, green and blue in turn, the first to the highest: neighbours look different.
std::array<uint8_t, size_t{256} * 3> palette() {
  std::array<uint8_t, size_t{256} * 3> colours{};
  for (size_t label = 0; label < 256; ++label)
    for (size_t bit = 0; bit < 8; ++bit)
      if ((label >> bit & 1) != 0)
        colours[3 * label + bit % 3] = static_cast<uint8_t>(colours[3 * label + bit % 3] | 128U >> (bit / 3));
  return colours;
}

}  // namespace

LabelMap decode_label_map(const uint8_t* bytes, size_t count, const std::string& name) {
  AZ_CHECK(count >= 8 && png_sig_cmp(bytes, 0, 8) == 0, "{}: is no PNG", name);
  PngReader reader(bytes, count);
  AZ_CHECK(reader.read_header(), "{}: {}", name, reader.problem());
  constexpr int64_t kPixelsPerByte = 8 * 1032;  // one bit a pixel, deflated as far as deflate goes
  codecs::check_size(reader.width(), reader.height(), count, kPixelsPerByte, name);
  const int type = reader.color_type();
  AZ_CHECK((type == PNG_COLOR_TYPE_PALETTE || type == PNG_COLOR_TYPE_GRAY) && reader.bit_depth() <= 8,
           "{}: holds colours, not labels; want a palette or grey of at most 8 bits", name);
  const int passes = reader.unpack();
  AZ_CHECK(passes > 0, "{}: {}", name, reader.problem());
  LabelMap map{static_cast<int>(reader.width()), static_cast<int>(reader.height()), {}};
  map.labels.resize(static_cast<size_t>(map.width) * static_cast<size_t>(map.height));
  AZ_CHECK(reader.read_rows(map.labels.data(), static_cast<size_t>(map.width), passes), "{}: {}", name,
           reader.problem());
  return map;
}

LabelMap read_label_map(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  return decode_label_map(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), file.string());
}

void write_label_map(const std::filesystem::path& file, const LabelMap& map, Flush flush) {
  AZ_CHECK(map.width > 0 && map.height > 0 &&
               map.labels.size() == static_cast<size_t>(map.width) * static_cast<size_t>(map.height),
           "{}: {} labels for {} x {} pixels", file.string(), map.labels.size(), map.width, map.height);
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(map.width);
  png.height = static_cast<png_uint_32>(map.height);
  png.format = PNG_FORMAT_RGB_COLORMAP;
  png.colormap_entries = 256;
  png.flags = PNG_IMAGE_FLAG_FAST;
  const auto colours = palette();
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::string encoded(bytes, '\0');
  const int ok = png_image_write_to_memory(&png, encoded.data(), &bytes, 0, map.labels.data(), 0, colours.data());
  const std::string reason = png.message;
  png_image_free(&png);
  AZ_CHECK(ok != 0, "{}: cannot encode it as PNG: {}", file.string(), reason);
  encoded.resize(bytes);
  write_file(file, encoded, flush);
}

}  // namespace az::data
