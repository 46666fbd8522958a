// Whole files, and profiles in them.

#ifndef TOOLS_FILES_HPP
#define TOOLS_FILES_HPP

#include <kakeyaturbo/kakeyaturbo.hpp>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using Bytes = std::vector<std::byte>;

inline Bytes read_file(const std::string& name) {
    std::ifstream in(name, std::ios::binary | std::ios::ate);
    if (!in || std::filesystem::is_directory(name)) throw std::runtime_error("cannot open " + name);
    Bytes bytes(static_cast<std::size_t>(in.tellg()));
    in.seekg(0);
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!in) throw std::runtime_error("cannot read " + name);
    return bytes;
}

// All of the file or nothing: what was there under that name stays until the new file is whole.
inline void write_file(const std::string& name, const Bytes& bytes) {
    const std::string part = name + ".part";
    std::ofstream out(part, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    out.close();
    std::error_code error;
    if (out) std::filesystem::rename(part, name, error);
    if (!out || error) {
        std::filesystem::remove(part, error);
        throw std::runtime_error("cannot write " + name);
    }
}

inline kakeya::Profile read_profile(const std::string& name) {
    auto profile = kakeya::Profile::load(read_file(name));
    if (!profile) throw std::runtime_error(name + ": " + profile.status().text());
    return std::move(profile).value();
}

#endif  // TOOLS_FILES_HPP
