// Profiles for the states of llama_states.hpp.

#ifndef FFI_TESTS_LLAMA_PROFILE_HPP
#define FFI_TESTS_LLAMA_PROFILE_HPP

#include "llama_states.hpp"

#include <algorithm>
#include <vector>

// A profile for a state: a stream per cache that joins all its layers, K with V where all layers have both.
inline kakeya::Profile profile_of(const StateShape& shape, float step = 0.02F, const kakeya::Policy& policy = {}) {
    const std::vector<std::byte> bytes = StateWriter(shape).bytes();
    namespace llama = kakeya::llama;
    const llama::State state = llama::parse(bytes).value();
    auto builder = kakeya::ProfileBuilder::create().value();
    const kakeya::Params params = kakeya::Params().preset(kakeya::Preset::rdo).step(step).kmeans(0);
    std::uint32_t first = 0;
    for (std::size_t c = 0; c < shape.caches.size(); ++c) {
        const CacheShape& cache = shape.caches[c];
        const bool joined = cache.values == cache.layers;
        for (kakeya::Part part : joined ? std::vector{kakeya::Part::kv} : std::vector{kakeya::Part::k, kakeya::Part::v}) {
            const std::size_t layers = part == kakeya::Part::v ? cache.values : cache.layers;
            if (layers == 0) continue;
            kakeya::StreamKey key;
            for (std::uint32_t l = 0; l < layers; ++l) key.layers.push_back(first + l);
            key.heads = {0, 1};
            key.part = part;
            std::vector<kakeya::Segment> segments;
            std::vector<llama::Head> heads;
            for (std::uint32_t l = 0; l < layers; ++l) {
                for (bool is_value : {false, true}) {
                    if (part != kakeya::Part::kv && (part == kakeya::Part::v) != is_value) continue;
                    for (std::size_t head = 0; head < 2; ++head) {
                        kakeya::Segment segment(cache.width / 2);
                        segment.raw_dtype(kakeya::Dtype::f16);
                        if (!is_value) segment.rope(kakeya::Rope::neox, {1.0F, 0.1F});
                        segments.push_back(segment);
                        heads.push_back({l, is_value, head * cache.width / 2, cache.width / 2});
                    }
                }
            }
            const kakeya::Layout layout(segments);
            auto fitter = kakeya::Fitter::create(params, layout).value();
            for (const llama::Stream& stream : state.caches[c].streams) {
                const auto known = [&](const llama::Head& head) { return llama::tensor(stream, head).dtype.has_value(); };
                if (stream.keys.empty()) continue;
                if (!std::all_of(heads.begin(), heads.end(), known)) {
                    std::vector<float> some(layout.n_segments() * cache.width / 2 * 8, 1.0F);
                    std::vector<kakeya::View> views(layout.n_segments(), kakeya::View(some.data(), 1));
                    const std::vector<std::int32_t> positions = counting(8);
                    fitter.add_rows(kakeya::Rows(8, views).positions(positions.data())).value();
                    continue;
                }
                fitter.add_rows(llama::rows_of(bytes, stream, heads, 0, stream.positions.size())).value();
            }
            const kakeya::Fit fit = fitter.finish().value();
            builder.add(key, layout, &fit.skeleton, params).value();
        }
        first += static_cast<std::uint32_t>(cache.layers);
    }
    builder.set_policy(policy).value();
    builder.set_step(step).value();
    builder.set_qualities({{"coarse", 0.2F, 0.0, 0.0}}).value();
    return builder.finish().value();
}

#endif  // FFI_TESTS_LLAMA_PROFILE_HPP
