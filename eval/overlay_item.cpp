#include "eval/overlay_item.h"

namespace az::eval {

OverlayItem overlay_item(const models::Instance& one, const std::string& name) {
  OverlayItem item;
  item.name = name;
  item.score = static_cast<double>(one.score);
  item.category = one.label;
  item.box = one.box;
  for (const auto& [x, y] : one.polygon) item.polygon.push_back({x + 0.5, y + 0.5});
  item.centre = std::array{one.centre[0] + 0.5, one.centre[1] + 0.5};
  return item;
}

}  // namespace az::eval
