/* kakeya::llama::SessionInfo, and the bytes of a session: read with every check, and written.
 * Included by llama.hpp. docs/FORMAT.md describes the format.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_LLAMA_SESSION_FORMAT_HPP
#define KAKEYATURBO_LLAMA_SESSION_FORMAT_HPP

#include "../cpp/codec.hpp"
#include "../cpp/handle.hpp"
#include "../cpp/mode.hpp"
#include "../cpp/result.hpp"
#include "../cpp/span.hpp"
#include "bytes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace kakeya::llama {
inline namespace KAKEYA_CPP_MODE {

/** Size of the head of a session in bytes. */
constexpr std::size_t kSessionHead = 160;
/** The only version of the session format. 0 until the format is final. */
constexpr std::uint32_t kSessionVersion = 0;

/** What a session says about itself. */
struct SessionInfo {
    /** The rate of its codecs: one of the two is not 0, the step of the model or the bits per component. */
    float step = 0, bits = 0;
    /** Largest size of a block in bytes; 0 = no limit. */
    std::size_t max_bytes = 0;
    /** The profile it was made with, and the model of that profile. Any profile with the same codecs restores it. */
    Fingerprint profile{}, model{};
    /** BLAKE3 of the restored state. */
    Fingerprint restored{};
    /** Bytes of the state, of the session, and of its blocks. */
    std::size_t state_bytes = 0, session_bytes = 0, block_bytes = 0;
    /** Values in the blocks. */
    std::size_t values = 0;
    std::size_t n_blocks = 0;
    /** Largest error that a block states: relative squared, or absolute with KAKEYA_DISTORTION_LINF. */
    double certified_error = 0;
};

namespace detail {

constexpr char kSessionMagic[8] = {'k', 'k', 't', 's', 'e', 's', 's', '\0'};

/* A run of bytes that blocks restore. */
struct Hole {
    std::size_t first, count;
};

/* A session, taken apart and checked. Its spans point into it. */
struct Session {
    SessionInfo info;
    std::vector<Hole> holes;
    span<const std::byte> rest;
    std::vector<span<const std::byte>> blocks;
};

inline Status corrupt(const char* what) { return {KAKEYA_ERR_CORRUPT, std::string("the session is damaged: ") + what}; }

inline Status truncated_head() { return {KAKEYA_ERR_TRUNCATED, "the session ends in its head"}; }

/* Checks all bytes, except the blocks against their codecs. Every size is bounded by the bytes at hand before memory
 * is reserved for it. */
class SessionReader {
public:
    explicit SessionReader(span<const std::byte> bytes) : bytes_(bytes), in_(bytes, 0) {}

    Result<Session> run() {
        if (Status s = magic(); !s) return s;
        if (Status s = head(); !s) return s;
        if (Status s = hash(); !s) return s;
        if (Status s = counts(); !s) return s;
        if (Status s = sizes(); !s) return s;
        if (Status s = holes(); !s) return s;
        if (Status s = blocks(); !s) return s;
        return std::move(session_);
    }

private:
    Status magic() {
        char magic[sizeof kSessionMagic];
        std::uint32_t version = 0;
        if (!in_.read(magic)) return truncated_head();
        if (std::memcmp(magic, kSessionMagic, sizeof magic) != 0) {
            return {KAKEYA_ERR_UNSUPPORTED, "not a compressed session"};
        }
        if (!in_.read(version)) return truncated_head();
        if (version != kSessionVersion) {
            return {KAKEYA_ERR_WRONG_VERSION, "session format " + std::to_string(version) + ", this reader knows " +
                                                  std::to_string(kSessionVersion)};
        }
        return {};
    }

    Status head() {
        SessionInfo& info = session_.info;
        std::uint64_t max_bytes = 0, total = 0, state_bytes = 0;
        if (!in_.read(reserved_) || !in_.read(info.step) || !in_.read(info.bits) || !in_.read(max_bytes) ||
            !in_.read(info.profile) || !in_.read(info.model) || !in_.read(info.restored) || !in_.read(total) ||
            !in_.read(state_bytes) || !in_.read(n_blocks_) || !in_.read(n_holes_)) {
            return truncated_head();
        }
        if (total > bytes_.size()) {
            return {KAKEYA_ERR_TRUNCATED, "the session has " + std::to_string(bytes_.size()) + " bytes of " +
                                              std::to_string(total)};
        }
        if (total != bytes_.size() || total < kSessionHead + sizeof(Fingerprint)) return corrupt("its size");
        info.max_bytes = static_cast<std::size_t>(max_bytes);
        info.state_bytes = static_cast<std::size_t>(state_bytes);
        info.session_bytes = bytes_.size();
        return {};
    }

