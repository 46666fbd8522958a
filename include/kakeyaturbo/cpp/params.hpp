/* kakeya::Params, Segment and Layout: what a codec is made from, as values with setters that chain.
 * Included by kakeyaturbo.hpp. Ranges and defaults are those of the C structs of the same names.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_CPP_PARAMS_HPP
#define KAKEYATURBO_CPP_PARAMS_HPP

#include "../kakeyaturbo.h"
#include "mode.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace kakeya {
inline namespace KAKEYA_CPP_MODE {

enum class Preset : std::uint32_t {
    turbo = KAKEYA_PRESET_TURBO,
    kakeya = KAKEYA_PRESET_KAKEYA,
    rdo = KAKEYA_PRESET_RDO,
};

enum class Distortion : std::uint32_t {
    mse = KAKEYA_DISTORTION_MSE,
    inner_product = KAKEYA_DISTORTION_INNER_PRODUCT,
    linf = KAKEYA_DISTORTION_LINF,
};

enum class Dtype : std::uint32_t { f32 = KAKEYA_DTYPE_F32, f16 = KAKEYA_DTYPE_F16, bf16 = KAKEYA_DTYPE_BF16 };

enum class Rope : std::uint32_t {
    none = KAKEYA_ROPE_NONE,
    neox = KAKEYA_ROPE_NEOX,
    interleaved = KAKEYA_ROPE_INTERLEAVED,
};

enum class NanPolicy : std::uint32_t { reject = KAKEYA_NAN_POLICY_REJECT, raw = KAKEYA_NAN_POLICY_RAW };

enum class CpuTier : std::uint32_t {
    best = KAKEYA_CPU_TIER_BEST,
    scalar = KAKEYA_CPU_TIER_SCALAR,
    avx2 = KAKEYA_CPU_TIER_AVX2,
    avx512 = KAKEYA_CPU_TIER_AVX512,
    neon = KAKEYA_CPU_TIER_NEON,
};

namespace detail {

/* A C struct with its defaults. Should the library refuse the size, struct_size stays 0, and the call that gets the
 * struct fails instead: a constructor has no status to return. */
template <class Struct>
Struct defaults(kakeya_status (*init)(Struct*, std::size_t)) noexcept {
    Struct filled{};
    if (init(&filled, sizeof filled) != KAKEYA_OK) filled.struct_size = 0;
    return filled;
}

}  // namespace detail

/** Parameters of a codec or a fitter: `Params().preset(Preset::turbo).bits(4)`. */
class Params {
public:
    Params() noexcept : raw_(detail::defaults(&kakeya_params_init)) {}
    /** From a C struct, as kakeya_profile_params fills it. */
    explicit Params(const kakeya_params& raw) noexcept : raw_(raw) {}

    Params& preset(Preset preset) noexcept { return set(raw_.preset, preset); }
    Params& distortion(Distortion d) noexcept { return set(raw_.distortion, d); }
    /** A fixed rate, in bits per coded component: an integer from 1 to 8; with Preset::rdo their average, any number
     *  above 0 and up to 8. bits(), step() and max_bytes() exclude each other: the last one called counts. */
    Params& bits(double bits) noexcept {
        raw_.rate_control = KAKEYA_RATE_CONTROL_BITS;
        raw_.step = 0;
        raw_.max_bytes = 0;
        return set(raw_.bits, bits);
    }
    /** Preset::rdo: a fixed step of the quantiser, in the units of the rows after gains; the size follows the data. */
    Params& step(float step) noexcept {
        raw_.rate_control = KAKEYA_RATE_CONTROL_STEP;
        raw_.max_bytes = 0;
        return set(raw_.step, step);
    }
    /** Preset::rdo: the largest size of a block. The finest step that fits is searched for, in ratios of 1.1 %, and is
     *  never finer than `finest`: blocks that fit at that step become no larger. */
    Params& max_bytes(std::size_t bytes, float finest = 0) noexcept {
        raw_.rate_control = KAKEYA_RATE_CONTROL_MAX_BYTES;
        raw_.step = finest;
        return set(raw_.max_bytes, bytes);
    }
    /** Preset::rdo at a step, not with bits(): 0 = plain, 1 = a trellis search, which is slower to encode and gives
     *  smaller blocks at the same error (at the same step they are larger, with less error). */
    Params& effort(std::uint32_t effort) noexcept { return set(raw_.effort, effort); }
    /** Preset::rdo: rows that are entropy-coded together, 1 to 65535. */
    Params& rows_per_run(std::uint32_t rows) noexcept { return set(raw_.rows_per_run, rows); }
    /** Distortion::linf: largest allowed |x - x'|, in the units of the rows; 0 = no limit. */
    Params& max_abs_error(float bound) noexcept { return set(raw_.max_abs_error, bound); }
    /** Preset::kakeya: share of the variance that the basis must capture, in (0, 1]. */
    Params& variance_ratio(float ratio) noexcept { return set(raw_.variance_ratio, ratio); }
    /** Preset::kakeya: largest number of components; 0 = only the dimension limits it. */
    Params& max_rank(std::uint32_t rank) noexcept { return set(raw_.max_rank, rank); }
    /** Preset::kakeya, Preset::rdo: centres to try (0 to 256, 0 = none) and rounds (1 to 100). */
    Params& kmeans(std::uint32_t centres, std::uint32_t rounds = 10) noexcept {
        raw_.kmeans_iters = rounds;
        return set(raw_.kmeans_k, centres);
    }
    /** Rows of a block that may be stored raw; their space is reserved in every block. At a step any number
     *  of rows may be stored raw, and nothing is reserved. */
    Params& max_protected(std::size_t rows) noexcept { return set(raw_.max_protected, rows); }
    Params& seed(std::uint64_t seed) noexcept { return set(raw_.seed, seed); }
    Params& nan_policy(NanPolicy policy) noexcept { return set(raw_.nan_policy, policy); }
    /** false: the checksum of a block covers its header only. */
    Params& checksum(bool payload) noexcept { return set(raw_.checksum, payload); }
    Params& cpu_tier(CpuTier tier) noexcept { return set(raw_.cpu_tier, tier); }

