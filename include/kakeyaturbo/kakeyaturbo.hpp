/* kakeyaturbo for C++17: move-only owners, values with setters, spans and statuses over <kakeyaturbo/kakeyaturbo.h>.
 * Header-only, and nothing but calls of the C API; what a parameter means and what can fail is said there.
 *
 *     auto codec = kakeya::Codec::create(kakeya::Params().bits(4), kakeya::Layout::single(head_dim)).value();
 *     auto workspace = codec.workspace(n_rows).value();
 *     auto block = codec.encode(workspace, kakeya::Rows::contiguous(k, n_rows, head_dim)).value();
 *     codec.decode(workspace, block, kakeya::RowsMut::contiguous(k2, n_rows, head_dim)).value();
 *
 * No call throws unless KAKEYA_CPP_EXCEPTIONS is defined, but for std::bad_alloc of the vectors and strings here and
 * for what a runner of yours throws. An object that was moved from may only be destroyed or assigned to.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_HPP
#define KAKEYATURBO_HPP

#include <kakeyaturbo/batch.hpp>
#include <kakeyaturbo/codec.hpp>
#include <kakeyaturbo/params.hpp>
#include <kakeyaturbo/profile.hpp>
#include <kakeyaturbo/result.hpp>
#include <kakeyaturbo/rows.hpp>
#include <kakeyaturbo/skeleton.hpp>
#include <kakeyaturbo/span.hpp>

#endif  // KAKEYATURBO_HPP
