/* kakeya::Profile and ProfileBuilder: all that was fitted and measured for one model, in one file.
 * Included by kakeyaturbo.hpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_PROFILE_HPP
#define KAKEYATURBO_PROFILE_HPP

#include <kakeyaturbo/codec.hpp>
#include <kakeyaturbo/kakeyaturbo.h>
#include <kakeyaturbo/params.hpp>
#include <kakeyaturbo/result.hpp>
#include <kakeyaturbo/skeleton.hpp>
#include <kakeyaturbo/span.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kakeya {

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

/** An entry of the table of qualities: a step under a name of 1 to 31 bytes, and what was measured with it. */
struct Quality {
    std::string name;
    float step = 0.0F;
    /** In nats. */
    double mean_kld = 0.0;
    /** Bits per value. */
    double bpv = 0.0;
};

/** What an engine leaves out of coding. */
struct Policy {
    /** Rows at positions below this are to be protected. */
    std::uint32_t n_sinks = 0;
    /** As many of the most recent rows are to be protected. */
    std::uint32_t n_recent = 0;
    /** Layers that are kept raw as a whole, strictly ascending. */
    std::vector<std::uint32_t> raw_layers;
};

/** A wish for a codec: of quality, step and bits one may be set. `CodecOptions().step(0.5F)`. */
class CodecOptions {
public:
    CodecOptions() noexcept : raw_(detail::defaults(&kakeya_profile_codec_options_init)) {}

    /** An entry of the table of qualities. */
    CodecOptions& quality(std::string name) { return quality_ = std::move(name), *this; }
    /** A step of the model, which is multiplied by the factor of the stream. */
    CodecOptions& step(float step) noexcept { return raw_.step = step, *this; }
    /** A fixed rate, in bits per component on average. */
    CodecOptions& bits(float bits) noexcept { return raw_.bits = bits, *this; }
    /** The largest size of a block; the step is then the finest one that is tried. */
    CodecOptions& max_bytes(std::size_t bytes) noexcept { return raw_.max_bytes = bytes, *this; }
    CodecOptions& cpu_tier(CpuTier tier) noexcept { return raw_.cpu_tier = static_cast<std::uint32_t>(tier), *this; }

    /** The C struct; it points into this object. */
    [[nodiscard]] kakeya_profile_codec_options raw() const noexcept {
        kakeya_profile_codec_options options = raw_;
        options.quality = quality_ ? quality_->c_str() : nullptr;
        return options;
    }

private:
    kakeya_profile_codec_options raw_;
    std::optional<std::string> quality_;
};

/** Where a tensor is: segment `segment` of stream `stream`. */
struct Place {
    std::size_t stream;
    std::size_t segment;
};

/** Streams, skeletons, qualities and policy of one model. Immutable, may be shared by any number of threads. */
class Profile {
public:
    /** From what save() wrote. Any bytes may be given: those that are no profile are an error. */
    static Result<Profile> load(span<const std::byte> bytes) {
        if (Status abi = check_abi(); !abi) return abi;
        kakeya_profile* made = nullptr;
        if (Status s = Status::of(kakeya_profile_load(bytes.data(), bytes.size(), &made)); !s) return s;
        return Profile(made);
    }

    [[nodiscard]] Result<std::vector<std::byte>> save() const {
        std::size_t size = 0;
        if (Status s = Status::of(kakeya_profile_size(raw(), &size)); !s) return s;
        std::vector<std::byte> bytes(size);
        if (Status s = Status::of(kakeya_profile_save(raw(), bytes.data(), bytes.size(), &size)); !s) return s;
        bytes.resize(size);
        return bytes;
    }
    /** Bytes that save() gives. */
    [[nodiscard]] Result<std::size_t> saved_bytes() const { return get(&kakeya_profile_size); }

    /** Identifies the profile: BLAKE3 of the saved form. */
    [[nodiscard]] Result<Fingerprint> fingerprint() const { return fingerprint(&kakeya_profile_fingerprint); }
    /** What ties the profile to its model; zeros if the builder was given nothing. */
    [[nodiscard]] Result<Fingerprint> model() const { return fingerprint(&kakeya_profile_model_fingerprint); }

    /** A text for people. */
    [[nodiscard]] Result<std::string> description() const {
        std::size_t length = 0;
        if (Status s = Status::of(kakeya_profile_description(raw(), nullptr, 0, &length)); !s) return s;
        std::string text(length, '\0');
        Status s = Status::of(kakeya_profile_description(raw(), text.data(), length + 1, &length));
        if (!s) return s;
        return text;
    }

