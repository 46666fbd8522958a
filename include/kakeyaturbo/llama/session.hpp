/* kakeya::llama::compress and restore: a sequence state, or session file, of llama.cpp as a smaller buffer, and back.
 * Included by llama.hpp.
 *
 * compress() codes keys and values with the codecs of a profile and keeps every other byte as it is. restore() returns
 * bytes that llama_state_seq_set_data accepts. They are the same on every machine: compress() restores once itself and
 * puts the hash of the result into the session. A session that was damaged anywhere is refused.
 * The format is described in docs/FORMAT.md; files with it are named *.kkl.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_LLAMA_SESSION_HPP
#define KAKEYATURBO_LLAMA_SESSION_HPP

#include "../cpp/handle.hpp"
#include "../cpp/mode.hpp"
#include "../cpp/profile.hpp"
#include "../cpp/result.hpp"
#include "../cpp/span.hpp"
#include "blocks.hpp"
#include "bytes.hpp"
#include "parse.hpp"
#include "session_format.hpp"
#include "state.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace kakeya::llama {
inline namespace KAKEYA_CPP_MODE {

namespace detail {

inline CodecOptions options_of(const SessionInfo& info) {
    CodecOptions options;
    if (info.step > 0) options.step(info.step);
    if (info.bits > 0) options.bits(info.bits);
    if (info.max_bytes > 0) options.max_bytes(info.max_bytes);
    return options;
}

/* The rate as numbers: the step of a named quality, or of the profile if the options set no rate. A session must not
 * depend on a table that a copy of the profile may change. */
inline Result<SessionInfo> resolve(const Profile& profile, const CodecOptions& options) {
    const kakeya_profile_codec_options raw = options.raw();
    SessionInfo info;
    info.step = raw.step;
    info.bits = raw.bits;
    info.max_bytes = raw.max_bytes;
    if (raw.quality != nullptr) {
        Result<std::vector<Quality>> table = profile.qualities();
        if (!table) return table.status();
        for (const Quality& quality : table.value()) {
            if (quality.name == raw.quality) info.step = quality.step;
        }
        if (info.step == 0) {
            return Status(KAKEYA_ERR_BAD_PARAM, "the profile has no quality " + std::string(raw.quality));
        }
    }
    if (info.step == 0 && info.bits == 0) {
        Result<float> step = profile.default_step();
        if (!step) return step.status();
        info.step = step.value();
    }
    Result<Fingerprint> own = profile.fingerprint(), model = profile.model();
    if (!own) return own.status();
    if (!model) return model.status();
    info.profile = own.value();
    info.model = model.value();
    return info;
}

/* The tensors whose values are all in pieces: blocks restore all of their bytes. */
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

/* The bytes outside the holes, in order. */
inline std::vector<std::byte> rest_of(span<const std::byte> bytes, const std::vector<Hole>& holes) {
    std::vector<std::byte> rest;
    Appender to(rest);
    std::size_t at = 0;
    for (const Hole& hole : holes) {
        to.bytes(bytes.subspan(at, hole.first - at));
        at = hole.first + hole.count;
    }
    to.bytes(bytes.subspan(at, bytes.size() - at));
    return rest;
}

/* The state with zeros in the holes. */
inline std::vector<std::byte> with_holes(const Session& session) {
    std::vector<std::byte> state(session.info.state_bytes);
    std::size_t at = 0, from = 0;
    const auto copy = [&](std::size_t until) {
        if (until > at) std::memcpy(state.data() + at, session.rest.data() + from, until - at);
        from += until - at;
    };
    for (const Hole& hole : session.holes) {
        copy(hole.first);
        at = hole.first + hole.count;
    }
    copy(state.size());
    return state;
}

/* The first failure, if there is one. */
inline Status first_failure(const std::vector<Status>& statuses) {
    for (const Status& status : statuses) {
        if (!status) return status;
    }
    return {};
}

/* One block per piece. */
template <class Run>
Result<std::vector<std::vector<std::byte>>> encode_all(span<const std::byte> bytes, const State& state,
                                                       const Coder& coder, const std::vector<Coder::Piece>& pieces,
                                                       const Run& run) {
    std::vector<std::vector<std::byte>> blocks(pieces.size());
    std::vector<Status> statuses(pieces.size());
    run(pieces.size(), [&](std::size_t i) {
        Result<std::vector<std::byte>> block = coder.encode(bytes, state, pieces[i]);
        statuses[i] = block.status();
        if (block) blocks[i] = std::move(block).value();
    });
    if (Status s = first_failure(statuses); !s) return s;
    return blocks;
}

