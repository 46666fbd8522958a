// A reader for safetensors files: 8 bytes of length (little-endian), a JSON header of that length, the tensors' bytes.

#ifndef TOOLS_SAFETENSORS_HPP
#define TOOLS_SAFETENSORS_HPP

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// A tensor inside a SafeTensors object, row-major.
struct Tensor {
    std::string dtype;  // "F16", "I32", ...
    std::vector<std::size_t> shape;
    const char* bytes;
    std::size_t size;  // in bytes

    // The elements, if they are of the file's type `name`; throws otherwise.
    template <class T>
    const T* data(const std::string& name) const {
        if (dtype != name) throw std::runtime_error("a tensor is " + dtype + " where " + name + " is needed");
        if (reinterpret_cast<std::uintptr_t>(bytes) % alignof(T) != 0) {
            throw std::runtime_error("a tensor is not aligned to its element size");
        }
        std::size_t count = 1;
        for (std::size_t extent : shape) count *= extent;
        if (count * sizeof(T) != size) throw std::runtime_error("a tensor's shape does not fit its size");
        return reinterpret_cast<const T*>(bytes);
    }
};

// A whole file in memory. Throws std::exception if it cannot be read or makes no sense.
class SafeTensors {
public:
    explicit SafeTensors(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        if (!file) throw std::runtime_error("cannot open " + path);
        bytes_.assign(std::istreambuf_iterator<char>(file), {});
        if (bytes_.size() < 8) throw std::runtime_error(path + " is too short for a safetensors file");
        std::uint64_t header_size = 0;
        for (std::size_t i = 8; i-- > 0;) header_size = header_size << 8 | static_cast<unsigned char>(bytes_[i]);
        if (header_size > bytes_.size() - 8) throw std::runtime_error(path + " ends inside its header");

        const std::size_t start = 8 + static_cast<std::size_t>(header_size);
        const auto header = nlohmann::json::parse(bytes_.data() + 8, bytes_.data() + start);
        for (const auto& [name, entry] : header.items()) {
            if (name == "__metadata__") continue;
            const auto [from, to] = entry.at("data_offsets").get<std::pair<std::size_t, std::size_t>>();
            if (from > to || to > bytes_.size() - start) throw std::runtime_error(path + " ends before " + name);
            tensors_[name] = {entry.at("dtype"), entry.at("shape"), bytes_.data() + start + from, to - from};
        }
    }
    SafeTensors(const SafeTensors&) = delete;
    SafeTensors& operator=(const SafeTensors&) = delete;

    const std::map<std::string, Tensor>& tensors() const { return tensors_; }
    // nullptr if there is none of that name.
    const Tensor* find(const std::string& name) const {
        const auto found = tensors_.find(name);
        return found == tensors_.end() ? nullptr : &found->second;
    }

private:
    std::vector<char> bytes_;
    std::map<std::string, Tensor> tensors_;
};

#endif  // TOOLS_SAFETENSORS_HPP