    Status hash() {
        const std::size_t hashed = bytes_.size() - sizeof(Fingerprint);
        Fingerprint stated{};
        std::memcpy(stated.data(), bytes_.data() + hashed, stated.size());
        Result<Fingerprint> actual = kakeya::hash(bytes_.first(hashed));
        if (!actual) return actual.status();
        return stated == actual.value() ? Status() : corrupt("its hash differs");
    }

    Status counts() {
        left_ = in_.left() - sizeof(Fingerprint);
        if (reserved_ != 0 || n_blocks_ > left_ / 8 || n_holes_ > (left_ - 8 * n_blocks_) / 16) {
            return corrupt("its counts");
        }
        left_ -= static_cast<std::size_t>(8 * n_blocks_ + 16 * n_holes_);
        session_.info.n_blocks = static_cast<std::size_t>(n_blocks_);
        return {};
    }

    Status sizes() {
        SessionInfo& info = session_.info;
        for (std::size_t i = 0; i < info.n_blocks; ++i) {
            std::uint64_t size = 0;
            in_.read(size);
            if (size > left_ - info.block_bytes) return corrupt("the size of a block");
            sizes_.push_back(static_cast<std::size_t>(size));
            info.block_bytes += sizes_.back();
        }
        return {};
    }

    Status holes() {
        const std::uint64_t state_bytes = session_.info.state_bytes;
        std::size_t end = 0;
        for (std::size_t i = 0; i < n_holes_; ++i) {
            std::uint64_t first = 0, count = 0;
            in_.read(first);
            in_.read(count);
            if (first < end || first > state_bytes || count > state_bytes - first) {
                return corrupt("where blocks belong");
            }
            session_.holes.push_back({static_cast<std::size_t>(first), static_cast<std::size_t>(count)});
            end = static_cast<std::size_t>(first + count);
            missing_ += session_.holes.back().count;
        }
        return {};
    }

    Status blocks() {
        SessionInfo& info = session_.info;
        const std::size_t rest = left_ - info.block_bytes;
        if (rest != info.state_bytes - missing_) return corrupt("the sizes of its parts");
        session_.rest = bytes_.subspan(in_.at(), rest);
        std::size_t at = in_.at() + rest;
        for (std::size_t size : sizes_) {
            session_.blocks.push_back(bytes_.subspan(at, size));
            at += size;
            if (Status whole = verify(session_.blocks.back()); !whole) return whole;
            Result<kakeya_block_info> block = read_info(session_.blocks.back());
            if (!block) return block.status();
            info.values += block.value().n_rows * block.value().dim;
            info.certified_error = std::max(info.certified_error, block.value().certified_error);
        }
        // A value restores at most 4 bytes. So the memory of a restored state is bounded by the blocks at hand.
        if (missing_ / 4 > info.values) return corrupt("its blocks are too small");
        return {};
    }

    span<const std::byte> bytes_;
    Reader in_;
    Session session_;
    std::uint32_t reserved_ = 0;
    std::uint64_t n_blocks_ = 0, n_holes_ = 0;
    /* Bytes after the tables and before the hash: the rest and the blocks. */
    std::size_t left_ = 0;
    /* Of each block. */
    std::vector<std::size_t> sizes_;
    /* Bytes of all holes. */
    std::size_t missing_ = 0;
};

/* The bytes of a session. Of its info, rate, fingerprints and `state_bytes` must be set; the other sizes follow. */
inline Result<std::vector<std::byte>> write_session(const Session& session) {
    const SessionInfo& info = session.info;
    std::size_t total = kSessionHead + 8 * session.blocks.size() + 16 * session.holes.size() + session.rest.size() +
                        sizeof(Fingerprint);
    for (span<const std::byte> block : session.blocks) total += block.size();
    std::vector<std::byte> out;
    out.reserve(total);
    Appender to(out);
    for (char c : kSessionMagic) to.number(c);
    to.number(kSessionVersion);
    to.number(std::uint32_t{0});
    to.number(info.step);
    to.number(info.bits);
    to.number(std::uint64_t{info.max_bytes});
    to.fingerprint(info.profile);
    to.fingerprint(info.model);
    to.fingerprint(info.restored);
    for (std::size_t count : {total, info.state_bytes, session.blocks.size(), session.holes.size()}) {
        to.number(std::uint64_t{count});
    }
    for (span<const std::byte> block : session.blocks) to.number(std::uint64_t{block.size()});
    for (const Hole& hole : session.holes) {
        to.number(std::uint64_t{hole.first});
        to.number(std::uint64_t{hole.count});
    }
    to.bytes(session.rest);
    for (span<const std::byte> block : session.blocks) to.bytes(block);
    Result<Fingerprint> hash = kakeya::hash(out);
    if (!hash) return hash.status();
    to.fingerprint(hash.value());
    return out;
}

}  // namespace detail
}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya::llama

#endif  // KAKEYATURBO_LLAMA_SESSION_FORMAT_HPP
