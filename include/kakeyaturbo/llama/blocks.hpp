/* kakeya::llama::Coder: the keys and values of a sequence state, as blocks of the streams of a profile.
 * Included by llama.hpp.
 *
 * The layers of a profile for llama.cpp are numbered in the order of the state: those of the global cache, then those
 * that attend to a sliding window. A stream joins layers of one cache, because only those keep the same rows.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_LLAMA_BLOCKS_HPP
#define KAKEYATURBO_LLAMA_BLOCKS_HPP

#include "../cpp/batch.hpp"
#include "../cpp/codec.hpp"
#include "../cpp/mode.hpp"
#include "../cpp/profile.hpp"
#include "../cpp/result.hpp"
#include "../cpp/rows.hpp"
#include "../cpp/span.hpp"
#include "state.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kakeya::llama {
inline namespace KAKEYA_CPP_MODE {

/** One head of one tensor: a segment of a row. */
struct Head {
    /** Layer of the cache. */
    std::size_t layer = 0;
    bool is_value = false;
    /** First value of the head in a row of the tensor, and how many. */
    std::size_t first = 0, dim = 0;
};

/** The tensor that a head is in; it must be there. */
inline const Tensor& tensor(const Stream& stream, const Head& head) {
    return head.is_value ? stream.values[head.layer] : stream.keys[head.layer];
}

/** The cache of a layer that is numbered through all caches, and its number there; nullopt if there are not that many
 *  layers. A cache has as many layers as its longest stream; a cache without rows has none. */
inline std::optional<std::pair<std::size_t, std::size_t>> locate(const State& state, std::size_t layer) {
    for (std::size_t c = 0; c < state.caches.size(); ++c) {
        std::size_t layers = 0;
        for (const Stream& stream : state.caches[c].streams) layers = std::max(layers, stream.keys.size());
        if (layer < layers) return std::pair(c, layer);
        layer -= layers;
    }
    return std::nullopt;
}

namespace detail {

/* `AnyRows` is Rows or RowsMut, over bytes to match. */
template <class AnyRows, class Byte>
AnyRows rows_at(span<Byte> bytes, const Stream& stream, const std::vector<Head>& heads, std::size_t first,
                std::size_t count) {
    std::vector<typename AnyRows::View> views;
    views.reserve(heads.size());
    for (const Head& head : heads) {
        const Tensor& tensor = llama::tensor(stream, head);
        const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(first) * tensor.row_stride() +
                                  static_cast<std::ptrdiff_t>(head.first) * tensor.col_stride();
        Byte* data = bytes.data() + tensor.offset + static_cast<std::size_t>(at) * tensor.element_bytes();
        views.emplace_back(data, *tensor.dtype, tensor.row_stride(), tensor.col_stride());
    }
    AnyRows rows(count, views);
    rows.positions(stream.positions.data() + first);
    return rows;
}

}  // namespace detail

/** Rows of `count` cells from cell `first` on: one view per head, all of known types. `bytes` is the state. */
inline Rows rows_of(span<const std::byte> bytes, const Stream& stream, const std::vector<Head>& heads,
                    std::size_t first, std::size_t count) {
    return detail::rows_at<Rows>(bytes, stream, heads, first, count);
}
/** The same rows, to be written. */
inline RowsMut rows_mut_of(span<std::byte> bytes, const Stream& stream, const std::vector<Head>& heads,
                           std::size_t first, std::size_t count) {
    return detail::rows_at<RowsMut>(bytes, stream, heads, first, count);
}

/** Runs `work(i)` for every i below `n`, one after the other. Coder::create(), compress() and restore() accept anything
 *  else that is called like this; it may use threads, and returns when all calls have returned. */
struct InOrder {
    template <class Work>
    void operator()(std::size_t n, const Work& work) const {
        for (std::size_t i = 0; i < n; ++i) work(i);
    }
};

/** A profile with its codecs at one rate. May be shared by any number of threads. */
class Coder {
public:
    /** Most rows of a block: bounds the scratch memory of long sequences. */
    static constexpr std::size_t kMaxRows = 4096;

    /** One block: rows `first` to `first + count` of a stream of the state, coded by a stream of the profile. */
    struct Piece {
        std::size_t profile_stream, cache, stream, first, count;
    };

