/* The adapter for llama.cpp: the keys and values in its sequence states and session files.
 *
 *   llama/state.hpp    where they are, as llama/parse.hpp finds it
 *   llama/blocks.hpp   as blocks of the streams of a profile, and back
 *   llama/session.hpp  whole states and files, compressed and restored
 *
 * Header-only, C++17; needs no header of llama.cpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_LLAMA_HPP
#define KAKEYATURBO_LLAMA_HPP

#include "kakeyaturbo.hpp"
#include "llama/blocks.hpp"
#include "llama/parse.hpp"
#include "llama/session.hpp"
#include "llama/session_format.hpp"
#include "llama/state.hpp"

#endif  // KAKEYATURBO_LLAMA_HPP
