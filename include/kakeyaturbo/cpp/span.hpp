/* kakeya::span: std::span if the library has it, otherwise the small part of it that is needed here.
 * Included by kakeyaturbo.hpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_CPP_SPAN_HPP
#define KAKEYATURBO_CPP_SPAN_HPP

#include <cstddef>

#if __cplusplus >= 202002L && defined(__has_include)
#if __has_include(<span>)
#include <span>
#endif
#endif

#if !defined(__cpp_lib_span)
#include <iterator>
#include <type_traits>
#include <utility>
#endif

namespace kakeya {
inline namespace KAKEYA_CPP_MODE {

#if defined(__cpp_lib_span)

template <class T>
using span = std::span<T>;

#else

/** `size()` elements of somebody else's memory, starting at `data()`. */
template <class T>
class span {
public:
    using element_type = T;
    using value_type = std::remove_cv_t<T>;
    using iterator = T*;

    constexpr span() noexcept = default;
    constexpr span(T* data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <std::size_t N>
    constexpr span(T (&array)[N]) noexcept : data_(array), size_(N) {}
    /** From anything contiguous that has data() and size(), if its elements are T, or T without const. */
    template <class Range, class Element = std::remove_pointer_t<decltype(std::data(std::declval<Range&>()))>,
              class = std::enable_if_t<std::is_convertible_v<Element (*)[], T (*)[]>>>
    constexpr span(Range&& range) noexcept : data_(std::data(range)), size_(std::size(range)) {}

    [[nodiscard]] constexpr T* data() const noexcept { return data_; }
    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] constexpr T* begin() const noexcept { return data_; }
    [[nodiscard]] constexpr T* end() const noexcept { return data_ + size_; }
    constexpr T& operator[](std::size_t i) const noexcept { return data_[i]; }
    [[nodiscard]] constexpr span first(std::size_t count) const noexcept { return {data_, count}; }
    [[nodiscard]] constexpr span subspan(std::size_t offset, std::size_t count) const noexcept {
        return {data_ + offset, count};
    }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

#endif

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya

#endif  // KAKEYATURBO_CPP_SPAN_HPP
