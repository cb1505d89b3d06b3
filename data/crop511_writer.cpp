#include "data/crop511_writer.h"

#include "data/image.h"
#include "data/synth_output.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::data {
namespace {

namespace fs = std::filesystem;

constexpr int kQuality = 95;  // what the references' encoder takes by default

}  // namespace

/// Whole and of the right size, by its header and its last bytes: a crop is renamed into place when it is complete, but
/// a loss of power may still empty it.
bool CropWriter::is_there(const fs::path& crop) const {
  std::error_code error;
  if (!fs::is_regular_file(crop, error)) return false;
  try {
    const std::string bytes = read_file(crop);
    const ImageSize size = image_size(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), crop.string());
    const std::string_view end = crop.extension() == ".png" ? std::string_view("IEND\xAE\x42\x60\x82") : "\xFF\xD9";
    return size == ImageSize{kCropSide, kCropSide} && bytes.ends_with(end);
  } catch (const Error&) {
    return false;
  }
}

void CropWriter::write(const fs::path& picture, const std::string& video, int64_t frame,
                       std::span<const CropTarget> targets, const std::function<cpu::Mask(size_t)>& mask_of) {
  Image image;
  std::array<double, 3> mean{};
  const auto read = [&] {
    if (!image.pixels.empty()) return;
    AZ_CHECK(fs::is_regular_file(picture), "{}: the picture is missing", picture.string());
    image = read_image(picture);
    mean = mean_colour(image);
    make_folder(folder_ / video);
    remove_leftovers(folder_ / video);
  };
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto& [track, box] = targets[i];
    const fs::path crop = crop511_picture(folder_, video, frame, track);
    const fs::path mask_file = crop511_mask_file(folder_, video, frame, track);
    if (is_there(crop) && (!options_.masks || is_there(mask_file))) {
      ++kept_;
      continue;
    }
    read();
    write_jpeg(crop, crop511(image, box, options_.extent, mean), kQuality, Flush::later);
    if (options_.masks) {
      const cpu::Mask mask = mask_of(i);
      AZ_CHECK(mask.width == image.width && mask.height == image.height,
               "{}: is {} x {} pixels, its annotation says {} x {}", picture.string(), image.width, image.height,
               mask.width, mask.height);
      write_png(mask_file, crop511_mask(mask, box, options_.extent, options_.mask_threshold), Flush::later);
    }
    ++made_;
  }
}

void write_crop_list(const fs::path& out, const std::string& name, std::span<const CropFragment> fragments,
                     Crop511Summary& summary) {
  SiamList list;
  for (const CropFragment& fragment : fragments) {
    summary.skipped += fragment.skipped;
    if (fragment.tracks.empty()) continue;
    list.add_video(fragment.video);
    for (const auto& [track, frames] : fragment.tracks) list.add_track(track, frames);
  }
  flush_files(out);  // a list says that its crops are there
  write_siam_list(out / name, list);
  summary.lists.emplace_back(out / name, static_cast<int64_t>(list.videos().size()));
}

}  // namespace az::data
