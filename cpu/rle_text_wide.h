// COCO's compressed runs, sixteen at a time, where the processor has AVX-512 with VBMI2 (Ice Lake, Zen 4 and later).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "cpu/rle.h"

namespace az::cpu {

/// Words past the last edge that append_edges_wide may write.
constexpr size_t kEdgesSpill = 16;

/// Whether this processor has the instructions; the functions below need them.
bool has_wide_runs();

/// As run_totals; none for a text that reading number by number has to judge: a damaged one, numbers of more than six
/// characters, or runs of 2^32 pixels in all.
std::optional<RunTotals> run_totals_wide(std::string_view text, uint32_t height);

/// As append_edges: writes them from `to` on, which has room for as many as the text has characters and kEdgesSpill
/// more. Returns their number, or none as above.
std::optional<size_t> append_edges_wide(std::string_view text, uint32_t* to);

}  // namespace az::cpu
