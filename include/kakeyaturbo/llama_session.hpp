/* A sequence state, or session file, of llama.cpp as a smaller buffer, and back.
 * Included by llama.hpp.
 *
 * compress() codes keys and values with the codecs of a profile and keeps every other byte as it is. restore() gives back bytes
 * that llama_state_seq_set_data accepts; they are the same on every machine, and compress() has seen them: their hash is in
 * the session. A session that was damaged anywhere is refused.
 *
 *   head      kSessionHead bytes, see SessionInfo
 *   sizes     of every block, u64
 *   holes     first byte and number of bytes of each run of the state that blocks restore, 2 x u64, ascending, apart
 *   rest      all other bytes of the state, in order
 *   blocks    in the order of Coder::pieces
 *   hash      BLAKE3 of all bytes before it
 *
 * Numbers are little-endian.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_LLAMA_SESSION_HPP
#define KAKEYATURBO_LLAMA_SESSION_HPP

#include <kakeyaturbo/llama_blocks.hpp>
#include <kakeyaturbo/llama_state.hpp>
#include <kakeyaturbo/profile.hpp>
#include <kakeyaturbo/result.hpp>
#include <kakeyaturbo/skeleton.hpp>
#include <kakeyaturbo/span.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace kakeya::llama {

/** Size of the head of a session in bytes. */
constexpr std::size_t kSessionHead = 160;
/** The only version of the session format. 0 until the format is final. */
constexpr std::uint32_t kSessionVersion = 0;