    /** Makes the codecs of a profile, one per call that `run` makes. */
    template <class Run = InOrder>
    static Result<Coder> create(const Profile& profile, const CodecOptions& options = {}, const Run& run = {}) {
        Coder coder;
        Result<std::size_t> n_streams = profile.n_streams();
        if (!n_streams) return n_streams.status();
        Result<Policy> policy = profile.policy();
        if (!policy) return policy.status();
        coder.policy_ = std::move(policy).value();
        std::vector<std::optional<Result<Entry>>> made(n_streams.value());
        run(made.size(), [&](std::size_t s) { made[s].emplace(coder.entry(profile, s, options)); });
        for (std::optional<Result<Entry>>& one : made) {
            if (!one->ok()) return one->status();
            coder.entries_.push_back(std::move(*one).value());
        }
        return coder;
    }

    [[nodiscard]] std::size_t n_streams() const noexcept { return entries_.size(); }

    /** The pieces of a state, in the order of their blocks. Streams with a quantised tensor, and those of layers that
     *  the policy keeps raw, have none. KAKEYA_ERR_BAD_SHAPE if the state does not have the layers, heads and sizes
     *  that the profile was made for. */
    [[nodiscard]] Result<std::vector<Piece>> pieces(const State& state) const {
        std::size_t covered = 0;
        std::vector<Piece> found;
        for (std::size_t e = 0; e < entries_.size(); ++e) {
            const auto cache = cache_of(state, e);
            if (!cache) return cache.status();
            const std::vector<Stream>& streams = state.caches[cache.value()].streams;
            for (std::size_t s = 0; s < streams.size(); ++s) {
                if (streams[s].keys.empty()) continue;
                if (Status fits = check(state, e, cache.value(), streams[s]); !fits) return fits;
                bool is_raw = entries_[e].is_raw;
                for (const Head& head : heads_of(state, e)) {
                    const bool known = tensor(streams[s], head).dtype.has_value();
                    covered += known ? head.dim * streams[s].positions.size() : 0;
                    is_raw = is_raw || !known;
                }
                if (is_raw) continue;
                for (std::size_t first = 0; first < streams[s].positions.size(); first += kMaxRows) {
                    const std::size_t count = std::min(kMaxRows, streams[s].positions.size() - first);
                    found.push_back({e, cache.value(), s, first, count});
                }
            }
        }
        if (covered != state.values()) {
            return Status(KAKEYA_ERR_BAD_SHAPE, "the state has " + std::to_string(state.values()) +
                                                    " values, of which the profile knows " + std::to_string(covered));
        }
        return found;
    }

    /** The heads that make up the rows of a piece. */
    [[nodiscard]] std::vector<Head> heads(const State& state, const Piece& piece) const {
        return heads_of(state, piece.profile_stream);
    }

    /** Codes a piece of `bytes`, which `state` describes. */
    [[nodiscard]] Result<std::vector<std::byte>> encode(span<const std::byte> bytes, const State& state,
                                                        const Piece& piece) const {
        const Entry& entry = entries_[piece.profile_stream];
        const Stream& stream = state.caches[piece.cache].streams[piece.stream];
        Result<Workspace> workspace = entry.codec.workspace(piece.count);
        if (!workspace) return workspace.status();
        const std::vector<std::uint8_t> flags = protect(stream, piece);
        Rows rows = rows_of(bytes, stream, heads_of(state, piece.profile_stream), piece.first, piece.count);
        if (!flags.empty()) rows.protect(flags.data());
        return entry.codec.encode(workspace.value(), rows);
    }

    /** Decodes a block into a piece of `bytes`. */
    Status decode(span<const std::byte> block, span<std::byte> bytes, const State& state, const Piece& piece) const {
        const Entry& entry = entries_[piece.profile_stream];
        const Stream& stream = state.caches[piece.cache].streams[piece.stream];
        Result<kakeya_block_info> info = read_info(block);
        if (!info) return info.status();
        if (info.value().n_rows != piece.count) {
            return {KAKEYA_ERR_CORRUPT, "a block has " + std::to_string(info.value().n_rows) + " rows, not " +
                                            std::to_string(piece.count)};
        }
        Result<Workspace> workspace = entry.codec.workspace(piece.count);
        if (!workspace) return workspace.status();
        const std::vector<Head> heads = heads_of(state, piece.profile_stream);
        return entry.codec.decode(workspace.value(), block,
                                  rows_mut_of(bytes, stream, heads, piece.first, piece.count));
    }

private:
    struct Entry {
        Codec codec;
        StreamKey key;
        /* Dimension of each segment. */
        std::vector<std::size_t> dims;
        bool is_raw;
    };

