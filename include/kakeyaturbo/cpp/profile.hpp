/* kakeya::Profile: all that was fitted and measured for one model, in one file.
 * A ProfileBuilder makes it, see profile_builder.hpp.
 * Included by kakeyaturbo.hpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_CPP_PROFILE_HPP
#define KAKEYATURBO_CPP_PROFILE_HPP

#include "../profile.h"
#include "../kakeyaturbo.h"
#include "codec.hpp"
#include "handle.hpp"
#include "mode.hpp"
#include "params.hpp"
#include "result.hpp"
#include "skeleton.hpp"
#include "span.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kakeya {
inline namespace KAKEYA_CPP_MODE {

enum class Part : std::uint32_t { k = KAKEYA_PART_K, v = KAKEYA_PART_V, kv = KAKEYA_PART_KV };

/** Which tensors of a model make up the rows of a stream: for each layer, K of each head, then V of each head. */
struct StreamKey {
    /** Strictly ascending, from 0. */
    std::vector<std::uint32_t> layers;
    /** Strictly ascending, from 0. */
    std::vector<std::uint32_t> heads;
    Part part = Part::kv;

    /** The C struct; it points into this object. */
    [[nodiscard]] kakeya_stream_key raw() const noexcept {
        kakeya_stream_key key = detail::defaults(&kakeya_stream_key_init);
        key.n_layers = layers.size();
        key.layers = layers.data();
        key.n_heads = heads.size();
        key.heads = heads.data();
        key.part = static_cast<std::uint32_t>(part);
        return key;
    }
};

/** An entry of the table of qualities: a step, its name of 1 to 31 bytes, and what was measured with it. */
struct Quality {
    std::string name;
    /** Of the model, positive. */
    float step = 0.0F;
    /** In nats. */
    double mean_kld = 0.0;
    /** Bits per value. */
    double bpv = 0.0;
};

/** Which rows and layers an engine keeps as they are. */
struct Policy {
    /** Rows at positions below this are to be protected. */
    std::uint32_t n_sinks = 0;
    /** This many of the most recent rows are to be protected. */
    std::uint32_t n_recent = 0;
    /** Layers that are kept raw as a whole, strictly ascending. */
    std::vector<std::uint32_t> raw_layers;
};

/** What a codec of a profile is to be like. At most one of quality, step and bits may be set:
 *  `CodecOptions().step(0.5F)`. Without any, the profile's default step is used. */
class CodecOptions {
public:
    CodecOptions() noexcept : raw_(detail::defaults(&kakeya_profile_codec_options_init)) {}

    /** The name of an entry of the table of qualities. */
    CodecOptions& quality(std::string name) {
        quality_ = std::move(name);
        return *this;
    }
    /** A step of the model, which is multiplied by the factor of the stream. */
    CodecOptions& step(float step) noexcept { return set(raw_.step, step); }
    /** A fixed rate, in bits per component on average. */
    CodecOptions& bits(float bits) noexcept { return set(raw_.bits, bits); }
    /** The largest size of a block; the step is then the finest one that is tried. */
    CodecOptions& max_bytes(std::size_t bytes) noexcept { return set(raw_.max_bytes, bytes); }
    CodecOptions& cpu_tier(CpuTier tier) noexcept { return set(raw_.cpu_tier, tier); }

    /** The C struct; it points into this object. */
    [[nodiscard]] kakeya_profile_codec_options raw() const noexcept {
        kakeya_profile_codec_options options = raw_;
        options.quality = quality_ ? quality_->c_str() : nullptr;
        return options;
    }

private:
    /* Fields have the C types. */
    template <class Field, class Value>
    CodecOptions& set(Field& field, Value value) noexcept {
        field = static_cast<Field>(value);
        return *this;
    }

    kakeya_profile_codec_options raw_;
    std::optional<std::string> quality_;
};

/** Where a tensor is: segment `segment` of stream `stream`. */
struct Place {
    std::size_t stream;
    std::size_t segment;
};

/** Streams, skeletons, qualities and policy of one model. Immutable: any number of threads may share it. */
class Profile : public detail::Handle<kakeya_profile, &kakeya_profile_free> {
public:
    using Handle::Handle;

    /** From what save() wrote. Any bytes may be given: those that are no profile are an error. */
    static Result<Profile> load(span<const std::byte> bytes) {
        return detail::make<Profile>(&kakeya_profile_load, bytes.data(), bytes.size());
    }

    [[nodiscard]] Result<std::vector<std::byte>> save() const {
        return detail::save(&kakeya_profile_size, &kakeya_profile_save, raw());
    }
    /** Bytes that save() gives. */
    [[nodiscard]] Result<std::size_t> saved_bytes() const {
        return detail::get<std::size_t>(&kakeya_profile_size, raw());
    }

    /** Identifies the profile: BLAKE3 of the saved form. */
    [[nodiscard]] Result<Fingerprint> fingerprint() const {
        return detail::get<Fingerprint>(&kakeya_profile_fingerprint, raw());
    }
    /** What ties the profile to its model; zeros if the builder was given nothing. */
    [[nodiscard]] Result<Fingerprint> model() const {
        return detail::get<Fingerprint>(&kakeya_profile_model_fingerprint, raw());
    }

