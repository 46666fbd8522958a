/* kakeya::ProfileBuilder: puts a profile together, or a changed copy of one.
 * Included by kakeyaturbo.hpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_CPP_PROFILE_BUILDER_HPP
#define KAKEYATURBO_CPP_PROFILE_BUILDER_HPP

#include "../kakeyaturbo.h"
#include "handle.hpp"
#include "mode.hpp"
#include "params.hpp"
#include "profile.hpp"
#include "result.hpp"
#include "skeleton.hpp"

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

namespace kakeya {
inline namespace KAKEYA_CPP_MODE {

/** Puts a profile together, or a changed copy of one. A call that fails changes nothing. Belongs to one thread at a
 *  time. */
class ProfileBuilder : public detail::Handle<kakeya_profile_builder, &kakeya_profile_builder_free> {
public:
    using Handle::Handle;

    static Result<ProfileBuilder> create() { return detail::make<ProfileBuilder>(&kakeya_profile_builder_create); }
    /** With all that `profile` has: qualities, policy, parameters and step factors can be changed without a new fit. */
    static Result<ProfileBuilder> from(const Profile& profile) {
        return detail::make<ProfileBuilder>(&kakeya_profile_builder_from, profile.raw());
    }

    /** Adds a stream; they are numbered from 0. `layout` has one segment for every tensor of `key`, in its order. */
    Status add(const StreamKey& key, const Layout& layout, const Skeleton* skeleton, const Params& params) {
        const kakeya_stream_key raw_key = key.raw();
        const kakeya_skeleton* raw_skeleton = skeleton == nullptr ? nullptr : skeleton->raw();
        return layout.with_raw([&](const kakeya_layout* raw_layout) {
            return Status::of(
                kakeya_profile_builder_add(raw(), &raw_key, raw_layout, raw_skeleton, &params.raw()));
        });
    }
    /** Sets what the step of the model is multiplied by for a stream, from 1/65536 to 65536. */
    Status set_step_factor(std::size_t stream, float factor) {
        return Status::of(kakeya_profile_builder_set_stream(raw(), stream, nullptr, factor));
    }
    /** Replaces the parameters of a stream. */
    Status set_params(std::size_t stream, const Params& params) {
        return Status::of(kakeya_profile_builder_set_stream(raw(), stream, &params.raw(), 0.0F));
    }

    /** Ties the profile to a model. */
    Status set_model(const Fingerprint& fingerprint) {
        return Status::of(
            kakeya_profile_builder_set_model(raw(), fingerprint.data(), nullptr, 0, nullptr));
    }
    /** Replaces the table of qualities. KAKEYA_ERR_BAD_PARAM if a name has more than 31 bytes. */
    Status set_qualities(const std::vector<Quality>& table) {
        // One more than needed: with an empty table, a null pointer would mean "leave the table as it is".
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
            kakeya_profile_builder_set_model(raw(), nullptr, entries.data(), table.size(), nullptr));
    }
    /** Replaces the policy. */
    Status set_policy(const Policy& policy) {
        kakeya_policy raw_policy = detail::defaults(&kakeya_policy_init);
        raw_policy.n_sinks = policy.n_sinks;
        raw_policy.n_recent = policy.n_recent;
        raw_policy.n_raw_layers = policy.raw_layers.size();
        raw_policy.raw_layers = policy.raw_layers.data();
        return Status::of(kakeya_profile_builder_set_model(raw(), nullptr, nullptr, 0, &raw_policy));
    }
    /** Replaces the human-readable description. */
    Status set_description(const std::string& text) {
        return Status::of(kakeya_profile_builder_set_description(raw(), text.c_str()));
    }
    /** Replaces the step of the model that codecs have unless they are given another rate. */
    Status set_step(float step) { return Status::of(kakeya_profile_builder_set_step(raw(), step)); }

    /** The profile; the builder keeps what it has. */
    [[nodiscard]] Result<Profile> finish() {
        return detail::make<Profile>(&kakeya_profile_builder_finish, raw());
    }
};

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya

#endif  // KAKEYATURBO_CPP_PROFILE_BUILDER_HPP
