/* kakeya::Codec and Workspace: encode and decode blocks of rows.
 * Included by kakeyaturbo.hpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_CODEC_HPP
#define KAKEYATURBO_CODEC_HPP

#include <kakeyaturbo/kakeyaturbo.h>
#include <kakeyaturbo/params.hpp>
#include <kakeyaturbo/result.hpp>
#include <kakeyaturbo/rows.hpp>
#include <kakeyaturbo/skeleton.hpp>
#include <kakeyaturbo/span.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace kakeya {

/** The scratch memory of one thread that encodes or decodes; made by Codec::workspace. */
class Workspace {
public:
    [[nodiscard]] kakeya_workspace* raw() const noexcept { return handle_.get(); }

private:
    friend class Codec;
    explicit Workspace(kakeya_workspace* made) noexcept : handle_(made) {}
    detail::Handle<kakeya_workspace, &kakeya_workspace_free> handle_;
};

/** Parameters, layout and skeleton, checked once. Immutable: any number of threads may share it, each with a Workspace
 *  of its own. */
class Codec {
public:
    /** The skeleton, if any, stays the caller's and may be destroyed afterwards. */
    static Result<Codec> create(const Params& params, const Layout& layout, const Skeleton* skeleton = nullptr) {
        if (Status abi = check_abi(); !abi) return abi;
        const kakeya_skeleton* raw_skeleton = skeleton == nullptr ? nullptr : skeleton->raw();
        kakeya_codec* made = nullptr;
        Status s = layout.with_raw([&](const kakeya_layout* raw_layout) {
            return Status::of(kakeya_codec_create(&params.raw(), raw_layout, raw_skeleton, &made));
        });
        if (!s) return s;
        return Codec(made);
    }

    /** Scratch memory for blocks of up to `max_rows` rows. */
    [[nodiscard]] Result<Workspace> workspace(std::size_t max_rows) const {
        kakeya_workspace* made = nullptr;
        if (Status s = Status::of(kakeya_workspace_create(raw(), max_rows, &made)); !s) return s;
        return Workspace(made);
    }
    /** Bytes that such a workspace takes. */
    [[nodiscard]] Result<std::size_t> workspace_size(std::size_t max_rows) const {
        std::size_t size = 0;
        if (Status s = Status::of(kakeya_workspace_size(raw(), max_rows, &size)); !s) return s;
        return size;
    }

    /** The most bytes that a block of `n_rows` rows can take. */
    [[nodiscard]] Result<std::size_t> encode_bound(std::size_t n_rows) const {
        std::size_t bound = 0;
        if (Status s = Status::of(kakeya_encode_bound(raw(), n_rows, &bound)); !s) return s;
        return bound;
    }

    /** Writes one block to `dst` and gives its size in bytes. */
    [[nodiscard]] Result<std::size_t> encode(Workspace& workspace, const Rows& rows, span<std::byte> dst) const {
        const kakeya_rows raw_rows = rows.raw();
        std::size_t written = 0;
        Status s = Status::of(
            kakeya_encode(raw(), workspace.raw(), &raw_rows, dst.data(), dst.size(), &written));
        if (!s) return s;
        return written;
    }
    /** As above, into memory of its own. */
    [[nodiscard]] Result<std::vector<std::byte>> encode(Workspace& workspace, const Rows& rows) const {
        Result<std::size_t> bound = encode_bound(rows.raw().n_rows);
        if (!bound) return bound.status();
        std::vector<std::byte> block(bound.value());
        Result<std::size_t> written = encode(workspace, rows, block);
        if (!written) return written.status();
        block.resize(written.value());
        return block;
    }

    /** Decodes a whole block. After a failure the contents of the destination are unspecified. */
    Status decode(Workspace& workspace, span<const std::byte> block, const RowsMut& rows) const {
        const kakeya_rows_mut raw_rows = rows.raw();
        return Status::of(kakeya_decode(raw(), workspace.raw(), block.data(), block.size(), &raw_rows));
    }
    /** Decodes `count` rows from row `first` on, without the rest. */
    Status decode_rows(Workspace& workspace, span<const std::byte> block, std::size_t first, std::size_t count,
                       const RowsMut& rows) const {
        const kakeya_rows_mut raw_rows = rows.raw();
        return Status::of(
            kakeya_decode_rows(raw(), workspace.raw(), block.data(), block.size(), first, count, &raw_rows));
    }

    /** Full check of a block without decoding it, and that this codec can decode it. */
    Status verify(span<const std::byte> block) const {
        return Status::of(kakeya_block_verify(raw(), block.data(), block.size()));
    }

    /** Identifies format, parameters, layout and skeleton; every block carries it. */
    [[nodiscard]] Result<Fingerprint> fingerprint() const {
        Fingerprint fingerprint{};
        if (Status s = Status::of(kakeya_codec_fingerprint(raw(), fingerprint.data())); !s) return s;
        return fingerprint;
    }
    /** The SIMD tier in use; kakeya_cpu_tier_name has its name. */
    [[nodiscard]] CpuTier cpu_tier() const noexcept { return static_cast<CpuTier>(kakeya_cpu_tier(raw())); }

    [[nodiscard]] const kakeya_codec* raw() const noexcept { return handle_.get(); }

private:
    friend class Profile;
    explicit Codec(kakeya_codec* made) noexcept : handle_(made) {}
    detail::Handle<kakeya_codec, &kakeya_codec_free> handle_;
};

/** What the header of a block says; needs no codec. */
[[nodiscard]] inline Result<kakeya_block_info> read_info(span<const std::byte> block) {
    if (Status abi = check_abi(); !abi) return abi;
    kakeya_block_info info{};
    if (Status s = Status::of(kakeya_block_read_info(block.data(), block.size(), &info, sizeof info)); !s) return s;
    return info;
}

/** Full check of a block without decoding it; whether a given codec can decode it is Codec::verify's to say. */
inline Status verify(span<const std::byte> block) {
    return Status::of(kakeya_block_verify(nullptr, block.data(), block.size()));
}

}  // namespace kakeya

#endif  // KAKEYATURBO_CODEC_HPP