    /** A human-readable description. */
    [[nodiscard]] Result<std::string> description() const {
        const auto describe = [this](char* text, std::size_t capacity) {
            return detail::get<std::size_t>(&kakeya_profile_description, raw(), text, capacity);
        };
        Result<std::size_t> length = describe(nullptr, 0);
        if (!length) return length.status();
        std::string text(length.value(), '\0');
        if (Result<std::size_t> written = describe(text.data(), text.size() + 1); !written) return written.status();
        return text;
    }

    /** The step of the model that codecs have unless they are given another rate; 0 = the step in each stream's
     *  parameters. */
    [[nodiscard]] Result<float> default_step() const { return detail::get<float>(&kakeya_profile_step, raw()); }

    [[nodiscard]] Result<std::vector<Quality>> qualities() const {
        Result<std::size_t> count = detail::get<std::size_t>(&kakeya_profile_qualities, raw());
        if (!count) return count.status();
        std::vector<Quality> table;
        for (std::size_t i = 0; i < count.value(); ++i) {
            Result<kakeya_quality> found = detail::get<kakeya_quality>(&kakeya_profile_quality, raw(), i);
            if (!found) return found.status();
            const kakeya_quality& entry = found.value();
            table.push_back({entry.name, entry.step, entry.mean_kld, entry.bpv});
        }
        return table;
    }

    [[nodiscard]] Result<Policy> policy() const {
        Result<kakeya_policy> found = detail::get<kakeya_policy>(&kakeya_profile_policy, raw());
        if (!found) return found.status();
        const kakeya_policy& p = found.value();
        return Policy{p.n_sinks, p.n_recent, {p.raw_layers, p.raw_layers + p.n_raw_layers}};
    }

    [[nodiscard]] Result<std::size_t> n_streams() const {
        return detail::get<std::size_t>(&kakeya_profile_streams, raw());
    }
    /** What a stream is; its pointers live as long as this object. */
    [[nodiscard]] Result<kakeya_stream_info> stream(std::size_t index) const {
        return detail::get<kakeya_stream_info>(&kakeya_profile_stream, raw(), index);
    }
    [[nodiscard]] Result<StreamKey> key(std::size_t stream_index) const {
        Result<kakeya_stream_info> info = stream(stream_index);
        if (!info) return info.status();
        const kakeya_stream_info& i = info.value();
        return StreamKey{{i.layers, i.layers + i.n_layers}, {i.heads, i.heads + i.n_heads}, static_cast<Part>(i.part)};
    }
    /** A segment of a stream's rows. */
    [[nodiscard]] Result<kakeya_segment> segment(std::size_t stream, std::size_t index) const {
        return detail::get<kakeya_segment>(&kakeya_profile_segment, raw(), stream, index);
    }
    /** All segments of a stream's rows. */
    [[nodiscard]] Result<Layout> layout(std::size_t stream_index) const {
        Result<kakeya_stream_info> info = stream(stream_index);
        if (!info) return info.status();
        std::vector<Segment> segments;
        for (std::size_t i = 0; i < info.value().n_segments; ++i) {
            Result<kakeya_segment> one = segment(stream_index, i);
            if (!one) return one.status();
            segments.emplace_back(one.value());
        }
        return Layout(std::move(segments));
    }
    /** The parameters of a stream as they are in the profile, before CodecOptions change its rate. */
    [[nodiscard]] Result<Params> params(std::size_t stream) const {
        Result<kakeya_params> found = detail::get<kakeya_params>(&kakeya_profile_params, raw(), stream);
        if (!found) return found.status();
        return Params(found.value());
    }
    /** The skeleton of a stream; nullopt if the stream has none. */
    [[nodiscard]] Result<std::optional<Skeleton>> skeleton(std::size_t stream) const {
        Result<kakeya_skeleton*> made = detail::get<kakeya_skeleton*>(&kakeya_profile_skeleton, raw(), stream);
        if (!made) return made.status();
        if (made.value() == nullptr) return std::optional<Skeleton>();
        return std::optional<Skeleton>(made.value());
    }

    /** Where one head of one tensor is; `part` is k or v. KAKEYA_ERR_BAD_PARAM if no stream has it. */
    [[nodiscard]] Result<Place> find(std::uint32_t layer, Part part, std::uint32_t head) const {
        Place place{};
        Status s = Status::of(kakeya_profile_find(raw(), layer, static_cast<std::uint32_t>(part), head, &place.stream,
                                                  &place.segment));
        if (!s) return s;
        return place;
    }

    /** A codec for the rows of a stream; this object may be destroyed before it. */
    [[nodiscard]] Result<Codec> codec(std::size_t stream, const CodecOptions& options = {}) const {
        const kakeya_profile_codec_options raw_options = options.raw();
        return detail::make<Codec>(&kakeya_profile_codec, raw(), stream, &raw_options);
    }
};

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya

#endif  // KAKEYATURBO_CPP_PROFILE_HPP
