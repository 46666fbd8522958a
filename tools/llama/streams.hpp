// A state through the streams of a profile and back.

#ifndef TOOLS_LLAMA_STREAMS_HPP
#define TOOLS_LLAMA_STREAMS_HPP

#include "files.hpp"
#include "transforms.hpp"

#include <kakeyaturbo/llama.hpp>

#include <memory>
#include <string>
#include <vector>

// What the rows of a profile are: "head", "layer", or "layer3" for three layers.
inline std::string rows_name(const kakeya::Profile& profile) {
    std::size_t layers = 0, heads = 0;
    bool shared = false;
    for (std::size_t s = 0; s < profile.n_streams().value(); ++s) {
        const kakeya::StreamKey key = profile.key(s).value();
        layers = std::max(layers, key.layers.size());
        heads = std::max(heads, key.heads.size());
        shared = shared || key.heads.front() > 0;
    }
    if (layers > 1) return "layer" + std::to_string(layers);
    return heads == 1 && shared ? "head" : "layer";
}

// Encodes all that the profile has streams for, and decodes it in place. The bytes are those of the blocks and of what is
// left as it was.
inline Transform through(std::shared_ptr<const kakeya::llama::Coder> coder) {
    return [coder](Bytes& state, const kakeya::llama::State& where) {
        double bytes = 0;
        where.each_tensor([&](std::size_t, std::size_t, bool, std::size_t, const kakeya::llama::Tensor& tensor) {
            bytes += static_cast<double>(tensor.bytes);
        });
        for (const kakeya::llama::Coder::Piece& piece : coder->pieces(where).value()) {
            const std::vector<std::byte> block = coder->encode(state, where, piece).value();
            coder->decode(block, state, where, piece).value();
            const kakeya::llama::Stream& stream = where.caches[piece.cache].streams[piece.stream];
            for (const kakeya::llama::Head& head : coder->heads(where, piece)) {
                const std::size_t element = kakeya::llama::tensor(stream, head).element_bytes();
                bytes -= static_cast<double>(head.dim * piece.count * element);
            }
            bytes += static_cast<double>(block.size());
        }
        return bytes;
    };
}

// Compresses the whole state and restores it, as llama_session does with files. The bytes are all of the session.
inline Transform through_session(std::shared_ptr<const kakeya::Profile> profile, const kakeya::CodecOptions& options) {
    return [profile, options](Bytes& state, const kakeya::llama::State&) {
        const Bytes session = kakeya::llama::compress(state, *profile, options).value();
        state = kakeya::llama::restore(session, *profile).value();
        return static_cast<double>(session.size());
    };
}

#endif  // TOOLS_LLAMA_STREAMS_HPP