    /** The step of the model that codecs have unless another one is asked for; 0 = that of each stream's parameters. */
    [[nodiscard]] Result<float> default_step() const { return get(&kakeya_profile_step); }

    [[nodiscard]] Result<std::vector<Quality>> qualities() const {
        Result<std::size_t> count = get(&kakeya_profile_qualities);
        if (!count) return count.status();
        std::vector<Quality> table;
        for (std::size_t i = 0; i < count.value(); ++i) {
            kakeya_quality entry{};
            if (Status s = Status::of(kakeya_profile_quality(raw(), i, &entry, sizeof entry)); !s) return s;
            table.push_back({entry.name, entry.step, entry.mean_kld, entry.bpv});
        }
        return table;
    }

    [[nodiscard]] Result<Policy> policy() const {
        kakeya_policy found{};
        if (Status s = Status::of(kakeya_profile_policy(raw(), &found, sizeof found)); !s) return s;
        return Policy{found.n_sinks, found.n_recent, {found.raw_layers, found.raw_layers + found.n_raw_layers}};
    }

    [[nodiscard]] Result<std::size_t> n_streams() const { return get(&kakeya_profile_streams); }
    /** What a stream is; its pointers live as long as this object. */
    [[nodiscard]] Result<kakeya_stream_info> stream(std::size_t index) const {
        kakeya_stream_info info{};
        if (Status s = Status::of(kakeya_profile_stream(raw(), index, &info, sizeof info)); !s) return s;
        return info;
    }
    [[nodiscard]] Result<StreamKey> key(std::size_t stream_index) const {
        Result<kakeya_stream_info> info = stream(stream_index);
        if (!info) return info.status();
        const kakeya_stream_info& i = info.value();
        return StreamKey{{i.layers, i.layers + i.n_layers}, {i.heads, i.heads + i.n_heads}, static_cast<Part>(i.part)};
    }
    /** The segments of a stream's rows. */
    [[nodiscard]] Result<Layout> layout(std::size_t stream_index) const {
        Result<kakeya_stream_info> info = stream(stream_index);
        if (!info) return info.status();
        std::vector<Segment> segments;
        for (std::size_t i = 0; i < info.value().n_segments; ++i) {
            kakeya_segment segment{};
            Status s = Status::of(kakeya_profile_segment(raw(), stream_index, i, &segment, sizeof segment));
            if (!s) return s;
            segments.emplace_back(segment);
        }
        return Layout(std::move(segments));
    }
    /** The parameters of a stream, before a quality, a step or a rate is asked for. */
    [[nodiscard]] Result<Params> params(std::size_t stream) const {
        kakeya_params found{};
        if (Status s = Status::of(kakeya_profile_params(raw(), stream, &found, sizeof found)); !s) return s;
        return Params(found);
    }
    /** The skeleton of a stream; none where it has none. */
    [[nodiscard]] Result<std::optional<Skeleton>> skeleton(std::size_t stream) const {
        kakeya_skeleton* made = nullptr;
        if (Status s = Status::of(kakeya_profile_skeleton(raw(), stream, &made)); !s) return s;
        if (made == nullptr) return std::optional<Skeleton>();
        return std::optional<Skeleton>(Skeleton(made));
    }

    /** Where one head of one tensor is; `part` is k or v. */
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
        kakeya_codec* made = nullptr;
        if (Status s = Status::of(kakeya_profile_codec(raw(), stream, &raw_options, &made)); !s) return s;
        return Codec(made);
    }

    [[nodiscard]] const kakeya_profile* raw() const noexcept { return handle_.get(); }

private:
    friend class ProfileBuilder;
    explicit Profile(kakeya_profile* made) noexcept : handle_(made) {}

    template <class T>
    [[nodiscard]] Result<T> get(kakeya_status (*look)(const kakeya_profile*, T*)) const {
        T found{};
        if (Status s = Status::of(look(raw(), &found)); !s) return s;
        return found;
    }
    [[nodiscard]] Result<Fingerprint> fingerprint(
        kakeya_status (*look)(const kakeya_profile*, std::uint8_t*)) const {
        Fingerprint found{};
        if (Status s = Status::of(look(raw(), found.data())); !s) return s;
        return found;
    }

    detail::Handle<kakeya_profile, &kakeya_profile_free> handle_;
};

