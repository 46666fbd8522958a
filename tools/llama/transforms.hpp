// What is done to the keys and values of a state between taking and restoring it, where no profile is needed: nothing, noise,
// llama.cpp's own types, turbo.

#ifndef TOOLS_LLAMA_TRANSFORMS_HPP
#define TOOLS_LLAMA_TRANSFORMS_HPP

#include "numbers.hpp"
#include "geometry.hpp"

#include <ggml.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

// Changes a state in place, all of whose tensors `where` names; gives the bytes that keys and values would take.
using Transform = std::function<double(Bytes& state, const kakeya::llama::State& where)>;

// The values of one tensor as floats, [cells, width], whatever its type and order in the state; and back.
inline std::vector<float> load(const Bytes& state, const kakeya::llama::Tensor& tensor) {
    const auto* traits = ggml_get_type_traits(static_cast<ggml_type>(tensor.type));
    std::vector<float> values(tensor.values());
    const std::byte* from = state.data() + tensor.offset;
    if (tensor.type == GGML_TYPE_F32) {
        std::memcpy(values.data(), from, tensor.bytes);
    } else {
        traits->to_float(from, values.data(), static_cast<std::int64_t>(values.size()));
    }
    if (!tensor.transposed) return values;
    std::vector<float> rows(values.size());
    for (std::size_t cell = 0; cell < tensor.cells; ++cell) {
        for (std::size_t i = 0; i < tensor.width; ++i) rows[cell * tensor.width + i] = values[i * tensor.cells + cell];
    }
    return rows;
}

inline void store(const std::vector<float>& rows, Bytes& state, const kakeya::llama::Tensor& tensor) {
    std::vector<float> turned;
    const float* values = rows.data();
    if (tensor.transposed) {
        turned.resize(rows.size());
        for (std::size_t cell = 0; cell < tensor.cells; ++cell) {
            for (std::size_t i = 0; i < tensor.width; ++i) {
                turned[i * tensor.cells + cell] = rows[cell * tensor.width + i];
            }
        }
        values = turned.data();
    }
    std::byte* to = state.data() + tensor.offset;
    if (tensor.type == GGML_TYPE_F32) {
        std::memcpy(to, values, tensor.bytes);
    } else {
        const auto width = static_cast<std::int64_t>(tensor.transposed ? tensor.cells : tensor.width);
        ggml_quantize_chunk(static_cast<ggml_type>(tensor.type), values, to, 0,
                            static_cast<std::int64_t>(rows.size()) / width, width, nullptr);
    }
}

// Calls `work(is_value, layer, cache, rows, tensor)` for every tensor and writes back what it made of the rows.
template <class Work>
void each_rows(Bytes& state, const kakeya::llama::State& where, Work&& work) {
    where.each_tensor([&](std::size_t cache, std::size_t, bool is_value, std::size_t layer,
                          const kakeya::llama::Tensor& tensor) {
        if (!tensor.dtype) throw std::runtime_error("the state is quantised already");
        std::vector<float> rows = load(state, tensor);
        work(cache, is_value, layer, rows, tensor);
        store(rows, state, tensor);
    });
}

inline double variance_of(const std::vector<float>& values) {
    double sum = 0, squares = 0;
    for (float x : values) sum += static_cast<double>(x), squares += static_cast<double>(x) * static_cast<double>(x);
    const auto n = static_cast<double>(values.size());
    return std::max(squares / n - (sum / n) * (sum / n), 0.0);
}

// Adds Gaussian noise of `ratio` times the variance of some values.
inline void disturb(std::vector<float>& values, double ratio, std::uint32_t seed) {
    const auto deviation = static_cast<float>(std::sqrt(variance_of(values) * ratio));
    const std::vector<float> noise = gaussian_like(values.size(), seed);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += deviation * noise[i];
}

