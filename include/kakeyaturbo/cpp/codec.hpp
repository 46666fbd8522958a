/* kakeya::Codec and Workspace: encode and decode blocks of rows.
 * Included by kakeyaturbo.hpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_CPP_CODEC_HPP
#define KAKEYATURBO_CPP_CODEC_HPP

#include "../kakeyaturbo.h"
#include "handle.hpp"
#include "mode.hpp"
#include "params.hpp"
#include "result.hpp"
#include "rows.hpp"
#include "skeleton.hpp"
#include "span.hpp"

#include <cstddef>
#include <vector>

namespace kakeya {
inline namespace KAKEYA_CPP_MODE {

/** The scratch memory of one thread that encodes or decodes; made by Codec::workspace. */
class Workspace : public detail::Handle<kakeya_workspace, &kakeya_workspace_free> {
public:
    using Handle::Handle;
    /** The C object, also of a constant workspace: encode_batch() takes those, and scratch memory has no value to
     *  keep. */
    [[nodiscard]] kakeya_workspace* raw() const noexcept { return get(); }
};

/** Parameters, layout and skeleton, checked once. Immutable: any number of threads may share it, each with a Workspace
 *  of its own. */
class Codec : public detail::Handle<kakeya_codec, &kakeya_codec_free> {
public:
    using Handle::Handle;

    /** The skeleton, if any, stays the caller's and may be destroyed afterwards. */
    static Result<Codec> create(const Params& params, const Layout& layout, const Skeleton* skeleton = nullptr) {
        const kakeya_skeleton* raw_skeleton = skeleton == nullptr ? nullptr : skeleton->raw();
        return layout.with_raw([&](const kakeya_layout* raw_layout) {
            return detail::make<Codec>(&kakeya_codec_create, &params.raw(), raw_layout, raw_skeleton);
        });
    }

    /** Scratch memory for blocks of up to `max_rows` rows. */
    [[nodiscard]] Result<Workspace> workspace(std::size_t max_rows) const {
        return detail::make<Workspace>(&kakeya_workspace_create, raw(), max_rows);
    }
    /** Bytes that such a workspace takes. */
    [[nodiscard]] Result<std::size_t> workspace_size(std::size_t max_rows) const {
        return detail::get<std::size_t>(&kakeya_workspace_size, raw(), max_rows);
    }

    /** The most bytes that a block of `n_rows` rows can take. */
    [[nodiscard]] Result<std::size_t> encode_bound(std::size_t n_rows) const {
        return detail::get<std::size_t>(&kakeya_encode_bound, raw(), n_rows);
    }

    /** Writes one block to the start of `dst` and returns its size in bytes. encode_bound() bytes are always enough. */
    [[nodiscard]] Result<std::size_t> encode(Workspace& workspace, const Rows& rows, span<std::byte> dst) const {
        const kakeya_rows raw_rows = rows.raw();
        return detail::get<std::size_t>(&kakeya_encode, raw(), workspace.raw(), &raw_rows, dst.data(), dst.size());
    }
    /** The same, into new memory. */
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
    /** Decodes `count` rows from row `first` on, and none of the others. */
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
        return detail::get<Fingerprint>(&kakeya_codec_fingerprint, raw());
    }
    /** The SIMD tier in use; kakeya_cpu_tier_name has its name. */
    [[nodiscard]] CpuTier cpu_tier() const noexcept { return static_cast<CpuTier>(kakeya_cpu_tier(raw())); }
};

/** What the header of a block says; needs no codec. Any bytes may be given. */
[[nodiscard]] inline Result<kakeya_block_info> read_info(span<const std::byte> block) {
    if (Status abi = check_abi(); !abi) return abi;
    return detail::get<kakeya_block_info>(&kakeya_block_read_info, block.data(), block.size());
}

/** Full check of a block without decoding it. Whether a certain codec can decode it, Codec::verify says. */
inline Status verify(span<const std::byte> block) {
    return Status::of(kakeya_block_verify(nullptr, block.data(), block.size()));
}

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya

#endif  // KAKEYATURBO_CPP_CODEC_HPP
