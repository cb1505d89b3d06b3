// What the shape of a mask is like: its parts and its convex hull.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/rle.h"

namespace az::data::synth {

int64_t mask_area(const cpu::Mask& mask);

/// Clears every 8-connected part of fewer than `least_px` pixels; returns how many parts are left.
int keep_parts(cpu::Mask& mask, double least_px);

/// A mask of the same size for each 8-connected part.
std::vector<cpu::Mask> mask_parts(const cpu::Mask& mask);

/// Area of the convex hull of the middles of the mask's outer pixel edges, so that a disc's hull is about the disc.
double hull_area(const cpu::Mask& mask);

}  // namespace az::data::synth
