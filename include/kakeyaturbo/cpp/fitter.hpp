/* kakeya::Fitter: gathers rows and fits a Skeleton to them.
 * For Preset::kakeya and Preset::rdo.
 * Included by kakeyaturbo.hpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_CPP_FITTER_HPP
#define KAKEYATURBO_CPP_FITTER_HPP

#include "../kakeyaturbo.h"
#include "handle.hpp"
#include "mode.hpp"
#include "params.hpp"
#include "result.hpp"
#include "rows.hpp"
#include "skeleton.hpp"

#include <cstddef>
#include <cstdint>

namespace kakeya {
inline namespace KAKEYA_CPP_MODE {

/** A skeleton, and what the fit says about it. */
struct Fit {
    Skeleton skeleton;
    kakeya_fit_report report;
};

/** Gathers rows and fits a skeleton to them. Belongs to one thread at a time. */
class Fitter : public detail::Handle<kakeya_fitter, &kakeya_fitter_free> {
public:
    using Handle::Handle;

    static Result<Fitter> create(const Params& params, const Layout& layout) {
        return layout.with_raw([&](const kakeya_layout* raw_layout) {
            return detail::make<Fitter>(&kakeya_fitter_create, &params.raw(), raw_layout);
        });
    }

    /** Adds rows, each with its weight; protected rows are left out. If a row is refused, the rows before it have been
     *  added. */
    Status add_rows(const Rows& rows) {
        const kakeya_rows raw_rows = rows.raw();
        return Status::of(kakeya_fitter_add_rows(raw(), &raw_rows));
    }

    /** Adds `n` queries that will meet the rows of a segment. With `positions` (`n` of them, not negative) they are
     *  queries before RoPE at these positions; without, they are used as they are. The skeleton then puts its error
     *  into directions in which the queries look least. */
    Status add_queries(std::size_t segment, const View& queries, std::size_t n,
                       const std::int32_t* positions = nullptr) {
        const kakeya_view view = queries.raw();
        return Status::of(kakeya_fitter_add_queries(raw(), segment, &view, n, positions));
    }

    [[nodiscard]] Result<Fit> finish() {
        kakeya_fit_report report{};
        kakeya_skeleton* made = nullptr;
        Status s = Status::of(kakeya_fitter_finish(raw(), &report, sizeof report, &made));
        if (!s) return s;
        return Fit{Skeleton(made), report};
    }
};

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya

#endif  // KAKEYATURBO_CPP_FITTER_HPP
