/* kakeya::encode_batch and decode_batch: many blocks in one call, on the caller's threads.
 * Included by kakeyaturbo.hpp.
 *
 * The library starts no thread. A runner is any callable `runner(n_tasks, n_workers, task)` that calls
 * `task(index, worker)` once for every index below n_tasks and returns when all calls have returned. Calls that run at
 * the same time must have different workers, all below n_workers. An exception that leaves the runner is carried around
 * the C frames and thrown again here; then there are no results, although some items may have been processed.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_CPP_BATCH_HPP
#define KAKEYATURBO_CPP_BATCH_HPP

#include "../kakeyaturbo.h"
#include "codec.hpp"
#include "mode.hpp"
#include "result.hpp"
#include "rows.hpp"
#include "span.hpp"

#include <cstddef>
#include <exception>
#include <vector>

namespace kakeya {
inline namespace KAKEYA_CPP_MODE {

/** One block to encode: the rows, and where the block goes. */
struct EncodeItem {
    Rows rows;
    span<std::byte> dst;
};

/** One block to decode: its bytes, and where the rows go. */
struct DecodeItem {
    span<const std::byte> src;
    RowsMut rows;
};

/** The results of a batch. */
struct [[nodiscard]] Batch {
    /** Success, or the status of the first item that failed. */
    Status status;
    /** One per item: status, bytes, message. KAKEYA_ERR_NOT_RUN if the call itself was refused. */
    std::vector<kakeya_batch_result> items;
};

/** What a runner calls; may be copied to other threads, and never throws. */
class Task {
public:
    Task(kakeya_task function, void* state) noexcept : function_(function), state_(state) {}
    void operator()(std::size_t index, std::size_t worker) const noexcept { function_(state_, index, worker); }

private:
    kakeya_task function_;
    void* state_;
};

/** The runner that runs everything on the calling thread, in order. */
struct Serial {
    void operator()(std::size_t n_tasks, std::size_t, Task task) const noexcept {
        for (std::size_t index = 0; index < n_tasks; ++index) task(index, 0);
    }
};

namespace detail {

/* A runner as C sees it. */
template <class Runner>
struct RunnerCall {
    Runner& runner;
    std::exception_ptr thrown;

    static void run(void* opaque, kakeya_task task, void* state, std::size_t n_tasks, std::size_t n_workers) noexcept {
        auto& self = *static_cast<RunnerCall*>(opaque);
#if defined(__cpp_exceptions)
        try {
            self.runner(n_tasks, n_workers, Task(task, state));
        } catch (...) {
            self.thrown = std::current_exception();
        }
#else
        self.runner(n_tasks, n_workers, Task(task, state));
#endif
    }
};

/* The part that both directions share; `call(workspaces, n, runner, opaque, results)` is the C function. */
template <class Runner, class Call>
Batch run_batch(span<const Workspace> workspaces, std::size_t n_items, Runner& runner, Call&& call) {
    std::vector<kakeya_workspace*> raw_workspaces;
    raw_workspaces.reserve(workspaces.size());
    for (const Workspace& workspace : workspaces) raw_workspaces.push_back(workspace.raw());

    kakeya_batch_result not_run{};
    not_run.status = KAKEYA_ERR_NOT_RUN;
    Batch batch{{}, std::vector<kakeya_batch_result>(n_items, not_run)};
    RunnerCall<Runner> runner_call{runner, nullptr};
    batch.status = Status::of(call(raw_workspaces.data(), raw_workspaces.size(), &RunnerCall<Runner>::run,
                                   &runner_call, batch.items.data()));
#if defined(__cpp_exceptions)
    if (runner_call.thrown) std::rethrow_exception(runner_call.thrown);
#endif
    return batch;
}

}  // namespace detail

/** Encodes every item with `codec`; worker w of the runner uses `workspaces[w]`. */
template <class Runner = Serial>
Batch encode_batch(const Codec& codec, span<const Workspace> workspaces, span<const EncodeItem> items,
                   Runner&& runner = Runner()) {
    std::vector<kakeya_rows> rows;
    std::vector<kakeya_encode_item> raw_items;
    rows.reserve(items.size());  // the pointers below stay valid
    raw_items.reserve(items.size());
    for (const EncodeItem& item : items) {
        rows.push_back(item.rows.raw());
        kakeya_encode_item raw = detail::defaults(&kakeya_encode_item_init);
        raw.rows = &rows.back();
        raw.dst = item.dst.data();
        raw.dst_cap = item.dst.size();
        raw_items.push_back(raw);
    }
    return detail::run_batch(workspaces, items.size(), runner,
                             [&](kakeya_workspace* const* ws, std::size_t n_ws, kakeya_runner run, void* opaque,
                                 kakeya_batch_result* results) {
                                 return kakeya_encode_batch(codec.raw(), ws, n_ws, raw_items.data(), raw_items.size(),
                                                            run, opaque, results, sizeof *results);
                             });
}

/** Decodes every item with `codec`; worker w of the runner uses `workspaces[w]`. */
template <class Runner = Serial>
Batch decode_batch(const Codec& codec, span<const Workspace> workspaces, span<const DecodeItem> items,
                   Runner&& runner = Runner()) {
    std::vector<kakeya_rows_mut> rows;
    std::vector<kakeya_decode_item> raw_items;
    rows.reserve(items.size());  // the pointers below stay valid
    raw_items.reserve(items.size());
    for (const DecodeItem& item : items) {
        rows.push_back(item.rows.raw());
        kakeya_decode_item raw = detail::defaults(&kakeya_decode_item_init);
        raw.src = item.src.data();
        raw.src_len = item.src.size();
        raw.rows = &rows.back();
        raw_items.push_back(raw);
    }
    return detail::run_batch(workspaces, items.size(), runner,
                             [&](kakeya_workspace* const* ws, std::size_t n_ws, kakeya_runner run, void* opaque,
                                 kakeya_batch_result* results) {
                                 return kakeya_decode_batch(codec.raw(), ws, n_ws, raw_items.data(), raw_items.size(),
                                                            run, opaque, results, sizeof *results);
                             });
}

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya

#endif  // KAKEYATURBO_CPP_BATCH_HPP
