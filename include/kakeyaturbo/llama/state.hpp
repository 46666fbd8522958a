/* kakeya::llama::State: where the keys and values are in a sequence state of llama.cpp.
 * parse() finds them, see parse.hpp.
 * Included by llama.hpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_LLAMA_STATE_HPP
#define KAKEYATURBO_LLAMA_STATE_HPP

#include "../cpp/mode.hpp"
#include "../cpp/params.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace kakeya::llama {
inline namespace KAKEYA_CPP_MODE {

/** K or V of one layer: `cells` rows of `width` values, somewhere in the state. */
struct Tensor {
    /** ggml's number of the type. */
    std::int32_t type = 0;
    /** The type as kakeyaturbo knows it; none for quantised types, whose bytes are carried as they are. */
    std::optional<Dtype> dtype;
    /** Where its bytes are in the state, and how many. */
    std::size_t offset = 0, bytes = 0;
    /** Values per row: all kv-heads. 0 if dtype is none. */
    std::size_t width = 0;
    /** Rows. */
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
    /** One per layer, or fewer if layers share or lack V, or none. */
    std::vector<Tensor> values;
};

/** The layers of a model that keep the same rows: all of them, the global ones or the sliding-window ones. */
struct Cache {
    std::vector<Stream> streams;
};

/** What a sequence state consists of. */
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
    /** How many keys and values have a type that kakeyaturbo knows. */
    [[nodiscard]] std::size_t values() const {
        std::size_t count = 0;
        each_tensor([&](std::size_t, std::size_t, bool, std::size_t, const Tensor& t) { count += t.values(); });
        return count;
    }
};

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya::llama

#endif  // KAKEYATURBO_LLAMA_STATE_HPP