/* The state that the blocks of a session give. */
template <class Run>
Result<std::vector<std::byte>> decode_all(const Session& session, const Coder& coder, const Run& run) {
    std::vector<std::byte> bytes = with_holes(session);
    Result<State> state = parse(bytes);
    if (!state) return state.status();
    Result<std::vector<Coder::Piece>> pieces = coder.pieces(state.value());
    if (!pieces) return pieces.status();
    const std::vector<Coder::Piece>& list = pieces.value();
    if (list.size() != session.blocks.size()) {
        return Status(KAKEYA_ERR_WRONG_CODEC, "the session has " + std::to_string(session.blocks.size()) +
                                                  " blocks, with this profile it would have " +
                                                  std::to_string(list.size()));
    }
    std::vector<Status> statuses(list.size());
    run(list.size(), [&](std::size_t i) {
        statuses[i] = coder.decode(session.blocks[i], bytes, state.value(), list[i]);
    });
    if (Status s = first_failure(statuses); !s) return s;
    return bytes;
}

}  // namespace detail

/** Compresses the bytes of llama_state_seq_get_data, or a file of llama_state_seq_save_file, with a profile of its
 *  model. Unless `options` set a rate, the profile's own step is used.
 *
 *  `run(n, work)` calls `work(i)` for every i below `n`, possibly on threads, and returns when all have returned.
 *
 *  Errors: those of parse() and Coder::pieces(), and what the codecs report. */
template <class Run = InOrder>
Result<std::vector<std::byte>> compress(span<const std::byte> bytes, const Profile& profile,
                                        const CodecOptions& options = {}, const Run& run = {}) {
    Result<State> state = parse(bytes);
    if (!state) return state.status();
    Result<SessionInfo> info = detail::resolve(profile, options);
    if (!info) return info.status();
    Result<Coder> coder = Coder::create(profile, detail::options_of(info.value()), run);
    if (!coder) return coder.status();
    Result<std::vector<Coder::Piece>> pieces = coder.value().pieces(state.value());
    if (!pieces) return pieces.status();
    auto blocks = detail::encode_all(bytes, state.value(), coder.value(), pieces.value(), run);
    if (!blocks) return blocks.status();

    detail::Session session;
    session.info = info.value();
    session.info.state_bytes = bytes.size();
    session.holes = detail::holes_of(state.value(), coder.value(), pieces.value());
    session.blocks.assign(blocks.value().begin(), blocks.value().end());
    const std::vector<std::byte> rest = detail::rest_of(bytes, session.holes);
    session.rest = rest;
    Result<std::vector<std::byte>> back = detail::decode_all(session, coder.value(), run);
    if (!back) return back.status();
    Result<Fingerprint> restored = kakeya::hash(back.value());
    if (!restored) return restored.status();
    session.info.restored = restored.value();
    return detail::write_session(session);
}

/** Reads what a session says about itself, and checks all of its bytes against their hash. Any bytes may be given.
 *
 *  Errors: KAKEYA_ERR_UNSUPPORTED (not a session), KAKEYA_ERR_WRONG_VERSION, KAKEYA_ERR_TRUNCATED,
 *  KAKEYA_ERR_CORRUPT. */
inline Result<SessionInfo> inspect(span<const std::byte> session) {
    Result<detail::Session> read = detail::SessionReader(session).run();
    if (!read) return read.status();
    return read.value().info;
}

/** The state that was compressed, with the keys and values that its blocks give: the same bytes on every machine.
 *
 *  Errors: those of inspect(); KAKEYA_ERR_WRONG_CODEC with a profile that has other codecs, KAKEYA_ERR_BAD_SHAPE with
 *  one of a model of another shape. */
template <class Run = InOrder>
Result<std::vector<std::byte>> restore(span<const std::byte> session, const Profile& profile, const Run& run = {}) {
    Result<detail::Session> read = detail::SessionReader(session).run();
    if (!read) return read.status();
    const SessionInfo& info = read.value().info;
    Result<Coder> coder = Coder::create(profile, detail::options_of(info), run);
    if (!coder) return coder.status();
    Result<std::vector<std::byte>> state = detail::decode_all(read.value(), coder.value(), run);
    if (!state) return state.status();
    Result<Fingerprint> hash = kakeya::hash(state.value());
    if (!hash) return hash.status();
    if (hash.value() != info.restored) return detail::corrupt("what it restores is not what was compressed");
    return state;
}

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya::llama

#endif  // KAKEYATURBO_LLAMA_SESSION_HPP
