/* The adapter for llama.cpp: the keys and values in its sequence states and session files.
 *
 *   llama_state.hpp    where they lie
 *   llama_blocks.hpp   as blocks of the streams of a profile, and back
 *   llama_session.hpp  whole states and files, smaller and back
 *
 * Header-only, C++17; needs no header of llama.cpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_LLAMA_HPP
#define KAKEYATURBO_LLAMA_HPP

#include <kakeyaturbo/kakeyaturbo.hpp>
#include <kakeyaturbo/llama_blocks.hpp>
#include <kakeyaturbo/llama_session.hpp>
#include <kakeyaturbo/llama_state.hpp>

#endif  // KAKEYATURBO_LLAMA_HPP
