#include "data/imagenet_xml.h"

#include <fmt/format.h>

#include <pugixml.hpp>

#include "data/voc_xml.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::data {
namespace {

constexpr double kMostTracks = 1e6;

int64_t read_track(const pugi::xml_node& object, const std::string& where) {
  const double track = xml_number(object, "trackid", where);
  AZ_CHECK(track >= 0 && track < kMostTracks && track == static_cast<double>(static_cast<int64_t>(track)),
           "{}: trackid is {}", where, track);
  return static_cast<int64_t>(track);
}

std::optional<CornerBox> read_box(const pugi::xml_node& object, const std::string& where) {
  const XmlBox box = xml_box(object, where);
  if (!(box.xmax > box.xmin && box.ymax > box.ymin)) return std::nullopt;
  return CornerBox{box.xmin, box.ymin, box.xmax, box.ymax};
}

}  // namespace

std::vector<ImagenetObject> decode_imagenet_xml(std::string_view text, const std::string& name, bool tracks) {
  pugi::xml_document document;
  decode_voc_xml(text, name, document);
  std::vector<ImagenetObject> objects;
  for (const pugi::xml_node& node : document.child("annotation").children("object")) {
    const std::string where = fmt::format("{}: object {}", name, objects.size() + 1);
    ImagenetObject object;
    if (tracks) object.track = read_track(node, where);
    object.box = read_box(node, where);
    objects.push_back(object);
  }
  return objects;
}

std::vector<ImagenetObject> read_imagenet_xml(const std::filesystem::path& file, bool tracks) {
  return decode_imagenet_xml(read_file(file), file.string(), tracks);
}

}  // namespace az::data
