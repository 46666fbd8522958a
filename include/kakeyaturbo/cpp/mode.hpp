/* KAKEYA_CPP_MODE: the inline namespace that the C++ adapter is in.
 * Included by kakeyaturbo.hpp.
 *
 * What value() does on failure, and whether the exception of a runner is caught, depends on how a file is compiled.
 * Of several inline functions with one name the linker keeps any one. So each mode has a namespace, and thereby names,
 * of its own: files of different modes may be linked into one program, in any order, and each gets what it was compiled
 * for. Objects cannot be passed between such files: the types differ, and the program does not link.
 *
 * Write kakeya::Codec as ever; the inline namespace shows in symbols and in messages of the compiler only.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_CPP_MODE_HPP
#define KAKEYATURBO_CPP_MODE_HPP

#if defined(KAKEYA_CPP_EXCEPTIONS)
#define KAKEYA_CPP_MODE throwing
#elif defined(__cpp_exceptions)
#define KAKEYA_CPP_MODE aborting
#else
/* -fno-exceptions: aborts, and cannot catch anything, so a runner must not throw. */
#define KAKEYA_CPP_MODE no_exceptions
#endif

#endif  // KAKEYATURBO_CPP_MODE_HPP
