// Rows like those of a KV cache, the same on every machine: normal values whose spectrum decays as that of real keys and values
// does, in f16, in the tensors of an engine, keys after RoPE.

#ifndef BENCH_SYNTHETIC_HPP
#define BENCH_SYNTHETIC_HPP

#include "numbers.hpp"

#include <kakeyaturbo/kakeyaturbo.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <vector>

// The nearest binary16 of a value within its range, ties to even.
inline kakeya::F16 to_f16(float value) {
    int exponent = 0;
    std::frexp(value, &exponent);
    exponent = std::max(exponent, -13);  // below, numbers are not normal
    const auto digits = static_cast<int>(std::nearbyint(std::ldexp(std::fabs(value), 11 - exponent)));
    const int bits = ((exponent + 14) << 10) + digits - 1024;
    return static_cast<kakeya::F16>(bits | (std::signbit(value) ? 0x8000 : 0));
}

// What a row is cut from: tensors [tokens, heads, head_dim].
struct TensorShape {
    std::size_t heads, head_dim;
    bool is_key;
    std::size_t width() const { return heads * head_dim; }
};

// K and V of a kv-head, of a layer, or (1,152 values) of three layers with three kv-heads of 64.
inline std::vector<TensorShape> joined(std::size_t dim) {
    if (dim != 1152) return {{1, dim / 2, true}, {1, dim / 2, false}};
    std::vector<TensorShape> shapes;
    for (int layer = 0; layer < 3; ++layer) shapes.push_back({3, 64, true}), shapes.push_back({3, 64, false});
    return shapes;
}

// Rows of one tensor without RoPE.
inline std::vector<TensorShape> single(std::size_t dim) { return {{1, dim, false}}; }

inline std::vector<float> frequencies(std::size_t head_dim) {
    std::vector<float> inv_freq(head_dim / 2);
    for (std::size_t i = 0; i < inv_freq.size(); ++i) {
        inv_freq[i] = static_cast<float>(std::pow(1e4, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim)));
    }
    return inv_freq;
}

inline kakeya::Layout layout_of(const std::vector<TensorShape>& shapes) {
    std::vector<kakeya::Segment> segments;
    for (const TensorShape& shape : shapes) {
        for (std::size_t head = 0; head < shape.heads; ++head) {
            segments.emplace_back(shape.head_dim).raw_dtype(kakeya::Dtype::f16);
            if (shape.is_key) segments.back().rope(kakeya::Rope::neox, frequencies(shape.head_dim));
        }
    }
    return segments;
}

// Draws rows: x = A z with z normal, and columns of A that become shorter like (1 + 64 t)^-0.5 exp(-2 t), t from 0 to 1: at
// 1.5 bits per value rdo leaves the error that it leaves on the layers of a small language model.
class Source {
public:
    explicit Source(std::size_t dim) : dim_(dim), columns_(gaussian_like(dim * dim, 1)) {
        double energy = 0;
        std::vector<double> deviations;
        for (std::size_t k = 0; k < dim; ++k) {
            const double t = (static_cast<double>(k) + 0.5) / static_cast<double>(dim);
            deviations.push_back(std::pow(1 + 64 * t, -0.5) * std::exp(-2 * t));
            energy += deviations.back() * deviations.back();
        }
        for (std::size_t k = 0; k < dim; ++k) {
            const auto scale = static_cast<float>(deviations[k] / std::sqrt(energy));
            for (std::size_t j = 0; j < dim; ++j) columns_[k * dim + j] *= scale;
        }
    }

    std::size_t dim() const { return dim_; }

    // [n, dim], of mean square 1.
    std::vector<float> rows(std::size_t n, std::uint32_t seed) const {
        const std::vector<float> z = gaussian_like(n * dim_, seed);
        std::vector<float> rows(n * dim_);
        for (std::size_t i = 0; i < n; ++i) {
            for (std::size_t k = 0; k < dim_; ++k) {
                const float factor = z[i * dim_ + k];
                for (std::size_t j = 0; j < dim_; ++j) rows[i * dim_ + j] += factor * columns_[k * dim_ + j];
            }
        }
        return rows;
    }

private:
    std::size_t dim_;
    std::vector<float> columns_;
};

// Rows in an engine's tensors. T is kakeya::F16 or float.
template <class T>
class Tensors {
public:
    // Zeros, to decode to.
    Tensors(const std::vector<TensorShape>& shapes, std::size_t n) : shapes_(shapes), positions_(n) {
        std::iota(positions_.begin(), positions_.end(), 0);
        for (const TensorShape& shape : shapes) data_.emplace_back(n * shape.width());
    }

    Tensors(const std::vector<TensorShape>& shapes, std::vector<float> rows, std::size_t dim) : Tensors(shapes, rows.size() / dim) {
        for (std::size_t i = 0; i < positions_.size(); ++i) {
            const float* row = &rows[i * dim];
            for (std::size_t t = 0; t < shapes.size(); ++t) {
                for (std::size_t head = 0; head < shapes[t].heads; ++head) {
                    put(row, i, t, head);
                    row += shapes[t].head_dim;
                }
            }
        }
    }

    std::size_t n() const { return positions_.size(); }
    const T* data(std::size_t tensor) const { return data_[tensor].data(); }

    kakeya::Rows rows() const {
        std::vector<kakeya::View> views;
        each_head([&](std::size_t t, std::size_t offset, std::ptrdiff_t stride) { views.emplace_back(&data_[t][offset], stride); });
        kakeya::Rows rows(n(), views);
        rows.positions(positions_.data());
        return rows;
    }

    // The first `count` rows, at the positions from `first` on.
    kakeya::RowsMut rows_mut(std::size_t first, std::size_t count) {
        std::vector<kakeya::ViewMut> views;
        each_head([&](std::size_t t, std::size_t offset, std::ptrdiff_t stride) { views.emplace_back(&data_[t][offset], stride); });
        kakeya::RowsMut rows(count, views);
        rows.positions(positions_.data() + first);
        return rows;
    }

private:
    template <class Use>
    void each_head(Use&& use) const {
        for (std::size_t t = 0; t < shapes_.size(); ++t) {
            for (std::size_t head = 0; head < shapes_[t].heads; ++head) {
                use(t, head * shapes_[t].head_dim, static_cast<std::ptrdiff_t>(shapes_[t].width()));
            }
        }
    }

    void put(const float* values, std::size_t i, std::size_t t, std::size_t head) {
        const TensorShape& shape = shapes_[t];
        const std::size_t half = shape.head_dim / 2;
        T* to = &data_[t][i * shape.width() + head * shape.head_dim];
        if (!shape.is_key) {
            for (std::size_t j = 0; j < shape.head_dim; ++j) to[j] = element(values[j]);
            return;
        }
        const std::vector<float> inv_freq = frequencies(shape.head_dim);
        for (std::size_t j = 0; j < half; ++j) {
            const double angle = static_cast<double>(positions_[i]) * static_cast<double>(inv_freq[j]);
            const double x = values[j], y = values[j + half];
            to[j] = element(static_cast<float>(x * std::cos(angle) - y * std::sin(angle)));
            to[j + half] = element(static_cast<float>(x * std::sin(angle) + y * std::cos(angle)));
        }
    }

    static T element(float value) {
        if constexpr (std::is_same_v<T, float>) return value;
        else return to_f16(value);
    }

    std::vector<TensorShape> shapes_;
    std::vector<std::int32_t> positions_;
    std::vector<std::vector<T>> data_;
};

#endif  // BENCH_SYNTHETIC_HPP
