/* kakeya::llama::State: where the keys and values lie in a sequence state of llama.cpp.
 * Included by llama.hpp.
 *
 * parse() takes the bytes of llama_state_seq_get_data, or of the file that llama_state_seq_save_file writes (llama-server's
 * --slot-save-path), and finds in them
 *
 *   head     magic and sequence id, or magic, version and prompt tokens
 *   caches   one, or two where some layers attend to a sliding window: the global one first
 *     streams  usually one; those without cells have no layers
 *       cells    position and sequence ids (and for multi-axis positions 12 bytes more) of every row
 *       keys     one tensor per layer, rows of all kv-heads
 *       values   the same, or none; transposed if flash attention is off
 *   tail     what follows and is not such a cache
 *
 * It reads nothing outside the bytes, copies nothing, and never guesses in silence: what does not add up is an error, and
 * bytes that it cannot name belong to no tensor. Numbers are little-endian. Nothing here depends on llama.cpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_LLAMA_STATE_HPP
#define KAKEYATURBO_LLAMA_STATE_HPP

#include <kakeyaturbo/params.hpp>
#include <kakeyaturbo/result.hpp>
#include <kakeyaturbo/span.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kakeya::llama {

/** K or V of one layer: `cells` rows of `width` values, somewhere in the state. */
struct Tensor {
    /** ggml's number of the type. */
    std::int32_t type = 0;
    /** The type as kakeyaturbo knows it; none for quantised types, whose bytes are carried as they are. */
    std::optional<Dtype> dtype;
    /** First byte, and how many there are. */
    std::size_t offset = 0, bytes = 0;
    /** Values per row: all kv-heads. 0 where dtype is none. */
    std::size_t width = 0;
    std::size_t cells = 0;
    /** Stored as [width, cells] and not as [cells, width]. */
    bool transposed = false;

    /** Elements from one row to the next, and from one value of a row to the next. */
    [[nodiscard]] std::ptrdiff_t row_stride() const noexcept {
        return static_cast<std::ptrdiff_t>(transposed ? 1 : width);
    }
    [[nodiscard]] std::ptrdiff_t col_stride() const noexcept {
        return static_cast<std::ptrdiff_t>(transposed ? cells : 1);
    }
    [[nodiscard]] std::size_t element_bytes() const noexcept { return dtype == Dtype::f32 ? 4 : 2; }
    [[nodiscard]] std::size_t values() const noexcept { return cells * width; }
};

/** The rows of one stream of a cache. */
struct Stream {
    /** One per cell, in the order of the rows; they may have gaps and need not ascend. */
    std::vector<std::int32_t> positions;
    /** Where the cells are written: offset and size in bytes. */
    std::size_t cells_offset = 0, cells_bytes = 0;
    /** Sizes of the Hadamard rotation that llama.cpp applied to K and to V; 0 = none. */
    std::uint32_t rotation_k = 0, rotation_v = 0;
    /** One per layer of the cache. */
    std::vector<Tensor> keys;
    /** As many as keys, fewer where layers share or lack V, or none. */
    std::vector<Tensor> values;
};

/** The layers of a model that keep the same rows: all of them, the global ones or the sliding-window ones. */
struct Cache {
    std::vector<Stream> streams;
};

struct State {
    /** True for the file, false for the bytes of llama_state_seq_get_data. */
    bool is_file = false;
    /** Prompt tokens of the file: offset of the first, and how many. */
    std::size_t tokens_offset = 0, n_tokens = 0;
    std::vector<Cache> caches;
    /** First byte that belongs to no cache; equal to `bytes` if all is understood. */
    std::size_t tail = 0;
    /** Size of the whole. */
    std::size_t bytes = 0;

    /** Calls `use(cache, stream, is_value, layer, tensor)` for every tensor, in the order of the bytes. */
    template <class Use>
    void each_tensor(Use&& use) const {
        for (std::size_t c = 0; c < caches.size(); ++c) {
            for (std::size_t s = 0; s < caches[c].streams.size(); ++s) {
                const Stream& stream = caches[c].streams[s];
                for (std::size_t l = 0; l < stream.keys.size(); ++l) use(c, s, false, l, stream.keys[l]);
                for (std::size_t l = 0; l < stream.values.size(); ++l) use(c, s, true, l, stream.values[l]);
            }
        }
    }
    /** Keys and values in the types that kakeyaturbo knows. */
    [[nodiscard]] std::size_t values() const {
        std::size_t count = 0;
        each_tensor([&](std::size_t, std::size_t, bool, std::size_t, const Tensor& t) { count += t.values(); });
        return count;
    }
};