/** What a session says about itself. */
struct SessionInfo {
    /** One of these is not 0: the step of the model, or the bits per component, that its codecs were made with. */
    float step = 0, bits = 0;
    /** Largest size of a block; 0 = no limit. */
    std::size_t max_bytes = 0;
    /** The profile it was made with, and the model of that profile. Other profiles restore it too, if their codecs are the same. */
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

constexpr char kSessionMagic[8] = {'k', 'k', 't', 's', 'e', 's', 's', '\0'};

class Appender {
public:
    explicit Appender(std::vector<std::byte>& out) : out_(out) {}
    template <class T>
    void number(T value) {
        std::byte bytes[sizeof value];
        std::memcpy(bytes, &value, sizeof value);
        out_.insert(out_.end(), bytes, bytes + sizeof value);
    }
    void bytes(span<const std::byte> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
    void fingerprint(const Fingerprint& print) {
        for (std::uint8_t byte : print) out_.push_back(static_cast<std::byte>(byte));
    }

private:
    std::vector<std::byte>& out_;
};

inline CodecOptions options_of(const SessionInfo& info) {
    CodecOptions options;
    if (info.step > 0) options.step(info.step);
    if (info.bits > 0) options.bits(info.bits);
    if (info.max_bytes > 0) options.max_bytes(info.max_bytes);
    return options;
}

/* The wish, with the name of a quality, or no wish at all, made a number. */
inline Result<SessionInfo> resolve(const Profile& profile, const CodecOptions& options) {
    const kakeya_profile_codec_options raw = options.raw();
    SessionInfo info;
    info.step = raw.step, info.bits = raw.bits, info.max_bytes = raw.max_bytes;
    if (raw.quality != nullptr) {
        Result<std::vector<Quality>> table = profile.qualities();
        if (!table) return table.status();
        for (const Quality& quality : table.value()) {
            if (quality.name == raw.quality) info.step = quality.step;
        }
        if (info.step == 0) return Status(KAKEYA_ERR_BAD_PARAM, "the profile has no quality " + std::string(raw.quality));
    }
    if (info.step == 0 && info.bits == 0) {
        Result<float> step = profile.default_step();
        if (!step) return step.status();
        info.step = step.value();
    }
    Result<Fingerprint> own = profile.fingerprint(), model = profile.model();
    if (!own) return own.status();
    if (!model) return model.status();
    info.profile = own.value(), info.model = model.value();
    return info;
}

/* The tensors all of whose values are in pieces: blocks restore all of their bytes. */
inline std::vector<Hole> holes_of(const State& state, const Coder& coder, const std::vector<Coder::Piece>& pieces) {
    std::vector<std::pair<std::size_t, std::size_t>> coded;
    for (const Coder::Piece& piece : pieces) {
        const Stream& stream = state.caches[piece.cache].streams[piece.stream];
        for (const Head& head : coder.heads(state, piece)) {
            coded.emplace_back(tensor(stream, head).offset, head.dim * piece.count);
        }
    }
    std::sort(coded.begin(), coded.end());
    std::vector<Hole> holes;
    state.each_tensor([&](std::size_t, std::size_t, bool, std::size_t, const Tensor& t) {
        std::size_t values = 0;
        auto at = std::lower_bound(coded.begin(), coded.end(), std::pair(t.offset, std::size_t{0}));
        for (; at != coded.end() && at->first == t.offset; ++at) values += at->second;
        if (values > 0 && values == t.values()) holes.push_back({t.offset, t.bytes});
    });
    return holes;
}

inline Status corrupt(const char* what) { return {KAKEYA_ERR_CORRUPT, std::string("the session is damaged: ") + what}; }

/* Checks all bytes but those of the blocks against their codecs. */
inline Result<Session> read_session(span<const std::byte> bytes) {
    Reader in(bytes, 0);
    char magic[8];
    std::uint32_t version = 0, reserved = 0;
    if (!in.read(magic)) return Status(KAKEYA_ERR_TRUNCATED, "the session ends in its head");
    if (std::memcmp(magic, kSessionMagic, sizeof magic) != 0) {
        return Status(KAKEYA_ERR_UNSUPPORTED, "not a compressed session");
    }
    if (!in.read(version)) return Status(KAKEYA_ERR_TRUNCATED, "the session ends in its head");
    if (version != kSessionVersion) {
        return Status(KAKEYA_ERR_WRONG_VERSION, "session format " + std::to_string(version) +
                                                    ", this reader knows " + std::to_string(kSessionVersion));
    }
    Session session;
    SessionInfo& info = session.info;
    std::uint64_t max_bytes, total, state_bytes, n_blocks, n_holes;
    if (!in.read(reserved) || !in.read(info.step) || !in.read(info.bits) || !in.read(max_bytes) ||
        !in.read(info.profile) || !in.read(info.model) || !in.read(info.restored) || !in.read(total) ||
        !in.read(state_bytes) || !in.read(n_blocks) || !in.read(n_holes)) {
        return Status(KAKEYA_ERR_TRUNCATED, "the session ends in its head");
    }
    if (total > bytes.size()) {
        return Status(KAKEYA_ERR_TRUNCATED, "the session has " + std::to_string(bytes.size()) + " bytes of " +
                                                std::to_string(total));
    }
    Fingerprint stated;
    if (total != bytes.size() || total < kSessionHead + stated.size()) return corrupt("its size");
    Result<Fingerprint> hash = kakeya::hash(bytes.first(bytes.size() - stated.size()));
    if (!hash) return hash.status();
    std::memcpy(stated.data(), bytes.data() + bytes.size() - stated.size(), stated.size());
    if (stated != hash.value()) return corrupt("its hash differs");

    std::size_t left = in.left() - stated.size();
    if (reserved != 0 || n_blocks > left / 8 || n_holes > (left - 8 * n_blocks) / 16) return corrupt("its counts");
    left -= static_cast<std::size_t>(8 * n_blocks + 16 * n_holes);
    info.max_bytes = static_cast<std::size_t>(max_bytes);
    info.state_bytes = static_cast<std::size_t>(state_bytes);
    info.session_bytes = bytes.size();
    info.n_blocks = static_cast<std::size_t>(n_blocks);
    std::vector<std::size_t> sizes;
    for (std::size_t i = 0; i < info.n_blocks; ++i) {
        std::uint64_t size = 0;
        in.read(size);
        if (size > left - info.block_bytes) return corrupt("the size of a block");
        sizes.push_back(static_cast<std::size_t>(size));
        info.block_bytes += sizes.back();
    }
    std::size_t end = 0, missing = 0;
    for (std::size_t i = 0; i < n_holes; ++i) {
        std::uint64_t first = 0, count = 0;
        in.read(first), in.read(count);
        if (first < end || first > state_bytes || count > state_bytes - first) return corrupt("where blocks belong");
        session.holes.push_back({static_cast<std::size_t>(first), static_cast<std::size_t>(count)});
        end = static_cast<std::size_t>(first + count);
        missing += session.holes.back().count;
    }
    if (left - info.block_bytes != info.state_bytes - missing) return corrupt("the sizes of its parts");
    session.rest = bytes.subspan(in.at(), left - info.block_bytes);
    std::size_t at = in.at() + session.rest.size();
    for (std::size_t size : sizes) {
        session.blocks.push_back(bytes.subspan(at, size));
        at += size;
        if (Status whole = verify(session.blocks.back()); !whole) return whole;
        Result<kakeya_block_info> block = read_info(session.blocks.back());
        if (!block) return block.status();
        info.values += block.value().n_rows * block.value().dim;
        info.certified_error = std::max(info.certified_error, block.value().certified_error);
    }
    // What a restored state takes follows from what is there.
    if (missing / 4 > info.values) return corrupt("its blocks are too small");
    return session;
}

/* The state without what the blocks restore: zeros instead. */
inline std::vector<std::byte> with_holes(const Session& session) {
    std::vector<std::byte> state(session.info.state_bytes);
    std::size_t at = 0, from = 0;
    const auto copy = [&](std::size_t until) {
        if (until > at) std::memcpy(state.data() + at, session.rest.data() + from, until - at);
        from += until - at;
    };
    for (const Hole& hole : session.holes) copy(hole.first), at = hole.first + hole.count;
    copy(state.size());
    return state;
}

/* The state that the blocks of a session give. */
template <class Run>
Result<std::vector<std::byte>> fill(const Session& session, const Coder& coder, const Run& run) {
    std::vector<std::byte> bytes = with_holes(session);
    Result<State> state = parse(bytes);
    if (!state) return state.status();
    Result<std::vector<Coder::Piece>> pieces = coder.pieces(state.value());
    if (!pieces) return pieces.status();
    const std::vector<Coder::Piece>& list = pieces.value();
    if (list.size() != session.blocks.size()) {
        return Status(KAKEYA_ERR_WRONG_CODEC, "the session has " + std::to_string(session.blocks.size()) +
                                                  " blocks, with this profile it would have " + std::to_string(list.size()));
    }
    std::vector<Status> statuses(list.size());
    run(list.size(), [&](std::size_t i) {
        statuses[i] = coder.decode(session.blocks[i], bytes, state.value(), list[i]);
    });
    for (const Status& status : statuses) {
        if (!status) return status;
    }
    return bytes;
}

}  // namespace detail

/** Compresses the bytes of llama_state_seq_get_data, or a file of llama_state_seq_save_file, with a profile of its model. Without a
 *  wish the profile's own step is used.
 *
 *  Errors: those of parse() and Coder::pieces(), and what the codecs report. */
template <class Run = InOrder>
Result<std::vector<std::byte>> compress(span<const std::byte> bytes, const Profile& profile, const CodecOptions& options = {},
                                        const Run& run = {}) {
    using namespace detail;
    Result<State> state = parse(bytes);
    if (!state) return state.status();
    Result<SessionInfo> info = resolve(profile, options);
    if (!info) return info.status();
    Result<Coder> coder = Coder::create(profile, options_of(info.value()), run);
    if (!coder) return coder.status();
    Result<std::vector<Coder::Piece>> pieces = coder.value().pieces(state.value());
    if (!pieces) return pieces.status();

    const std::vector<Coder::Piece>& list = pieces.value();
    std::vector<std::vector<std::byte>> blocks(list.size());
    std::vector<Status> statuses(list.size());
    run(list.size(), [&](std::size_t i) {
        Result<std::vector<std::byte>> block = coder.value().encode(bytes, state.value(), list[i]);
        statuses[i] = block.status();
        if (block) blocks[i] = std::move(block).value();
    });
    for (const Status& status : statuses) {
        if (!status) return status;
    }

    Session session;
    session.info = info.value();
    session.info.state_bytes = bytes.size();
    session.holes = holes_of(state.value(), coder.value(), list);
    for (const std::vector<std::byte>& block : blocks) session.blocks.push_back(block);
    std::vector<std::byte> rest;
    std::size_t at = 0;
    for (const Hole& hole : session.holes) {
        Appender(rest).bytes(bytes.subspan(at, hole.first - at));
        at = hole.first + hole.count;
    }
    Appender(rest).bytes(bytes.subspan(at, bytes.size() - at));
    session.rest = rest;
    Result<std::vector<std::byte>> back = fill(session, coder.value(), run);
    if (!back) return back.status();
    Result<Fingerprint> restored = kakeya::hash(back.value());
    if (!restored) return restored.status();

    std::vector<std::byte> out;
    Appender to(out);
    std::size_t total = kSessionHead + 8 * blocks.size() + 16 * session.holes.size() + rest.size() + sizeof(Fingerprint);
    for (const std::vector<std::byte>& block : blocks) total += block.size();
    out.reserve(total);
    for (char c : kSessionMagic) to.number(c);
    to.number(kSessionVersion), to.number(std::uint32_t{0});
    to.number(info.value().step), to.number(info.value().bits);
    to.number(std::uint64_t{info.value().max_bytes});
    to.fingerprint(info.value().profile), to.fingerprint(info.value().model), to.fingerprint(restored.value());
    for (std::size_t count : {total, bytes.size(), blocks.size(), session.holes.size()}) to.number(std::uint64_t{count});
    for (const std::vector<std::byte>& block : blocks) to.number(std::uint64_t{block.size()});
    for (const Hole& hole : session.holes) to.number(std::uint64_t{hole.first}), to.number(std::uint64_t{hole.count});
    to.bytes(rest);
    for (const std::vector<std::byte>& block : blocks) to.bytes(block);
    Result<Fingerprint> hash = kakeya::hash(out);
    if (!hash) return hash.status();
    to.fingerprint(hash.value());
    return out;
}

/** Reads what a session says about itself, and checks all of its bytes against their hash. Any bytes may be given.
 *
 *  Errors: KAKEYA_ERR_UNSUPPORTED (not a session), KAKEYA_ERR_WRONG_VERSION, KAKEYA_ERR_TRUNCATED, KAKEYA_ERR_CORRUPT. */
inline Result<SessionInfo> inspect(span<const std::byte> session) {
    Result<detail::Session> read = detail::read_session(session);
    if (!read) return read.status();
    return read.value().info;
}

/** The state that was compressed, with the keys and values that its blocks give: the same bytes that compress() saw.
 *
 *  Errors: those of inspect(); KAKEYA_ERR_WRONG_CODEC with a profile whose codecs are others, KAKEYA_ERR_BAD_SHAPE with one of a
 *  model of another shape. */
template <class Run = InOrder>
Result<std::vector<std::byte>> restore(span<const std::byte> session, const Profile& profile, const Run& run = {}) {
    using namespace detail;
    Result<Session> read = read_session(session);
    if (!read) return read.status();
    Result<Coder> coder = Coder::create(profile, options_of(read.value().info), run);
    if (!coder) return coder.status();
    Result<std::vector<std::byte>> state = fill(read.value(), coder.value(), run);
    if (!state) return state.status();
    Result<Fingerprint> hash = kakeya::hash(state.value());
    if (!hash) return hash.status();
    if (hash.value() != read.value().info.restored) return corrupt("what it restores is not what was compressed");
    return state;
}

}  // namespace kakeya::llama

#endif  // KAKEYATURBO_LLAMA_SESSION_HPP
