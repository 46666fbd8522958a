// What a model says about its keys and values: sizes of heads and rotary embedding, for the global layers and for those with
// a sliding window.

#ifndef TOOLS_LLAMA_GEOMETRY_HPP
#define TOOLS_LLAMA_GEOMETRY_HPP

#include "engine.hpp"

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

// Values per head of K and of V in one cache.
struct Heads {
    std::size_t key = 0, value = 0;
};

// A rotary embedding: pairs of coordinates, and radians per position of each pair.
struct RopeRule {
    kakeya::Rope kind = kakeya::Rope::none;
    std::vector<float> inv_freq;
    std::string name = "none";
};

// The sizes of the heads of the global (`sliding` false) or the sliding-window layers.
inline Heads heads(const Model& model, bool sliding) {
    const auto size = [&](const std::string& key, double otherwise) {
        const std::optional<double> own = sliding ? model.number(key + "_swa") : std::nullopt;
        return own.value_or(model.number(key).value_or(otherwise));
    };
    const double embedding = llama_model_n_embd(model.raw()), n_head = llama_model_n_head(model.raw());
    const auto key = static_cast<std::size_t>(size("attention.key_length", embedding / n_head));
    return {key, static_cast<std::size_t>(size("attention.value_length", static_cast<double>(key)))};
}

// base^(-2i / n_rot) / factor for i below n_rot / 2.
inline std::vector<float> inverse_frequencies(double base, std::size_t n_rot, double factor = 1) {
    std::vector<float> inv_freq(n_rot / 2);
    for (std::size_t i = 0; i < inv_freq.size(); ++i) {
        const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(n_rot);
        inv_freq[i] = static_cast<float>(std::pow(base, exponent) / factor);
    }
    return inv_freq;
}

// The rules that the metadata allows, the likeliest first, "none" last. Where metadata is silent, llama.cpp's own defaults
// differ from model to model, so there may be several: whoever fits a profile measures which one the keys follow. A wrong
// rule costs bits and nothing else, because what is undone before coding is done again after decoding.
inline std::vector<RopeRule> rope_rules(const Model& model, bool sliding) {
    std::vector<RopeRule> rules;
    const llama_rope_type type = llama_model_rope_type(model.raw());
    if (type == LLAMA_ROPE_TYPE_NORM || type == LLAMA_ROPE_TYPE_NEOX) {
        const std::size_t head = heads(model, sliding).key;
        const std::optional<double> own_rot = sliding ? model.number("rope.dimension_count_swa") : std::nullopt;
        const double n_rot = own_rot.value_or(model.number("rope.dimension_count").value_or(static_cast<double>(head)));
        const double global = model.number("rope.freq_base").value_or(1e4);
        std::vector<double> bases{global};
        if (sliding) {
            const std::optional<double> base = model.number("rope.freq_base_swa");
            bases = base ? std::vector{*base} : std::vector{global, 1e4};
        }
        const std::string scaling = model.metadata("rope.scaling.type").value_or("none");
        const double factor = scaling == "linear" ? model.number("rope.scaling.factor").value_or(1) : 1;
        for (double base : bases) {
            const bool neox = type == LLAMA_ROPE_TYPE_NEOX;
            const std::size_t size = std::min(static_cast<std::size_t>(n_rot), head) / 2 * 2;
            for (double divisor : factor == 1 ? std::vector{1.0} : std::vector{factor, 1.0}) {
                rules.push_back({neox ? kakeya::Rope::neox : kakeya::Rope::interleaved,
                                 inverse_frequencies(base, size, divisor),
                                 std::string(neox ? "neox" : "interleaved") + ", base " +
                                     std::to_string(static_cast<long long>(base)) +
                                     (divisor == 1 ? "" : ", scaled by 1/" + std::to_string(divisor))});
            }
        }
    }
    rules.push_back({});
    return rules;
}

#endif  // TOOLS_LLAMA_GEOMETRY_HPP
