/* kakeyaturbo for C++17: move-only owners, values with setters, spans and statuses over the C API.
 * Header-only, and nothing but calls of the C API. What a parameter means and which errors a call reports is documented
 * at the C function that it calls.
 *
 *     auto codec = kakeya::Codec::create(kakeya::Params().bits(4), kakeya::Layout::single(head_dim)).value();
 *     auto workspace = codec.workspace(n_rows).value();
 *     auto block = codec.encode(workspace, kakeya::Rows::contiguous(k, n_rows, head_dim)).value();
 *     codec.decode(workspace, block, kakeya::RowsMut::contiguous(k2, n_rows, head_dim)).value();
 *
 * Unless KAKEYA_CPP_EXCEPTIONS is defined, nothing throws except the vectors and strings (std::bad_alloc) and runners
 * that you pass. Files compiled with and without that macro may be linked into one program, see cpp/mode.hpp.
 * An object that was moved from may only be destroyed or assigned to.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_HPP
#define KAKEYATURBO_HPP

#include "cpp/batch.hpp"
#include "cpp/codec.hpp"
#include "cpp/fitter.hpp"
#include "cpp/handle.hpp"
#include "cpp/mode.hpp"
#include "cpp/params.hpp"
#include "cpp/profile.hpp"
#include "cpp/profile_builder.hpp"
#include "cpp/result.hpp"
#include "cpp/rows.hpp"
#include "cpp/skeleton.hpp"
#include "cpp/span.hpp"

#endif  // KAKEYATURBO_HPP
