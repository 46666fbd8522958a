/* Reading and appending numbers, for states and sessions.
 * Included by llama.hpp. Both formats are little-endian, and so must be the machine.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_LLAMA_BYTES_HPP
#define KAKEYATURBO_LLAMA_BYTES_HPP

#include "../cpp/handle.hpp"
#include "../cpp/mode.hpp"
#include "../cpp/span.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace kakeya::llama {
inline namespace KAKEYA_CPP_MODE {
namespace detail {

/* Reads from `at` on and never beyond the end; a read that returns false has changed nothing. */
class Reader {
public:
    Reader(span<const std::byte> bytes, std::size_t at) : bytes_(bytes), at_(at) {}

    template <class T>
    bool read(T& value) {
        if (left() < sizeof value) return false;
        std::memcpy(&value, bytes_.data() + at_, sizeof value);
        at_ += sizeof value;
        return true;
    }
    bool skip(std::size_t count) {
        if (left() < count) return false;
        at_ += count;
        return true;
    }
    [[nodiscard]] std::size_t at() const { return at_; }
    [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }

private:
    span<const std::byte> bytes_;
    std::size_t at_;
};

class Appender {
public:
    explicit Appender(std::vector<std::byte>& out) : out_(out) {}

    template <class T>
    void number(T value) {
        std::byte bytes[sizeof value];
        std::memcpy(bytes, &value, sizeof value);
        out_.insert(out_.end(), bytes, bytes + sizeof value);
    }
    void bytes(span<const std::byte> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
    void fingerprint(const Fingerprint& print) {
        for (std::uint8_t byte : print) out_.push_back(static_cast<std::byte>(byte));
    }

private:
    std::vector<std::byte>& out_;
};

}  // namespace detail
}  // namespace KAKEYA_CPP_MODE
}  // namespace kakeya::llama

#endif  // KAKEYATURBO_LLAMA_BYTES_HPP
