// The K and V tensors of a safetensors file, and the queries that belong to them.

#ifndef TOOLS_KV_FILE_HPP
#define TOOLS_KV_FILE_HPP

#include "numbers.hpp"
#include "safetensors.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

// A tensor layers.N.k or layers.N.v, f16, [tokens, kv_heads, head_dim]; points into the file's memory.
struct KvTensor {
    const kakeya::F16* data;
    std::size_t tokens, kv_heads, head_dim;
    // Of a K tensor with layers.N.q beside it: queries [tokens / query_step, query_heads, head_dim] of every
    // query_step-th token, and the tokens' positions. Otherwise nullptr.
    const kakeya::F16* queries = nullptr;
    const std::int32_t* positions = nullptr;
    std::size_t query_step = 1, query_heads = 0;

    // Elements from a row of a kv-head, its vector of one token, to the next.
    std::size_t row_stride() const { return kv_heads * head_dim; }
    // The row of a kv-head at a token.
    const kakeya::F16* row(std::size_t token, std::size_t head) const {
        return data + token * row_stride() + head * head_dim;
    }
};

// All of them. Throws std::runtime_error if there is none or if shapes contradict each other.
inline std::vector<KvTensor> kv_tensors(const SafeTensors& file) {
    std::vector<KvTensor> found;
    for (const auto& [name, tensor] : file.tensors()) {
        if (name.rfind("layers.", 0) != 0 || (name.back() != 'k' && name.back() != 'v')) continue;
        std::vector<std::size_t> shape = tensor.shape;
        if (shape.size() == 2) shape.insert(shape.begin() + 1, 1);  // one kv-head
        if (shape.size() != 3) throw std::runtime_error(name + " is not [tokens, kv_heads, head_dim]");
        KvTensor kv{tensor.data<kakeya::F16>("F16"), shape[0], shape[1], shape[2]};

        const std::string queries_name = name.substr(0, name.size() - 1) + 'q';
        const Tensor* queries = name.back() == 'k' ? file.find(queries_name) : nullptr;
        const Tensor* positions = file.find("positions");
        if (queries != nullptr && positions != nullptr) {
            const std::vector<std::size_t>& q = queries->shape;
            if (q.size() != 3 || q[0] == 0 || kv.tokens % q[0] != 0 || q[1] % kv.kv_heads != 0 ||
                q[2] != kv.head_dim || positions->shape != std::vector<std::size_t>{kv.tokens}) {
                throw std::runtime_error(queries_name + " or positions do not fit " + name);
            }
            kv.queries = queries->data<kakeya::F16>("F16");
            kv.positions = positions->data<std::int32_t>("I32");
            kv.query_step = kv.tokens / q[0];
            kv.query_heads = q[1];
        }
        found.push_back(kv);
    }
    if (found.empty()) throw std::runtime_error("the file has no tensor layers.N.k or layers.N.v");
    return found;
}

// The query of a token, a multiple of query_step, and a query head, rotated to its position: pairs (2i, 2i + 1),
// inverse frequencies rope_base^(-2i / head_dim). With rope_base 0 as it is stored.
inline std::vector<float> query(const KvTensor& kv, std::size_t token, std::size_t query_head, double rope_base) {
    const kakeya::F16* stored = kv.queries + (token / kv.query_step * kv.query_heads + query_head) * kv.head_dim;
    std::vector<float> result(kv.head_dim);
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = to_float(stored[i]);
    for (std::size_t i = 0; rope_base > 0 && i + 1 < result.size(); i += 2) {
        const double exponent = -static_cast<double>(i) / static_cast<double>(kv.head_dim);
        const double angle = kv.positions[token] * std::pow(rope_base, exponent);
        const double x = result[i], y = result[i + 1];
        result[i] = static_cast<float>(x * std::cos(angle) - y * std::sin(angle));
        result[i + 1] = static_cast<float>(x * std::sin(angle) + y * std::cos(angle));
    }
    return result;
}

#endif  // TOOLS_KV_FILE_HPP
