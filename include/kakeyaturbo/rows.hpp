/* kakeya::View and Rows, ViewMut and RowsMut: where rows are read and written in the engine's own tensors.
 * Included by kakeyaturbo.hpp.
 *
 * Nothing here owns or copies the elements. Element c of row r of a view is `data[r * row_stride + c * col_stride]`;
 * strides are in elements and may be negative or zero.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_ROWS_HPP
#define KAKEYATURBO_ROWS_HPP

#include <kakeyaturbo/kakeyaturbo.h>
#include <kakeyaturbo/params.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace kakeya {

/** One IEEE 754 binary16 as its bits. */
enum class F16 : std::uint16_t {};
/** One bfloat16 as its bits. */
enum class BF16 : std::uint16_t {};

/** The Dtype of a C++ element type; specialise it for an engine's own half type. */
template <class T>
struct dtype_of;
template <>
struct dtype_of<float> {
    static constexpr Dtype value = Dtype::f32;
};
template <>
struct dtype_of<F16> {
    static constexpr Dtype value = Dtype::f16;
};
template <>
struct dtype_of<BF16> {
    static constexpr Dtype value = Dtype::bf16;
};

/** Where the rows of one segment are read. */
class View {
public:
    View(const void* data, Dtype dtype, std::ptrdiff_t row_stride, std::ptrdiff_t col_stride = 1) noexcept
        : raw_(detail::defaults(&kakeya_view_init)) {
        raw_.data = data;
        raw_.dtype = static_cast<std::uint32_t>(dtype);
        raw_.row_stride = row_stride;
        raw_.col_stride = col_stride;
    }
    template <class T>
    View(const T* data, std::ptrdiff_t row_stride, std::ptrdiff_t col_stride = 1) noexcept
        : View(data, dtype_of<T>::value, row_stride, col_stride) {}

    [[nodiscard]] const kakeya_view& raw() const noexcept { return raw_; }

private:
    kakeya_view raw_;
};

/** Where the rows of one segment are written. */
class ViewMut {
public:
    ViewMut(void* data, Dtype dtype, std::ptrdiff_t row_stride, std::ptrdiff_t col_stride = 1) noexcept
        : raw_(detail::defaults(&kakeya_view_mut_init)) {
        raw_.data = data;
        raw_.dtype = static_cast<std::uint32_t>(dtype);
        raw_.row_stride = row_stride;
        raw_.col_stride = col_stride;
    }
    template <class T>
    ViewMut(T* data, std::ptrdiff_t row_stride, std::ptrdiff_t col_stride = 1) noexcept
        : ViewMut(data, dtype_of<T>::value, row_stride, col_stride) {}
    /** Leaves the segment out: it is decoded to nowhere. */
    static ViewMut skip() noexcept { return {nullptr, Dtype::f32, 0, 1}; }

    [[nodiscard]] const kakeya_view_mut& raw() const noexcept { return raw_; }

private:
    kakeya_view_mut raw_;
};

/** The rows to encode: one view per segment of the layout. Whatever it is given must outlive its use. */
class Rows {
public:
    Rows(std::size_t n_rows, const std::vector<View>& views) : raw_(detail::defaults(&kakeya_rows_init)) {
        raw_.n_rows = n_rows;
        views_.reserve(views.size());
        for (const View& view : views) views_.push_back(view.raw());
    }
    /** A plain `[n_rows, dim]` array, for a layout of one segment. */
    template <class T>
    static Rows contiguous(const T* data, std::size_t n_rows, std::size_t dim) {
        return {n_rows, {View(data, static_cast<std::ptrdiff_t>(dim))}};
    }

    /** `n_rows` positions; needed where a segment has a RoPE rule. */
    Rows& positions(const std::int32_t* positions) noexcept { return raw_.positions = positions, *this; }
    /** `n_rows` weights, finite and not negative. */
    Rows& weights(const float* weights) noexcept { return raw_.weights = weights, *this; }
    /** `n_rows` flags, not 0 = store this row raw. */
    Rows& protect(const std::uint8_t* flags) noexcept { return raw_.protect = flags, *this; }

    /** The C struct; it points into this object. */
    [[nodiscard]] kakeya_rows raw() const noexcept {
        kakeya_rows rows = raw_;
        rows.views = views_.data();
        return rows;
    }

private:
    kakeya_rows raw_;
    std::vector<kakeya_view> views_;
};

/** Where decoded rows go: one view per segment of the layout. Whatever it is given must outlive its use. */
class RowsMut {
public:
    RowsMut(std::size_t n_rows, const std::vector<ViewMut>& views) : raw_(detail::defaults(&kakeya_rows_mut_init)) {
        raw_.n_rows = n_rows;
        views_.reserve(views.size());
        for (const ViewMut& view : views) views_.push_back(view.raw());
    }
    /** A plain `[n_rows, dim]` array, for a layout of one segment. */
    template <class T>
    static RowsMut contiguous(T* data, std::size_t n_rows, std::size_t dim) {
        return {n_rows, {ViewMut(data, static_cast<std::ptrdiff_t>(dim))}};
    }

    /** `n_rows` positions at which RoPE is applied; they may differ from those that were encoded. */
    RowsMut& positions(const std::int32_t* positions) noexcept { return raw_.positions = positions, *this; }

    /** The C struct; it points into this object. */
    [[nodiscard]] kakeya_rows_mut raw() const noexcept {
        kakeya_rows_mut rows = raw_;
        rows.views = views_.data();
        return rows;
    }

private:
    kakeya_rows_mut raw_;
    std::vector<kakeya_view_mut> views_;
};

}  // namespace kakeya

#endif  // KAKEYATURBO_ROWS_HPP
