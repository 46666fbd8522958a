/* kakeya::Fitter and Skeleton: fit a basis once, share it between codecs, save and load it.
 * For Preset::kakeya and Preset::rdo.
 * Included by kakeyaturbo.hpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_SKELETON_HPP
#define KAKEYATURBO_SKELETON_HPP

#include <kakeyaturbo/kakeyaturbo.h>
#include <kakeyaturbo/params.hpp>
#include <kakeyaturbo/result.hpp>
#include <kakeyaturbo/rows.hpp>
#include <kakeyaturbo/span.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace kakeya {

namespace detail {

/* Owns an object of the C API; `release` is its C free function. */
template <auto release>
struct Release {
    template <class Object>
    void operator()(Object* object) const noexcept {
        release(object);
    }
};
template <class Object, auto release>
using Handle = std::unique_ptr<Object, Release<release>>;

}  // namespace detail

/** 32 bytes that identify a skeleton or a codec; fit for a cache key. */
using Fingerprint = std::array<std::uint8_t, 32>;

/** BLAKE3 of some bytes. */
[[nodiscard]] inline Result<Fingerprint> hash(span<const std::byte> bytes) {
    Fingerprint made{};
    if (Status s = Status::of(kakeya_hash(bytes.data(), bytes.size(), made.data())); !s) return s;
    return made;
}

/** What was fitted: immutable, may be shared by any number of threads. */
class Skeleton {
public:
    /** From what save() wrote. Any bytes may be given: those that are no skeleton are an error. */
    static Result<Skeleton> load(span<const std::byte> bytes) {
        if (Status abi = check_abi(); !abi) return abi;
        kakeya_skeleton* made = nullptr;
        if (Status s = Status::of(kakeya_skeleton_load(bytes.data(), bytes.size(), &made)); !s) return s;
        return Skeleton(made);
    }

    [[nodiscard]] Result<std::vector<std::byte>> save() const {
        std::size_t size = 0;
        if (Status s = Status::of(kakeya_skeleton_size(raw(), &size)); !s) return s;
        std::vector<std::byte> bytes(size);
        if (Status s = Status::of(kakeya_skeleton_save(raw(), bytes.data(), bytes.size(), &size)); !s) return s;
        bytes.resize(size);
        return bytes;
    }

    [[nodiscard]] Result<Fingerprint> id() const {
        Fingerprint id{};
        if (Status s = Status::of(kakeya_skeleton_id(raw(), id.data())); !s) return s;
        return id;
    }

    [[nodiscard]] const kakeya_skeleton* raw() const noexcept { return handle_.get(); }

private:
    friend class Fitter;
    friend class Profile;
    explicit Skeleton(kakeya_skeleton* made) noexcept : handle_(made) {}
    detail::Handle<kakeya_skeleton, &kakeya_skeleton_free> handle_;
};

/** A skeleton and what the fit says about it. */
struct Fit {
    Skeleton skeleton;
    kakeya_fit_report report;
};

/** Gathers rows and fits a skeleton to them. Belongs to one thread at a time. */
class Fitter {
public:
    static Result<Fitter> create(const Params& params, const Layout& layout) {
        if (Status abi = check_abi(); !abi) return abi;
        kakeya_fitter* made = nullptr;
        Status s = layout.with_raw([&](const kakeya_layout* raw_layout) {
            return Status::of(kakeya_fitter_create(&params.raw(), raw_layout, &made));
        });
        if (!s) return s;
        return Fitter(made);
    }

    Status add_rows(const Rows& rows) {
        const kakeya_rows raw_rows = rows.raw();
        return Status::of(kakeya_fitter_add_rows(handle_.get(), &raw_rows));
    }

    /**
     * Adds `n` queries that will meet the rows of a segment: before RoPE, asked from `positions` (not below 0), or as
     * they are without. The skeleton then puts its error where they look least.
     */
    Status add_queries(std::size_t segment, const View& queries, std::size_t n, const std::int32_t* positions = nullptr) {
        const kakeya_view view = queries.raw();
        return Status::of(kakeya_fitter_add_queries(handle_.get(), segment, &view, n, positions));
    }

    [[nodiscard]] Result<Fit> finish() {
        kakeya_fit_report report{};
        kakeya_skeleton* made = nullptr;
        Status s = Status::of(kakeya_fitter_finish(handle_.get(), &report, sizeof report, &made));
        if (!s) return s;
        return Fit{Skeleton(made), report};
    }

private:
    explicit Fitter(kakeya_fitter* made) noexcept : handle_(made) {}
    detail::Handle<kakeya_fitter, &kakeya_fitter_free> handle_;
};

}  // namespace kakeya

#endif  // KAKEYATURBO_SKELETON_HPP