namespace detail {

constexpr std::uint32_t kDataMagic = 0xaf143cd8, kFileMagic = 0x67677371, kContextMagic = 0x6767736e;
constexpr std::uint32_t kMaxLayers = 4096, kMaxStreams = 4096, kMaxTypes = 256;

/* What versions of llama.cpp and kinds of models differ in. */
struct Dialect {
    bool rotations;           // the sizes of the rotations are written
    std::size_t cell_extra;   // bytes per cell between the number of sequence ids and the ids
};

class Reader {
public:
    Reader(span<const std::byte> bytes, std::size_t at) : bytes_(bytes), at_(at) {}

    template <class T>
    bool read(T& value) {
        if (left() < sizeof value) return false;
        std::memcpy(&value, bytes_.data() + at_, sizeof value);
        at_ += sizeof value;
        return true;
    }
    bool skip(std::size_t count) {
        if (left() < count) return false;
        at_ += count;
        return true;
    }
    [[nodiscard]] std::size_t at() const { return at_; }
    [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }

private:
    span<const std::byte> bytes_;
    std::size_t at_;
};

inline std::optional<Dtype> dtype_of_ggml(std::int32_t type) {
    switch (type) {
        case 0: return Dtype::f32;
        case 1: return Dtype::f16;
        case 30: return Dtype::bf16;
        default: return std::nullopt;
    }
}

inline bool read_cells(Reader& in, const Dialect& dialect, std::uint32_t count, Stream& stream) {
    // The smallest cell bounds what a hostile count may reserve.
    if (in.left() / 8 < count) return false;
    stream.cells_offset = in.at();
    stream.positions.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        std::int32_t position;
        std::uint32_t n_ids;
        if (!in.read(position) || !in.read(n_ids) || n_ids > 4096) return false;
        if (!in.skip(dialect.cell_extra + std::size_t{n_ids} * 4)) return false;
        stream.positions.push_back(position);
    }
    stream.cells_bytes = in.at() - stream.cells_offset;
    return true;
}

/* A tensor whose rows are written one after the other, or, for values, column by column. */
inline bool read_tensor(Reader& in, std::size_t cells, bool transposed, Tensor& tensor) {
    if (!in.read(tensor.type) || tensor.type < 0 || tensor.type >= static_cast<std::int32_t>(kMaxTypes)) return false;
    tensor.dtype = dtype_of_ggml(tensor.type);
    tensor.cells = cells;
    tensor.transposed = transposed;
    std::uint64_t row_bytes;
    if (transposed) {
        std::uint32_t element, width;
        if (!in.read(element) || !in.read(width) || element == 0 || width == 0) return false;
        if (tensor.dtype && element != tensor.element_bytes()) return false;
        row_bytes = std::uint64_t{element} * width;
    } else {
        if (!in.read(row_bytes) || row_bytes == 0) return false;
        if (tensor.dtype && row_bytes % tensor.element_bytes() != 0) return false;
    }
    if (row_bytes > in.left() / cells) return false;
    tensor.offset = in.at();
    tensor.bytes = static_cast<std::size_t>(row_bytes) * cells;
    tensor.width = tensor.dtype ? static_cast<std::size_t>(row_bytes) / tensor.element_bytes() : 0;
    return in.skip(tensor.bytes);
}

/* All that is left, from the caches on: tries in turn the numbers of values that a stream may have, and goes back where
 * one leads nowhere. `budget` bounds the tries. */
class Parser {
public:
    Parser(span<const std::byte> bytes, Dialect dialect) : bytes_(bytes), dialect_(dialect) {}

    /* The caches found; `tail` is where the last one ends. */
    std::vector<Cache> run(std::size_t at, std::size_t& tail) {
        best_tail_ = at;
        cache(at);
        tail = best_tail_;
        return std::move(best_);
    }

private:
    /* True once everything is understood. */
    bool cache(std::size_t at) {
        if (at > best_tail_ || (at == best_tail_ && best_.size() < found_.size())) {
            best_ = found_;
            best_tail_ = at;
        }
        if (at == bytes_.size()) return true;
        Reader in(bytes_, at);
        std::uint32_t n_streams;
        if (!in.read(n_streams) || n_streams == 0 || n_streams > kMaxStreams) return false;
        found_.emplace_back();
        const bool whole = stream(in.at(), n_streams);
        found_.pop_back();
        return whole;
    }