// Noise of `ratio` times the variance of each tensor in every tensor; 0 = none. The bytes are those of the state: nothing is saved.
inline Transform add_noise(double ratio, std::uint32_t seed) {
    return [=](Bytes& state, const kakeya::llama::State& where) {
        std::uint32_t next = seed;
        double bytes = 0;
        each_rows(state, where, [&](std::size_t, bool, std::size_t, std::vector<float>& rows, const auto& tensor) {
            if (ratio > 0) disturb(rows, ratio, next++);
            bytes += static_cast<double>(tensor.bytes);
        });
        return bytes;
    };
}

// The orthonormal Walsh-Hadamard transform of `n` values, a power of two; its own inverse.
inline void hadamard(float* x, std::size_t n) {
    for (std::size_t half = 1; half < n; half *= 2) {
        for (std::size_t i = 0; i < n; i += 2 * half) {
            for (std::size_t j = i; j < i + half; ++j) {
                const float a = x[j], b = x[j + half];
                x[j] = a + b, x[j + half] = a - b;
            }
        }
    }
    const float scale = 1 / std::sqrt(static_cast<float>(n));
    for (std::size_t i = 0; i < n; ++i) x[i] *= scale;
}

// The size of the rotation that llama.cpp uses for quantised caches: of K the largest power of two that divides a head, of V
// 64; nothing below 64.
inline std::size_t rotation_size(std::size_t head, bool is_value) {
    if (head % 64 != 0) return 1;
    std::size_t size = 64;
    while (!is_value && head % (2 * size) == 0) size *= 2;
    return size;
}

// One of ggml's quantised types, after llama.cpp's rotation where asked. `caches` has the heads of each cache.
inline Transform quantise(ggml_type type, bool rotated, const std::vector<Heads>& caches) {
    return [=](Bytes& state, const kakeya::llama::State& where) {
        double bytes = 0;
        each_rows(state, where, [&](std::size_t cache, bool is_value, std::size_t, std::vector<float>& rows,
                                    const kakeya::llama::Tensor& tensor) {
            const Heads& heads = caches.at(cache);
            const std::size_t turn = rotated ? rotation_size(is_value ? heads.value : heads.key, is_value) : 1;
            const auto rotate = [&] {
                for (std::size_t i = 0; turn > 1 && i < rows.size(); i += turn) hadamard(&rows[i], turn);
            };
            rotate();
            const auto width = static_cast<std::int64_t>(tensor.width);
            std::vector<std::byte> quantised(ggml_row_size(type, width) * tensor.cells);
            ggml_quantize_chunk(type, rows.data(), quantised.data(), 0, static_cast<std::int64_t>(tensor.cells), width,
                                nullptr);
            ggml_get_type_traits(type)->to_float(quantised.data(), rows.data(), static_cast<std::int64_t>(rows.size()));
            rotate();
            bytes += static_cast<double>(quantised.size());
        });
        return bytes;
    };
}

// turbo, one block per tensor and kv-head.
inline Transform turbo(int bits, const std::vector<Heads>& caches) {
    return [=](Bytes& state, const kakeya::llama::State& where) {
        double bytes = 0;
        each_rows(state, where, [&](std::size_t cache, bool is_value, std::size_t, std::vector<float>& rows,
                                    const kakeya::llama::Tensor& tensor) {
            const std::size_t head = is_value ? caches.at(cache).value : caches.at(cache).key;
            const auto layout = kakeya::Layout::single(head);
            const auto codec = kakeya::Codec::create(kakeya::Params().bits(bits), layout).value();
            auto workspace = codec.workspace(tensor.cells).value();
            const auto stride = static_cast<std::ptrdiff_t>(tensor.width);
            for (std::size_t at = 0; at < tensor.width; at += head) {
                const auto block =
                    codec.encode(workspace, kakeya::Rows(tensor.cells, {kakeya::View(&rows[at], stride)})).value();
                codec.decode(workspace, block, kakeya::RowsMut(tensor.cells, {kakeya::ViewMut(&rows[at], stride)})).value();
                bytes += static_cast<double>(block.size());
            }
        });
        return bytes;
    };
}

#endif  // TOOLS_LLAMA_TRANSFORMS_HPP
