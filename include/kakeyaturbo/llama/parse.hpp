/* kakeya::llama::parse: finds the keys and values in a sequence state of llama.cpp.
 * Included by llama.hpp.
 *
 * parse() takes the bytes of llama_state_seq_get_data, or of the file that llama_state_seq_save_file writes
 * (llama-server's --slot-save-path). They consist of
 *
 *   head     magic and sequence id, or magic, version and prompt tokens
 *   caches   one, or two if some layers attend to a sliding window: the global one first
 *     streams  usually one; those without cells have no layers
 *       cells    position and sequence ids (and for multi-axis positions 12 bytes more) of every row
 *       keys     one tensor per layer, rows of all kv-heads
 *       values   the same, or none; transposed if flash attention is off
 *   tail     whatever follows and is not such a cache
 *
 * It reads nothing outside the bytes, copies none of them, and never guesses silently: a contradiction is an error, and
 * bytes that it cannot name belong to no tensor. Numbers are little-endian. Nothing here depends on llama.cpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_LLAMA_PARSE_HPP
#define KAKEYATURBO_LLAMA_PARSE_HPP

#include "../cpp/mode.hpp"
#include "../cpp/params.hpp"
#include "../cpp/result.hpp"
#include "../cpp/span.hpp"
#include "bytes.hpp"
#include "state.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace kakeya::llama {
inline namespace KAKEYA_CPP_MODE {

namespace detail {

constexpr std::uint32_t kDataMagic = 0xaf143cd8, kFileMagic = 0x67677371, kContextMagic = 0x6767736e;
/* Far above what models have: what is larger is not a state. */
constexpr std::uint32_t kMaxLayers = 4096, kMaxStreams = 4096, kMaxSequences = 4096;
constexpr std::int32_t kMaxTypes = 256;

/* What versions of llama.cpp and kinds of models differ in. */
struct Dialect {
    /* The sizes of the rotations are written. */
    bool rotations;
    /* Bytes per cell between the number of sequence ids and the ids. */
    std::size_t cell_extra;
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
        if (!in.read(position) || !in.read(n_ids) || n_ids > kMaxSequences) return false;
        if (!in.skip(dialect.cell_extra + std::size_t{n_ids} * 4)) return false;
        stream.positions.push_back(position);
    }
    stream.cells_bytes = in.at() - stream.cells_offset;
    return true;
}

/* A tensor whose rows are written one after the other; values may be written column by column. */
inline bool read_tensor(Reader& in, std::size_t cells, bool transposed, Tensor& tensor) {
    if (!in.read(tensor.type) || tensor.type < 0 || tensor.type >= kMaxTypes) return false;
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

/* Reads the caches. How many value tensors a stream has is not written: tries the possible numbers in turn, and goes
 * back if one leads nowhere. `budget_` bounds the tries, so that hostile bytes cannot take exponential time. */
class Parser {
public:
    Parser(span<const std::byte> bytes, Dialect dialect) : bytes_(bytes), dialect_(dialect) {}

    /* The caches that were found; `tail` is set to where the last one ends. */
    std::vector<Cache> run(std::size_t at, std::size_t& tail) {
        best_tail_ = at;
        cache(at);
        tail = best_tail_;
        return std::move(best_);
    }

private:
    /* Reads caches from `at` on; true if they reach the end. */
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

    /* Reads the `to_come` other streams of the last cache, then the caches after it. */
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

/** Finds the keys and values in a sequence state. Any bytes may be given.
 *
 *  Errors: KAKEYA_ERR_UNSUPPORTED for bytes that do not begin like a sequence state (such as the session of a whole
 *  context), KAKEYA_ERR_TRUNCATED for a head that is cut off, KAKEYA_ERR_CORRUPT if no cache can be read. */
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
        if (!in.read(word) || !in.read(n_tokens)) {
            return bad_state(KAKEYA_ERR_TRUNCATED, "the head of the file is cut off");
        }
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

    // The dialect that understands most; of two that understand the same, the newer one.
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

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya::llama

#endif  // KAKEYATURBO_LLAMA_PARSE_HPP
