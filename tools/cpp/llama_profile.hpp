// Profiles for the states of llama_states.hpp.

#ifndef TOOLS_LLAMA_PROFILE_HPP
#define TOOLS_LLAMA_PROFILE_HPP

#include "llama_states.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

// One stream of such a profile: all layers of a cache, from layer `first` of the profile on.
struct PlannedStream {
    kakeya::StreamKey key;
    std::vector<kakeya::Segment> segments;
    std::vector<kakeya::llama::Head> heads;

    PlannedStream(const CacheShape& cache, std::uint32_t first, kakeya::Part part) {
        const std::size_t layers = part == kakeya::Part::v ? cache.values : cache.layers;
        key.heads = {0, 1};
        key.part = part;
        for (std::uint32_t l = 0; l < layers; ++l) {
            key.layers.push_back(first + l);
            if (part != kakeya::Part::v) add(l, false, cache.width / 2);
            if (part != kakeya::Part::k) add(l, true, cache.width / 2);
        }
    }

private:
    void add(std::size_t layer, bool is_value, std::size_t dim) {
        for (std::size_t head = 0; head < key.heads.size(); ++head) {
            kakeya::Segment segment(dim);
            segment.raw_dtype(kakeya::Dtype::f16);
            if (!is_value) segment.rope(kakeya::Rope::neox, {1.0F, 0.1F});
            segments.push_back(segment);
            heads.push_back({layer, is_value, head * dim, dim});
        }
    }
};

// A skeleton for the rows of a cache. Quantised tensors cannot be read; then it is fitted to rows of ones.
inline kakeya::Skeleton fit_to(const std::vector<std::byte>& bytes, const kakeya::llama::Cache& cache,
                               const PlannedStream& planned, const kakeya::Params& params) {
    namespace llama = kakeya::llama;
    auto fitter = kakeya::Fitter::create(params, kakeya::Layout(planned.segments)).value();
    for (const llama::Stream& stream : cache.streams) {
        const auto known = [&](const llama::Head& head) { return llama::tensor(stream, head).dtype.has_value(); };
        if (stream.keys.empty()) continue;
        if (std::all_of(planned.heads.begin(), planned.heads.end(), known)) {
            const std::size_t n_rows = stream.positions.size();
            fitter.add_rows(llama::rows_of(bytes, stream, planned.heads, 0, n_rows)).value();
            continue;
        }
        constexpr std::size_t n_rows = 8;
        const std::vector<float> ones(planned.heads.size() * planned.heads[0].dim * n_rows, 1.0F);
        const std::vector<kakeya::View> views(planned.heads.size(), kakeya::View(ones.data(), 1));
        const std::vector<std::int32_t> positions = counting(n_rows);
        fitter.add_rows(kakeya::Rows(n_rows, views).positions(positions.data())).value();
    }
    return std::move(fitter.finish().value().skeleton);
}

// A profile for a state: a stream per cache that joins all its layers, K with V if all layers have both.
inline kakeya::Profile profile_of(const StateShape& shape, float step = 0.02F, const kakeya::Policy& policy = {}) {
    const std::vector<std::byte> bytes = StateWriter(shape).bytes();
    const kakeya::llama::State state = kakeya::llama::parse(bytes).value();
    auto builder = kakeya::ProfileBuilder::create().value();
    const kakeya::Params params = kakeya::Params().preset(kakeya::Preset::rdo).step(step).kmeans(0);
    std::uint32_t first = 0;
    for (std::size_t c = 0; c < shape.caches.size(); ++c) {
        const CacheShape& cache = shape.caches[c];
        std::vector<kakeya::Part> parts{kakeya::Part::kv};
        if (cache.values != cache.layers) parts = {kakeya::Part::k, kakeya::Part::v};
        for (kakeya::Part part : parts) {
            const PlannedStream planned(cache, first, part);
            if (planned.heads.empty()) continue;
            const kakeya::Skeleton skeleton = fit_to(bytes, state.caches[c], planned, params);
            builder.add(planned.key, kakeya::Layout(planned.segments), &skeleton, params).value();
        }
        first += static_cast<std::uint32_t>(cache.layers);
    }
    builder.set_policy(policy).value();
    builder.set_step(step).value();
    builder.set_qualities({{"coarse", 0.2F, 0.0, 0.0}}).value();
    return builder.finish().value();
}

#endif  // TOOLS_LLAMA_PROFILE_HPP
