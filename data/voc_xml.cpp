#include "data/voc_xml.h"

#include <cmath>
#include <cstdlib>
#include <pugixml.hpp>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/text.h"

namespace az::data {

void read_voc_xml(const std::filesystem::path& file, pugi::xml_document& document) {
  decode_voc_xml(read_file(file), file.string(), document);
}

void decode_voc_xml(std::string_view text, const std::string& name, pugi::xml_document& document) {
  const pugi::xml_parse_result parsed = document.load_buffer(text.data(), text.size());
  AZ_CHECK(parsed, "{}: {}, at byte {}", name, parsed.description(), parsed.offset);
  AZ_CHECK(document.child("annotation"), "{}: has no <annotation> (not a VOC file?)", name);
}

double xml_number(const pugi::xml_node& parent, const char* key, const std::string& where) {
  const pugi::xml_node node = parent.child(key);
  AZ_CHECK(node, "{}: has no {}", where, key);
  char* end = nullptr;
  const char* const text = node.text().get();
  const double value = std::strtod(text, &end);
  AZ_CHECK(end != text && std::isfinite(value), "{}: {} is {}, not a number", where, key, printable(text));
  return value;
}

XmlBox xml_box(const pugi::xml_node& object, const std::string& where) {
  const pugi::xml_node box = object.child("bndbox");
  AZ_CHECK(box, "{}: has no bndbox", where);
  return {xml_number(box, "xmin", where), xml_number(box, "ymin", where), xml_number(box, "xmax", where),
          xml_number(box, "ymax", where)};
}

}  // namespace az::data
