// The adapter for llama.cpp on spoilt states and session files. A property that does not hold ends the program.
#include "llama_profile.hpp"

#include <cstdlib>

namespace {

namespace llama = kakeya::llama;
using Bytes = std::vector<std::byte>;

void require(bool holds) {
    if (!holds) std::abort();
}

// A state with a global and a sliding-window cache, its profile, and its session.
struct Honest {
    Bytes state, session;
    kakeya::Profile profile;
};

Honest make(bool is_file, bool transposed) {
    CacheShape cache;
    cache.positions = counting(12);
    cache.transposed = transposed;
    StateShape shape{{cache, cache}, is_file, is_file ? 12U : 0U, false, 0, {}};
    shape.caches[1].positions.resize(7);
    Bytes state = StateWriter(shape).bytes();
    kakeya::Profile profile = profile_of(shape);
    Bytes session = llama::compress(state, profile).value();
    return {std::move(state), std::move(session), std::move(profile)};
}

// Bytes of an honest file with some of them replaced: three bytes of input say where and by what.
Bytes edited(Bytes bytes, kakeya::span<const std::byte> edits) {
    for (std::size_t i = 0; i + 3 <= edits.size(); i += 3) {
        const std::size_t at = std::to_integer<std::size_t>(edits[i]) | std::to_integer<std::size_t>(edits[i + 1]) << 8;
        bytes[at % bytes.size()] = edits[i + 2];
    }
    return bytes;
}

// Gives a session the hash of what it has become.
void mend(Bytes& session) {
    constexpr std::size_t kHash = 32;
    if (session.size() < kHash) return;
    const auto body = kakeya::span<const std::byte>(session).first(session.size() - kHash);
    const kakeya::Fingerprint hash = kakeya::hash(body).value();
    std::memcpy(session.data() + body.size(), hash.data(), kHash);
}

void restore(const Bytes& session, const kakeya::Profile& profile) {
    const auto info = llama::inspect(session);
    const auto state = llama::restore(session, profile);
    require(!state.ok() || (info.ok() && info.value().state_bytes == state.value().size()));
}

void compress(const Bytes& state, const kakeya::Profile& profile) {
    const auto session = llama::compress(state, profile);
    if (!session.ok()) return;
    const auto back = llama::restore(session.value(), profile);
    require(back.ok() && back.value().size() == state.size());
}

}  // namespace

extern "C" void kakeya_fuzz_session(const std::byte* data, std::size_t size) {
    static const Honest honest[] = {make(false, false), make(true, false), make(false, true)};
    if (size < 2) return;
    const Honest& of = honest[std::to_integer<std::size_t>(data[1]) % 3];
    const kakeya::span<const std::byte> rest(data + 2, size - 2);
    Bytes bytes(rest.begin(), rest.end());
    switch (std::to_integer<unsigned>(data[0]) % 4) {
        case 0: return compress(bytes, of.profile);
        case 1: return compress(edited(of.state, rest), of.profile);
        case 2: mend(bytes); return restore(bytes, of.profile);
        default: bytes = edited(of.session, rest); mend(bytes); return restore(bytes, of.profile);
    }
}
