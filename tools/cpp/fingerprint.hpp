// What ties a profile to its model.

#ifndef TOOLS_FINGERPRINT_HPP
#define TOOLS_FINGERPRINT_HPP

#include <kakeyaturbo/kakeyaturbo.hpp>

#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

// The hash of the hashes of a file's pieces of 16 MiB each, the last one shorter: a model need not fit into memory.
inline kakeya::Fingerprint fingerprint_of_file(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    if (!file) throw std::runtime_error("cannot open " + name);
    std::vector<std::byte> piece(std::size_t{16} << 20), hashes;
    while (file) {
        file.read(reinterpret_cast<char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
        const auto size = static_cast<std::size_t>(file.gcount());
        if (size == 0) break;
        const kakeya::Fingerprint hash = kakeya::hash(kakeya::span<const std::byte>(piece.data(), size)).value();
        for (std::uint8_t byte : hash) hashes.push_back(static_cast<std::byte>(byte));
    }
    return kakeya::hash(hashes).value();
}

#endif  // TOOLS_FINGERPRINT_HPP