    [[nodiscard]] const kakeya_params& raw() const noexcept { return raw_; }

private:
    /* Fields have the C types: enums, flags and doubles become numbers and floats. */
    template <class Field, class Value>
    Params& set(Field& field, Value value) noexcept {
        field = static_cast<Field>(value);
        return *this;
    }

    kakeya_params raw_;
};

/** A run of coordinates of a row that comes from one tensor: the K, or the V, of a kv-head. */
class Segment {
public:
    /** `dim` coordinates, 1 to 4096; gain 1, raw rows in f32, no RoPE. */
    explicit Segment(std::size_t dim) noexcept : raw_(detail::defaults(&kakeya_segment_init)) { raw_.dim = dim; }
    /** From a C struct, as kakeya_profile_segment fills it; its frequencies are copied. */
    explicit Segment(const kakeya_segment& raw) : raw_(raw) {
        if (raw.rope != KAKEYA_ROPE_NONE) inv_freq_.assign(raw.inv_freq, raw.inv_freq + raw.n_rot / 2);
    }

    /** Factor applied before coding and undone after decoding; finite and positive. */
    Segment& gain(float gain) noexcept {
        raw_.gain = gain;
        return *this;
    }
    /** Element type in which protected rows are stored. */
    Segment& raw_dtype(Dtype dtype) noexcept {
        raw_.raw_dtype = static_cast<std::uint32_t>(dtype);
        return *this;
    }
    /** Rotary embedding to undo before coding. It rotates the first `2 * inv_freq.size()` coordinates; the inverse
     *  frequencies are in radians per position. */
    Segment& rope(Rope kind, std::vector<float> inv_freq) {
        raw_.rope = static_cast<std::uint32_t>(kind);
        inv_freq_ = std::move(inv_freq);
        return *this;
    }

    /** The C struct; it points into this object. */
    [[nodiscard]] kakeya_segment raw() const noexcept {
        kakeya_segment segment = raw_;
        segment.n_rot = 2 * inv_freq_.size();
        segment.inv_freq = inv_freq_.empty() ? nullptr : inv_freq_.data();
        return segment;
    }

private:
    kakeya_segment raw_;
    std::vector<float> inv_freq_;
};

/** The segments that make up a row, in order; their dimensions add up to 1 to 4096. */
class Layout {
public:
    Layout(std::vector<Segment> segments) : segments_(std::move(segments)) {}
    Layout(std::initializer_list<Segment> segments) : segments_(segments) {}
    /** Rows of one tensor, `dim` coordinates each. */
    static Layout single(std::size_t dim) { return {Segment(dim)}; }

    [[nodiscard]] std::size_t n_segments() const noexcept { return segments_.size(); }

    /** Calls `use` with the C struct, which lives until `use` returns, and returns what `use` returns. */
    template <class Use>
    auto with_raw(Use&& use) const {
        std::vector<kakeya_segment> segments;
        segments.reserve(segments_.size());
        for (const Segment& segment : segments_) segments.push_back(segment.raw());
        kakeya_layout layout = detail::defaults(&kakeya_layout_init);
        layout.n_segments = segments.size();
        layout.segments = segments.data();
        return std::forward<Use>(use)(&layout);
    }

private:
    std::vector<Segment> segments_;
};

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya

#endif  // KAKEYATURBO_CPP_PARAMS_HPP
