/* kakeya::View and Rows, ViewMut and RowsMut: where rows are read and written in the engine's own tensors.
 * Included by kakeyaturbo.hpp.
 *
 * Nothing here owns or copies the elements. Element c of row r of a view is `data[r * row_stride + c * col_stride]`;
 * strides are in elements and may be negative or zero.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_CPP_ROWS_HPP
#define KAKEYATURBO_CPP_ROWS_HPP

#include "../kakeyaturbo.h"
#include "mode.hpp"
#include "params.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace kakeya {
inline namespace KAKEYA_CPP_MODE {

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

namespace detail {

/* What rows that are read and rows that are written differ in. */
struct Reading {
    static constexpr bool writes = false;
    using Data = const void*;
    static kakeya_view view() noexcept { return defaults(&kakeya_view_init); }
    static kakeya_rows rows() noexcept { return defaults(&kakeya_rows_init); }
};
struct Writing {
    static constexpr bool writes = true;
    using Data = void*;
    static kakeya_view_mut view() noexcept { return defaults(&kakeya_view_mut_init); }
    static kakeya_rows_mut rows() noexcept { return defaults(&kakeya_rows_mut_init); }
};

}  // namespace detail

/** Where the rows of one segment are; use it as View or ViewMut. */
template <class Access>
class BasicView {
public:
    using Raw = decltype(Access::view());

    BasicView(typename Access::Data data, Dtype dtype, std::ptrdiff_t row_stride,
              std::ptrdiff_t col_stride = 1) noexcept
        : raw_(Access::view()) {
        raw_.data = data;
        raw_.dtype = static_cast<std::uint32_t>(dtype);
        raw_.row_stride = row_stride;
        raw_.col_stride = col_stride;
    }
    template <class T>
    BasicView(T* data, std::ptrdiff_t row_stride, std::ptrdiff_t col_stride = 1) noexcept
        : BasicView(data, dtype_of<std::remove_const_t<T>>::value, row_stride, col_stride) {}
    /** Leaves the segment out: it is not written anywhere. */
    static BasicView skip() noexcept {
        static_assert(Access::writes, "a segment can be left out only where rows are written");
        return {nullptr, Dtype::f32, 0, 1};
    }

    [[nodiscard]] const Raw& raw() const noexcept { return raw_; }

private:
    Raw raw_;
};

/** The rows of one block; use it as Rows or RowsMut. */
template <class Access>
class BasicRows {
public:
    using Raw = decltype(Access::rows());
    using View = BasicView<Access>;

    /** `views` has one view per segment of the layout; all that they point to must outlive the use of this object. */
    BasicRows(std::size_t n_rows, const std::vector<View>& views) : raw_(Access::rows()) {
        raw_.n_rows = n_rows;
        views_.reserve(views.size());
        for (const View& view : views) views_.push_back(view.raw());
    }
    /** A plain `[n_rows, dim]` array, for a layout of one segment. */
    template <class T>
    static BasicRows contiguous(T* data, std::size_t n_rows, std::size_t dim) {
        return {n_rows, {View(data, static_cast<std::ptrdiff_t>(dim))}};
    }

    /** `n_rows` positions for RoPE; needed if a segment has it. Rows may be decoded at other positions than those at
     *  which they were encoded. */
    BasicRows& positions(const std::int32_t* positions) noexcept {
        raw_.positions = positions;
        return *this;
    }
    /** `n_rows` weights, finite and not negative. */
    BasicRows& weights(const float* weights) noexcept {
        static_assert(!Access::writes, "only rows that are read have weights");
        raw_.weights = weights;
        return *this;
    }
    /** `n_rows` flags; a row whose flag is not 0 is stored raw. */
    BasicRows& protect(const std::uint8_t* flags) noexcept {
        static_assert(!Access::writes, "only rows that are read can be protected");
        raw_.protect = flags;
        return *this;
    }

    /** The C struct; it points into this object. */
    [[nodiscard]] Raw raw() const noexcept {
        Raw rows = raw_;
        rows.views = views_.data();
        return rows;
    }

private:
    Raw raw_;
    std::vector<typename View::Raw> views_;
};

/** Where the rows of one segment are read. */
using View = BasicView<detail::Reading>;
/** Where the rows of one segment are written. */
using ViewMut = BasicView<detail::Writing>;
/** The rows to encode, or to fit to. */
using Rows = BasicRows<detail::Reading>;
/** Where decoded rows go. */
using RowsMut = BasicRows<detail::Writing>;

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya

#endif  // KAKEYATURBO_CPP_ROWS_HPP