    Coder() = default;

    /* A stream of the profile with its codec. */
    [[nodiscard]] Result<Entry> entry(const Profile& profile, std::size_t s, const CodecOptions& options) const {
        Result<Codec> codec = profile.codec(s, options);
        if (!codec) return codec.status();
        Result<StreamKey> key = profile.key(s);
        if (!key) return key.status();
        const std::vector<std::uint32_t>& raw = policy_.raw_layers;
        const bool is_raw = std::binary_search(raw.begin(), raw.end(), key.value().layers.front());
        Entry entry{std::move(codec).value(), std::move(key).value(), {}, is_raw};
        const std::size_t parts = entry.key.part == Part::kv ? 2 : 1;
        const std::size_t n_segments = entry.key.layers.size() * entry.key.heads.size() * parts;
        for (std::size_t i = 0; i < n_segments; ++i) {
            Result<kakeya_segment> segment = profile.segment(s, i);
            if (!segment) return segment.status();
            entry.dims.push_back(segment.value().dim);
        }
        return entry;
    }

    [[nodiscard]] Result<std::size_t> cache_of(const State& state, std::size_t entry) const {
        const std::vector<std::uint32_t>& layers = entries_[entry].key.layers;
        const auto first = locate(state, layers.front()), last = locate(state, layers.back());
        if (!first || !last) {
            return Status(KAKEYA_ERR_BAD_SHAPE, "the profile has layer " + std::to_string(layers.back()) +
                                                    ", which the state does not have");
        }
        if (first->first != last->first) {
            return Status(KAKEYA_ERR_BAD_SHAPE, "a stream of the profile joins layers of two caches of the state");
        }
        return first->first;
    }

    [[nodiscard]] std::vector<Head> heads_of(const State& state, std::size_t entry) const {
        const Entry& e = entries_[entry];
        std::vector<Head> heads;
        std::size_t segment = 0;
        for (std::uint32_t layer : e.key.layers) {
            const std::size_t own = locate(state, layer)->second;
            for (bool is_value : {false, true}) {
                if (e.key.part != Part::kv && (e.key.part == Part::v) != is_value) continue;
                for (std::uint32_t head : e.key.heads) {
                    const std::size_t dim = e.dims[segment++];
                    heads.push_back({own, is_value, head * dim, dim});
                }
            }
        }
        return heads;
    }

    [[nodiscard]] Status check(const State& state, std::size_t entry, std::size_t cache, const Stream& stream) const {
        for (const Head& head : heads_of(state, entry)) {
            const std::vector<Tensor>& tensors = head.is_value ? stream.values : stream.keys;
            const std::string name = std::string(head.is_value ? "V" : "K") + " of layer " +
                                     std::to_string(head.layer) + " of cache " + std::to_string(cache);
            if (head.layer >= tensors.size()) return {KAKEYA_ERR_BAD_SHAPE, "the state has no " + name};
            const Tensor& tensor = tensors[head.layer];
            if (tensor.dtype && head.first + head.dim > tensor.width) {
                return {KAKEYA_ERR_BAD_SHAPE, name + " has " + std::to_string(tensor.width) +
                                                  " values per row, fewer than the profile has"};
            }
        }
        return {};
    }

    /* By the policy: sinks and the most recent positions are protected. Empty if the policy protects none. */
    [[nodiscard]] std::vector<std::uint8_t> protect(const Stream& stream, const Piece& piece) const {
        if (policy_.n_sinks == 0 && policy_.n_recent == 0) return {};
        std::int64_t last = 0;
        for (std::int32_t position : stream.positions) last = std::max<std::int64_t>(last, position);
        std::vector<std::uint8_t> flags(piece.count);
        for (std::size_t i = 0; i < piece.count; ++i) {
            const std::int64_t position = stream.positions[piece.first + i];
            flags[i] = position < policy_.n_sinks || position > last - policy_.n_recent ? 1 : 0;
        }
        return flags;
    }

    std::vector<Entry> entries_;
    Policy policy_;
};

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya::llama

#endif  // KAKEYATURBO_LLAMA_BLOCKS_HPP