    bool stream(std::size_t at, std::uint32_t to_come) {
        if (to_come == 0) return cache(at);
        if (budget_-- == 0) return false;
        Reader in(bytes_, at);
        std::uint32_t count;
        if (!in.read(count)) return false;
        Stream stream;
        std::vector<std::size_t> ends;
        if (count > 0) {
            std::uint32_t transposed, n_layers;
            if (!read_cells(in, dialect_, count, stream) || !in.read(transposed) || transposed > 1 ||
                !in.read(n_layers) || n_layers == 0 || n_layers > kMaxLayers) {
                return false;
            }
            if (dialect_.rotations && (!in.read(stream.rotation_k) || !in.read(stream.rotation_v))) return false;
            stream.keys.resize(n_layers);
            for (Tensor& key : stream.keys) {
                if (!read_tensor(in, count, false, key)) return false;
            }
            // How many layers have values is not written.
            ends.push_back(in.at());
            for (std::uint32_t i = 0; i < n_layers; ++i) {
                Tensor value;
                if (!read_tensor(in, count, transposed == 1, value)) break;
                stream.values.push_back(value);
                ends.push_back(in.at());
            }
        } else {
            ends.push_back(in.at());
        }
        for (std::size_t values = ends.size(); values-- > 0;) {
            stream.values.resize(values);
            found_.back().streams.push_back(stream);
            const bool whole = this->stream(ends[values], to_come - 1);
            found_.back().streams.pop_back();
            if (whole) return true;
        }
        return false;
    }

    span<const std::byte> bytes_;
    Dialect dialect_;
    std::vector<Cache> found_, best_;
    std::size_t best_tail_ = 0;
    std::size_t budget_ = 100000;
};

inline Status bad_state(kakeya_status code, const char* text) { return {code, text}; }

}  // namespace detail

/** Finds the keys and values in a sequence state.
 *
 *  Errors: KAKEYA_ERR_UNSUPPORTED for bytes that begin as no sequence state does (a whole-context session among them),
 *  KAKEYA_ERR_TRUNCATED for a head that is cut off, KAKEYA_ERR_CORRUPT where not one cache can be read. */
inline Result<State> parse(span<const std::byte> bytes) {
    using namespace detail;
    State state;
    state.bytes = bytes.size();
    Reader in(bytes, 0);
    std::uint32_t magic, word, n_tokens;
    if (!in.read(magic)) return bad_state(KAKEYA_ERR_TRUNCATED, "a state has more than 4 bytes");
    if (magic == kContextMagic) {
        return bad_state(KAKEYA_ERR_UNSUPPORTED, "the session of a whole context, not of a sequence");
    }
    if (magic == kFileMagic) {
        if (!in.read(word) || !in.read(n_tokens)) return bad_state(KAKEYA_ERR_TRUNCATED, "the head of the file is cut off");
        state.is_file = true;
        state.tokens_offset = in.at();
        state.n_tokens = n_tokens;
        if (in.left() / 4 < n_tokens) return bad_state(KAKEYA_ERR_TRUNCATED, "the file ends among its prompt tokens");
        in.skip(std::size_t{n_tokens} * 4);
    } else if (magic == kDataMagic) {
        if (!in.read(word)) return bad_state(KAKEYA_ERR_TRUNCATED, "the head of the state is cut off");
    } else {
        return bad_state(KAKEYA_ERR_UNSUPPORTED, "neither a sequence state nor a sequence file of llama.cpp");
    }

    // The dialect that understands most; the newest one where two understand the same.
    for (const Dialect dialect : {Dialect{true, 0}, Dialect{true, 12}, Dialect{false, 0}, Dialect{false, 8}}) {
        std::size_t tail = 0;
        std::vector<Cache> caches = Parser(bytes, dialect).run(in.at(), tail);
        if (caches.empty() || tail <= state.tail) continue;
        state.caches = std::move(caches);
        state.tail = tail;
        if (tail == bytes.size()) break;
    }
    if (state.caches.empty()) {
        return bad_state(KAKEYA_ERR_CORRUPT, "no cache can be read: the state is cut off, or of an unknown version");
    }
    return state;
}

}  // namespace kakeya::llama

#endif  // KAKEYATURBO_LLAMA_STATE_HPP
