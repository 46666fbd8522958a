/* kakeya::Status and kakeya::Result: what a call that can fail returns.
 * Included by kakeyaturbo.hpp.
 *
 * Both are [[nodiscard]]. Test them with ok(), or call value(): on failure it prints the message and aborts, or, if
 * KAKEYA_CPP_EXCEPTIONS is defined, throws kakeya::Error. That macro may differ between the files of a program, see
 * mode.hpp.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_CPP_RESULT_HPP
#define KAKEYATURBO_CPP_RESULT_HPP

#include "../kakeyaturbo.h"
#include "mode.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#if defined(KAKEYA_CPP_EXCEPTIONS)
#include <stdexcept>
#else
#include <cstdio>
#include <cstdlib>
#endif

namespace kakeya {
inline namespace KAKEYA_CPP_MODE {

#if defined(KAKEYA_CPP_EXCEPTIONS)
/** Thrown by value() of a call that failed. */
class Error : public std::runtime_error {
public:
    Error(kakeya_status code, const std::string& text) : std::runtime_error(text), code_(code) {}
    /** One of KAKEYA_ERR_*. */
    [[nodiscard]] kakeya_status code() const noexcept { return code_; }

private:
    kakeya_status code_;
};
#endif

/** Success, or one of KAKEYA_ERR_* with the message of the failure. */
class [[nodiscard]] Status {
public:
    /** Success. */
    Status() = default;
    Status(kakeya_status code, std::string message) : code_(code), message_(std::move(message)) {}

    /** Wraps what a C function just returned; takes this thread's last message, so call it before anything else. */
    static Status of(kakeya_status code) {
        if (code == KAKEYA_OK) return {};
        std::size_t length = 0;
        if (kakeya_last_error_message(nullptr, 0, &length) != KAKEYA_OK) return {code, {}};
        std::string message(length, '\0');
        if (kakeya_last_error_message(message.data(), length + 1, &length) != KAKEYA_OK) message.clear();
        return {code, std::move(message)};
    }

    [[nodiscard]] bool ok() const noexcept { return code_ == KAKEYA_OK; }
    explicit operator bool() const noexcept { return ok(); }
    /** KAKEYA_OK or one of KAKEYA_ERR_*. */
    [[nodiscard]] kakeya_status code() const noexcept { return code_; }
    /** The code's name, "KAKEYA_ERR_BAD_SHAPE". */
    [[nodiscard]] const char* name() const noexcept { return kakeya_status_name(code_); }
    /** The numbers behind the failure; empty on success. */
    [[nodiscard]] const std::string& message() const noexcept { return message_; }
    /** Name and message in one line. */
    [[nodiscard]] std::string text() const {
        return std::string(name()) + ": " + (message_.empty() ? kakeya_status_text(code_) : message_.c_str());
    }
    /** Does nothing on success; otherwise aborts or throws as the head of this file says. */
    void value() const {
        if (ok()) return;
#if defined(KAKEYA_CPP_EXCEPTIONS)
        throw Error(code_, text());
#else
        std::fprintf(stderr, "%s\n", text().c_str());
        std::abort();
#endif
    }

private:
    kakeya_status code_ = KAKEYA_OK;
    std::string message_;
};

/** A T, or the Status that says why there is none. */
template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : value_(std::move(value)) {}
    /** From a failure: `status.ok()` must be false. */
    Result(Status status) : status_(std::move(status)) {}

    [[nodiscard]] bool ok() const noexcept { return status_.ok(); }
    explicit operator bool() const noexcept { return ok(); }
    [[nodiscard]] const Status& status() const noexcept { return status_; }

    /** The T. Without one: aborts or throws as the head of this file says. */
    [[nodiscard]] T& value() & {
        status_.value();
        return *value_;
    }
    [[nodiscard]] const T& value() const& {
        status_.value();
        return *value_;
    }
    [[nodiscard]] T value() && {
        status_.value();
        return std::move(*value_);
    }

private:
    std::optional<T> value_;
    Status status_;
};

/** True if these headers and the loaded library have the same ABI. Whatever makes an object checks it. */
[[nodiscard]] inline bool abi_matches() noexcept { return kakeya_abi_version() == KAKEYA_ABI_VERSION; }

/** abi_matches() as a Status: KAKEYA_ERR_UNSUPPORTED with both numbers in its message. */
inline Status check_abi() {
    if (abi_matches()) return {};
    return {KAKEYA_ERR_UNSUPPORTED, "headers of ABI " + std::to_string(KAKEYA_ABI_VERSION) + ", library of ABI " +
                                        std::to_string(kakeya_abi_version())};
}

}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya

#endif  // KAKEYATURBO_CPP_RESULT_HPP
