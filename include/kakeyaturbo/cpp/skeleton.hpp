/* kakeya::Skeleton: a basis that was fitted once, shared between codecs, saved and loaded.
 * For Preset::kakeya and Preset::rdo. A Fitter makes it.
 * Included by kakeyaturbo.hpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_CPP_SKELETON_HPP
#define KAKEYATURBO_CPP_SKELETON_HPP

#include "../kakeyaturbo.h"
#include "handle.hpp"
#include "mode.hpp"
#include "result.hpp"
#include "span.hpp"

#include <cstddef>
#include <vector>

namespace kakeya {
inline namespace KAKEYA_CPP_MODE {

/** What was fitted. Immutable: any number of threads may share it. */
class Skeleton : public detail::Handle<kakeya_skeleton, &kakeya_skeleton_free> {
public:
    using Handle::Handle;

    /** From what save() wrote. Any bytes may be given: those that are no skeleton are an error. */
    static Result<Skeleton> load(span<const std::byte> bytes) {
        return detail::make<Skeleton>(&kakeya_skeleton_load, bytes.data(), bytes.size());
    }

    [[nodiscard]] Result<std::vector<std::byte>> save() const {
        return detail::save(&kakeya_skeleton_size, &kakeya_skeleton_save, raw());
    }

    /** Identifies the skeleton: equal ones have the same. */
    [[nodiscard]] Result<Fingerprint> id() const { return detail::get<Fingerprint>(&kakeya_skeleton_id, raw()); }
};

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya

#endif  // KAKEYATURBO_CPP_SKELETON_HPP
