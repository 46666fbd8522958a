// A profile as it is with another effort of its encoder, or another policy.

#ifndef TOOLS_LLAMA_VARIANTS_HPP
#define TOOLS_LLAMA_VARIANTS_HPP

#include "tensors.hpp"

#include <kakeyaturbo/llama.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

// The profile with the encoder working harder: `effort` as in kakeya_params.
inline kakeya::Profile with_effort(const kakeya::Profile& profile, std::uint32_t effort) {
    auto builder = kakeya::ProfileBuilder::from(profile).value();
    for (std::size_t s = 0; s < profile.n_streams().value(); ++s) {
        builder.set_params(s, profile.params(s).value().effort(effort)).value();
    }
    return builder.finish().value();
}

// The profile that keeps the first and the last layer raw, with all that its streams join to them.
inline kakeya::Profile with_raw_boundary(const kakeya::Profile& profile) {
    std::vector<std::vector<std::uint32_t>> streams;
    std::uint32_t last = 0;
    for (std::size_t s = 0; s < profile.n_streams().value(); ++s) {
        streams.push_back(profile.key(s).value().layers);
        last = std::max(last, streams.back().back());
    }
    std::set<std::uint32_t> raw;
    for (const std::vector<std::uint32_t>& layers : streams) {
        if (layers.front() == 0 || layers.back() == last) raw.insert(layers.begin(), layers.end());
    }
    kakeya::Policy policy = profile.policy().value();
    policy.raw_layers.assign(raw.begin(), raw.end());
    auto builder = kakeya::ProfileBuilder::from(profile).value();
    builder.set_policy(policy).value();
    return builder.finish().value();
}

// The profile with a fixed rate for each stream: the bits per value, in eighths, that `coder` takes for it in a state.
inline kakeya::Profile with_bits_by_stream(const kakeya::Profile& profile, const kakeya::llama::Coder& coder,
                                           const Bytes& bytes, const kakeya::llama::State& state) {
    std::vector<double> spent(coder.n_streams()), values(coder.n_streams());
    for (const kakeya::llama::Coder::Piece& piece : coder.pieces(state).value()) {
        spent[piece.profile_stream] += 8 * static_cast<double>(coder.encode(bytes, state, piece).value().size());
        for (const kakeya::llama::Head& head : coder.heads(state, piece)) {
            values[piece.profile_stream] += static_cast<double>(head.dim * piece.count);
        }
    }
    auto builder = kakeya::ProfileBuilder::from(profile).value();
    for (std::size_t s = 0; s < spent.size(); ++s) {
        const double bits = std::clamp(std::round(8 * spent[s] / values[s]) / 8, 0.125, 8.0);
        builder.set_params(s, profile.params(s).value().effort(0).bits(bits)).value();
    }
    return builder.finish().value();
}

#endif  // TOOLS_LLAMA_VARIANTS_HPP