/** Puts a profile together, or a changed copy of one. A call that fails changes nothing. Belongs to one thread at a
 *  time. */
class ProfileBuilder {
public:
    static Result<ProfileBuilder> create() {
        if (Status abi = check_abi(); !abi) return abi;
        kakeya_profile_builder* made = nullptr;
        if (Status s = Status::of(kakeya_profile_builder_create(&made)); !s) return s;
        return ProfileBuilder(made);
    }
    /** With all that `profile` has: qualities, policy, parameters and step factors can be changed without a new fit. */
    static Result<ProfileBuilder> from(const Profile& profile) {
        kakeya_profile_builder* made = nullptr;
        if (Status s = Status::of(kakeya_profile_builder_from(profile.raw(), &made)); !s) return s;
        return ProfileBuilder(made);
    }

    /** Adds a stream; they are numbered from 0. `layout` has one segment for every tensor of `key`, in its order. */
    Status add(const StreamKey& key, const Layout& layout, const Skeleton* skeleton, const Params& params) {
        const kakeya_stream_key raw_key = key.raw();
        const kakeya_skeleton* raw_skeleton = skeleton == nullptr ? nullptr : skeleton->raw();
        return layout.with_raw([&](const kakeya_layout* raw_layout) {
            return Status::of(
                kakeya_profile_builder_add(handle_.get(), &raw_key, raw_layout, raw_skeleton, &params.raw()));
        });
    }
    /** Sets what the step of the model is multiplied by for a stream. */
    Status set_step_factor(std::size_t stream, float factor) {
        return Status::of(kakeya_profile_builder_set_stream(handle_.get(), stream, nullptr, factor));
    }
    /** Replaces the parameters of a stream. */
    Status set_params(std::size_t stream, const Params& params) {
        return Status::of(kakeya_profile_builder_set_stream(handle_.get(), stream, &params.raw(), 0.0F));
    }

    /** Ties the profile to a model. */
    Status set_model(const Fingerprint& fingerprint) {
        return Status::of(
            kakeya_profile_builder_set_model(handle_.get(), fingerprint.data(), nullptr, 0, nullptr));
    }
    /** Replaces the table of qualities. */
    Status set_qualities(const std::vector<Quality>& table) {
        const kakeya_quality empty = detail::defaults(&kakeya_quality_init);
        std::vector<kakeya_quality> entries(table.size() + 1, empty);
        for (std::size_t i = 0; i < table.size(); ++i) {
            kakeya_quality& entry = entries[i];
            if (table[i].name.size() >= sizeof entry.name) {
                return {KAKEYA_ERR_BAD_PARAM, "the name of a quality has more than 31 bytes: " + table[i].name};
            }
            std::memcpy(entry.name, table[i].name.data(), table[i].name.size());
            entry.step = table[i].step;
            entry.mean_kld = table[i].mean_kld;
            entry.bpv = table[i].bpv;
        }
        return Status::of(
            kakeya_profile_builder_set_model(handle_.get(), nullptr, entries.data(), table.size(), nullptr));
    }
    /** Replaces the policy. */
    Status set_policy(const Policy& policy) {
        kakeya_policy raw_policy = detail::defaults(&kakeya_policy_init);
        raw_policy.n_sinks = policy.n_sinks;
        raw_policy.n_recent = policy.n_recent;
        raw_policy.n_raw_layers = policy.raw_layers.size();
        raw_policy.raw_layers = policy.raw_layers.data();
        return Status::of(kakeya_profile_builder_set_model(handle_.get(), nullptr, nullptr, 0, &raw_policy));
    }
    /** Replaces the text for people. */
    Status set_description(const std::string& text) {
        return Status::of(kakeya_profile_builder_set_description(handle_.get(), text.c_str()));
    }
    /** Replaces the step of the model that codecs have unless another one is asked for. */
    Status set_step(float step) { return Status::of(kakeya_profile_builder_set_step(handle_.get(), step)); }

    /** The profile; the builder keeps what it has. */
    [[nodiscard]] Result<Profile> finish() {
        kakeya_profile* made = nullptr;
        if (Status s = Status::of(kakeya_profile_builder_finish(handle_.get(), &made)); !s) return s;
        return Profile(made);
    }

private:
    explicit ProfileBuilder(kakeya_profile_builder* made) noexcept : handle_(made) {}
    detail::Handle<kakeya_profile_builder, &kakeya_profile_builder_free> handle_;
};

}  // namespace kakeya

#endif  // KAKEYATURBO_PROFILE_HPP
