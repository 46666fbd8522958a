// Sequence states as llama.cpp writes them, of any shape, with keys and values that can be compressed.

#ifndef TOOLS_LLAMA_STATES_HPP
#define TOOLS_LLAMA_STATES_HPP

#include <kakeyaturbo/llama.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

// One cache of a state.
struct CacheShape {
    std::size_t layers = 2, width = 8;
    // Layers that have V.
    std::size_t values = 2;
    std::vector<std::int32_t> positions;
    bool transposed = false;
    // ggml's numbers: 0 = f32, 1 = f16, 30 = bf16, 8 = q8_0.
    std::int32_t type_k = 1, type_v = 1;
};

struct StateShape {
    std::vector<CacheShape> caches;
    // As llama_state_seq_save_file writes it, with this many prompt tokens.
    bool is_file = false;
    std::uint32_t n_tokens = 0;
    // As versions write it that do not store the sizes of rotations.
    bool old = false;
    // Streams without cells before the one with cells.
    std::uint32_t empty_streams = 0;
    std::vector<std::byte> tail;
};

class StateWriter {
public:
    explicit StateWriter(const StateShape& shape) {
        if (shape.is_file) {
            numbers(0x67677371U, 2U, shape.n_tokens);
            for (std::uint32_t i = 0; i < shape.n_tokens; ++i) number(i * 7);
        } else {
            numbers(0xaf143cd8U, 0U);
        }
        for (const CacheShape& cache : shape.caches) write(cache, shape);
        bytes_.insert(bytes_.end(), shape.tail.begin(), shape.tail.end());
    }

    std::vector<std::byte> bytes() const { return bytes_; }

private:
    template <class T>
    void number(T value) {
        std::byte bytes[sizeof value];
        std::memcpy(bytes, &value, sizeof value);
        bytes_.insert(bytes_.end(), bytes, bytes + sizeof value);
    }

    template <class... T>
    void numbers(T... values) {
        (number(values), ...);
    }

    void write(const CacheShape& cache, const StateShape& shape) {
        number(shape.empty_streams + 1);
        for (std::uint32_t i = 0; i < shape.empty_streams; ++i) number(0U);
        number(static_cast<std::uint32_t>(cache.positions.size()));
        for (std::int32_t position : cache.positions) numbers(position, 1U, 0);
        numbers(cache.transposed ? 1U : 0U, static_cast<std::uint32_t>(cache.layers));
        if (!shape.old) numbers(0U, 0U);
        for (std::size_t l = 0; l < cache.layers; ++l) tensor(cache, l, false);
        for (std::size_t l = 0; l < cache.values; ++l) tensor(cache, l, true);
    }

    void tensor(const CacheShape& cache, std::size_t layer, bool is_value) {
        const std::int32_t type = is_value ? cache.type_v : cache.type_k;
        const std::size_t cells = cache.positions.size();
        number(type);
        if (type == 8) {
            const std::size_t row = cache.width / 32 * 34;
            number(std::uint64_t{row});
            for (std::size_t i = 0; i < row * cells; ++i) bytes_.push_back(static_cast<std::byte>(i * 31 % 251));
            return;
        }
        const std::uint32_t element = type == 0 ? 4 : 2;
        const bool turned = is_value && cache.transposed;
        if (turned) {
            numbers(element, static_cast<std::uint32_t>(cache.width));
        } else {
            number(std::uint64_t{element} * cache.width);
        }
        for (std::size_t i = 0; i < cells * cache.width; ++i) {
            const std::size_t cell = turned ? i % cells : i / cache.width;
            const std::size_t column = turned ? i / cells : i % cache.width;
            // Smooth along the row, so that a few components hold it.
            const float x = std::sin(0.7F * static_cast<float>(cell + 3 * layer) + 0.2F * static_cast<float>(column)) +
                            (is_value ? 0.5F : 0.0F);
            put(x, type);
        }
    }

    void put(float x, std::int32_t type) {
        std::uint32_t word;
        std::memcpy(&word, &x, sizeof word);
        if (type == 0) {
            number(x);
        } else if (type == 30) {
            number(static_cast<std::uint16_t>(word >> 16));
        } else {
            // A normal f16, truncated: |x| is between 2^-14 and 2, or becomes 0.
            const std::uint32_t exponent = word >> 23 & 255;
            const std::uint32_t half = exponent < 113 ? 0 : (exponent - 112) << 10 | (word >> 13 & 1023);
            number(static_cast<std::uint16_t>((word >> 16 & 0x8000) | half));
        }
    }

    std::vector<std::byte> bytes_;
};

inline float read_value(const std::vector<std::byte>& bytes, const kakeya::llama::Tensor& tensor, std::size_t i) {
    const std::byte* at = bytes.data() + tensor.offset + i * tensor.element_bytes();
    std::uint16_t half;
    std::uint32_t word;
    if (tensor.dtype == kakeya::Dtype::f32) {
        std::memcpy(&word, at, sizeof word);
    } else {
        std::memcpy(&half, at, sizeof half);
        const std::uint32_t exponent = half >> 10 & 31, sign = std::uint32_t{half & 0x8000U} << 16;
        const bool none = exponent == 0;
        word = tensor.dtype == kakeya::Dtype::bf16 ? std::uint32_t{half} << 16
               : none                              ? sign
                      : sign | (exponent + 112) << 23 | std::uint32_t{half & 1023U} << 13;
    }
    float x;
    std::memcpy(&x, &word, sizeof x);
    return x;
}

// 0, 1, 2, ...
inline std::vector<std::int32_t> counting(std::size_t n) {
    std::vector<std::int32_t> positions;
    for (std::size_t i = 0; i < n; ++i) positions.push_back(static_cast<std::int32_t>(i));
    return positions;
}

#endif  // TOOLS_LLAMA_STATES_HPP
