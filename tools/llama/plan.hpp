// Which tensors share the rows of a stream, and the layouts of those rows.

#ifndef TOOLS_LLAMA_PLAN_HPP
#define TOOLS_LLAMA_PLAN_HPP

#include "geometry.hpp"
#include "tensors.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <vector>

// A stream to be, and the cache whose rows it has.
struct PlannedStream {
    std::size_t cache;
    kakeya::StreamKey key;
};

// The longest rows that the library takes.
constexpr std::size_t kMaxDim = 4096;

// Rows of a kv-head, or of all heads of `join` neighbouring layers of one cache; of fewer where the rows would be too long,
// where layers differ in size, and at the end of a cache. K and V are joined where every layer has both and their heads
// are as many.
inline std::vector<PlannedStream> plan(const kakeya::llama::State& state, const std::vector<Heads>& heads, bool per_head,
                                       std::size_t join) {
    std::vector<PlannedStream> streams;
    std::uint32_t first_layer = 0;
    for (std::size_t c = 0; c < state.caches.size(); ++c) {
        const kakeya::llama::Stream* rows = rows_of_cache(state.caches[c]);
        if (rows == nullptr) continue;
        const auto count = [&](const std::vector<kakeya::llama::Tensor>& tensors, std::size_t head, std::size_t layer) {
            return layer < tensors.size() ? tensors[layer].width / head : 0;
        };
        const bool pairs = rows->values.size() == rows->keys.size();
        std::vector<kakeya::Part> parts{kakeya::Part::k, kakeya::Part::v};
        if (pairs) {
            bool alike = true;
            for (std::size_t l = 0; l < rows->keys.size(); ++l) {
                alike = alike && count(rows->keys, heads[c].key, l) == count(rows->values, heads[c].value, l);
            }
            if (alike) parts = {kakeya::Part::kv};
        }
        for (kakeya::Part part : parts) {
            const bool of_values = part == kakeya::Part::v;
            const std::size_t n_layers = of_values ? rows->values.size() : rows->keys.size();
            const std::size_t per_kv_head = (part == kakeya::Part::k ? 0 : heads[c].value) + (of_values ? 0 : heads[c].key);
            const auto n_heads = [&](std::size_t layer) {
                return of_values ? count(rows->values, heads[c].value, layer) : count(rows->keys, heads[c].key, layer);
            };
            for (std::size_t l = 0; l < n_layers;) {
                std::size_t next = l + 1;
                while (!per_head && next < std::min(l + join, n_layers) && n_heads(next) == n_heads(l) &&
                       (next + 1 - l) * n_heads(l) * per_kv_head <= kMaxDim) {
                    ++next;
                }
                std::vector<std::uint32_t> layers(next - l), all(n_heads(l));
                std::iota(layers.begin(), layers.end(), first_layer + static_cast<std::uint32_t>(l));
                std::iota(all.begin(), all.end(), 0U);
                if (per_head) {
                    for (std::uint32_t head : all) streams.push_back({c, {layers, {head}, part}});
                } else {
                    streams.push_back({c, {layers, all, part}});
                }
                l = next;
            }
        }
        first_layer += static_cast<std::uint32_t>(rows->keys.size());
    }
    return streams;
}

// The gain of each tensor and the rule of each cache, and with them the segments of a stream in the order of its key.
inline kakeya::Layout layout_of(const PlannedStream& stream, const std::vector<Heads>& heads,
                                const std::vector<RopeRule>& rules, const TensorGains& gains) {
    std::vector<kakeya::Segment> segments;
    for (std::uint32_t layer : stream.key.layers) {
        for (bool is_value : {false, true}) {
            if (stream.key.part != kakeya::Part::kv && (stream.key.part == kakeya::Part::v) != is_value) continue;
            for (std::size_t head = 0; head < stream.key.heads.size(); ++head) {
                kakeya::Segment segment(is_value ? heads[stream.cache].value : heads[stream.cache].key);
                segment.gain(gains.of(layer, is_value)).raw_dtype(kakeya::Dtype::f16);
                const RopeRule& rule = rules[stream.cache];
                if (!is_value && rule.kind != kakeya::Rope::none) segment.rope(rule.kind, rule.inv_freq);
                segments.push_back(segment);
            }
        }
    }
    return segments;
}

#endif  // TOOLS_LLAMA_PLAN_HPP
