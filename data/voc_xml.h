// XML annotations of Pascal VOC's kind, which ImageNet's are too. For the readers only, which include the parser.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace pugi {
class xml_document;
class xml_node;
}  // namespace pugi

namespace az::data {

/// Parses a file. Error: `FILE: what is wrong, at byte N`, or no <annotation> in it.
void read_voc_xml(const std::filesystem::path& file, pugi::xml_document& document);
/// The same from memory; `name` stands for the file in errors.
void decode_voc_xml(std::string_view text, const std::string& name, pugi::xml_document& document);
/// The finite number of a child. Error: `WHERE: has no KEY`, or what it holds instead.
double xml_number(const pugi::xml_node& parent, const char* key, const std::string& where);
/// xmin, ymin, xmax, ymax of an object's bndbox, as they stand. Error: one is missing or no number.
struct XmlBox {
  double xmin = 0, ymin = 0, xmax = 0, ymax = 0;
};
XmlBox xml_box(const pugi::xml_node& object, const std::string& where);

}  // namespace az::data
