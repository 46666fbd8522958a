/* What all owners of C objects share: the handle, and how they get values, objects and saved bytes from the C API.
 * Also kakeya::Fingerprint and kakeya::hash.
 * Included by kakeyaturbo.hpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_CPP_HANDLE_HPP
#define KAKEYATURBO_CPP_HANDLE_HPP

#include "../kakeyaturbo.h"
#include "mode.hpp"
#include "result.hpp"
#include "span.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

namespace kakeya {
inline namespace KAKEYA_CPP_MODE {

/** 32 bytes that identify a skeleton, a codec, a profile or a model; suitable as a cache key. */
using Fingerprint = std::array<std::uint8_t, 32>;

namespace detail {

/* Owns an object of the C API; `release` is the C function that frees it. */
template <class Object, auto release>
class Handle {
public:
    using Raw = Object;
    /** Takes over a C object, which is freed with this one. */
    explicit Handle(Object* owned) noexcept : object_(owned) {}

    /** The C object; it lives as long as this one. */
    [[nodiscard]] Object* raw() noexcept { return get(); }
    [[nodiscard]] const Object* raw() const noexcept { return get(); }

protected:
    [[nodiscard]] Object* get() const noexcept { return object_.get(); }

private:
    struct Release {
        void operator()(Object* object) const noexcept { release(object); }
    };
    std::unique_ptr<Object, Release> object_;
};

/* Calls a C function whose last parameters say where a T is written: a `T*`; a `T*` and the size of T, for a struct
 * that may grow; or 32 bytes, for a Fingerprint. `args` are the parameters before them. */
template <class T, class Getter, class... Args>
Result<T> get(Getter getter, Args... args) {
    T found{};
    kakeya_status code = KAKEYA_OK;
    if constexpr (std::is_invocable_v<Getter, Args..., T*>) {
        code = getter(args..., &found);
    } else if constexpr (std::is_invocable_v<Getter, Args..., T*, std::size_t>) {
        code = getter(args..., &found, sizeof found);
    } else {
        code = getter(args..., found.data());
    }
    if (Status s = Status::of(code); !s) return s;
    return found;
}

/* Makes an Owner with a C function whose last parameter says where the pointer to the new object is written. */
template <class Owner, class Creator, class... Args>
Result<Owner> make(Creator creator, Args... args) {
    if (Status abi = check_abi(); !abi) return abi;
    Result<typename Owner::Raw*> made = get<typename Owner::Raw*>(creator, args...);
    if (!made) return made.status();
    return Owner(made.value());
}

/* What a C object saves: `size` says how many bytes, `write` writes them. */
template <class Raw>
Result<std::vector<std::byte>> save(kakeya_status (*size)(const Raw*, std::size_t*),
                                    kakeya_status (*write)(const Raw*, void*, std::size_t, std::size_t*),
                                    const Raw* raw) {
    Result<std::size_t> length = get<std::size_t>(size, raw);
    if (!length) return length.status();
    std::vector<std::byte> bytes(length.value());
    Result<std::size_t> written = get<std::size_t>(write, raw, bytes.data(), bytes.size());
    if (!written) return written.status();
    bytes.resize(written.value());
    return bytes;
}

}  // namespace detail

/** BLAKE3 of `bytes`. */
[[nodiscard]] inline Result<Fingerprint> hash(span<const std::byte> bytes) {
    return detail::get<Fingerprint>(&kakeya_hash, bytes.data(), bytes.size());
}

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya

#endif  // KAKEYATURBO_CPP_HANDLE_HPP
