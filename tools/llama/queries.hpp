// What looks at the keys of a model while it reads: its queries.
//
// They are seen in llama.cpp's compute graph, by the names that its models give: nodes `Qcur...-N` and `Kcur...-N` of layer N, of
// which the one with the operation ROPE is the last.

#ifndef TOOLS_LLAMA_QUERIES_HPP
#define TOOLS_LLAMA_QUERIES_HPP

#include "tensors.hpp"

#include <ggml-backend.h>
#include <ggml.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// Rows of floats, some for each of some positions.
struct Seen {
    // [positions, n_head, dim]
    std::vector<float> rows;
    std::vector<std::int32_t> positions;
    std::size_t n_head = 0, dim = 0;

    // The row of one head at the i-th position.
    const float* row(std::size_t i, std::size_t head) const { return rows.data() + (i * n_head + head) * dim; }
};

// What was seen of one layer, by the number that the model gives it.
struct SeenLayer {
    // Before RoPE.
    Seen queries;
    // After RoPE, as the cache has it; of the last position alone.
    Seen key;
};

// Watches one context. Its address must not change while the context lives.
class Watcher {
public:
    // Queries are taken at every `stride`-th position.
    explicit Watcher(std::size_t stride) : stride_(stride) {}
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // For `llama_context_params::cb_eval`, with the watcher as its data.
    static bool callback(ggml_tensor* node, bool ask, void* watcher) {
        Watcher& self = *static_cast<Watcher*>(watcher);
        const std::optional<std::size_t> query = layer_of(node->name, "Qcur"), key = layer_of(node->name, "Kcur");
        const bool wanted = query || (key && node->op == GGML_OP_ROPE);
        if (ask || !wanted) return ask ? wanted : true;
        if (query) self.take_query(*query, node);
        if (key) {
            const std::vector<std::int32_t> positions = positions_of(node);
            self.layers_[*key].key = rows_of(node, positions, {positions.size() - 1});
        }
        return true;
    }

    // What was seen since the last call.
    std::map<std::size_t, SeenLayer> take() { return std::exchange(layers_, {}); }

private:
    // The number at the end of a name that begins with `prefix`.
    static std::optional<std::size_t> layer_of(const std::string& name, const std::string& prefix) {
        const std::size_t dash = name.rfind('-');
        if (name.compare(0, prefix.size(), prefix) != 0 || dash == std::string::npos) return std::nullopt;
        char* end = nullptr;
        const unsigned long layer = std::strtoul(name.c_str() + dash + 1, &end, 10);
        return *end == 0 && end != name.c_str() + dash + 1 ? std::optional<std::size_t>(layer) : std::nullopt;
    }

    static std::vector<std::int32_t> positions_of(const ggml_tensor* rope) {
        std::vector<std::int32_t> positions(static_cast<std::size_t>(rope->ne[2]));
        ggml_backend_tensor_get(rope->src[1], positions.data(), 0, positions.size() * sizeof(std::int32_t));
        return positions;
    }
    // Some tokens of a tensor [dim, n_head, tokens].
    static Seen rows_of(const ggml_tensor* node, const std::vector<std::int32_t>& positions,
                        const std::vector<std::size_t>& tokens) {
        Seen seen;
        seen.dim = static_cast<std::size_t>(node->ne[0]), seen.n_head = static_cast<std::size_t>(node->ne[1]);
        seen.rows.resize(tokens.size() * seen.n_head * seen.dim);
        float* out = seen.rows.data();
        for (std::size_t token : tokens) {
            if (!positions.empty()) seen.positions.push_back(positions[token]);
            for (std::size_t head = 0; head < seen.n_head; ++head, out += seen.dim) {
                ggml_backend_tensor_get(node, out, token * node->nb[2] + head * node->nb[1], seen.dim * sizeof(float));
            }
        }
        return seen;
    }

    // RoPE may write over its source, so what comes before it is kept until it is known which node was the source.
    void take_query(std::size_t layer, const ggml_tensor* node) {
        if (node->type != GGML_TYPE_F32) return;
        if (node->op != GGML_OP_ROPE) {
            std::vector<std::size_t> tokens;
            for (std::size_t t = 0; t < static_cast<std::size_t>(node->ne[2]); t += stride_) tokens.push_back(t);
            before_ = {node, rows_of(node, {}, tokens)};
            return;
        }
        if (before_.first != node->src[0]) return;
        const std::vector<std::int32_t> positions = positions_of(node);
        Seen& all = layers_[layer].queries;
        const Seen& some = before_.second;
        all.dim = some.dim, all.n_head = some.n_head;
        all.rows.insert(all.rows.end(), some.rows.begin(), some.rows.end());
        for (std::size_t t = 0; t < positions.size(); t += stride_) all.positions.push_back(positions[t]);
    }

    std::size_t stride_;
    std::map<std::size_t, SeenLayer> layers_;
    std::pair<const ggml_tensor*, Seen> before_{nullptr, {}};
};

// The number that the model gives to each layer of a state, the layers numbered through all caches: the one whose key of the last
// position is that of the cache. None where no layer is.
inline std::vector<std::optional<std::size_t>> layers_of_model(const Bytes& bytes, const kakeya::llama::State& state,
                                                               const std::map<std::size_t, SeenLayer>& seen) {
    std::vector<std::optional<std::size_t>> found;
    each_named(state, [&](TensorName name, std::size_t, const kakeya::llama::Stream& stream, const auto& tensor) {
        if (name.second) return;
        found.resize(name.first + 1);
        const std::vector<float> rows = load(bytes, tensor);
        // The cache has the key in fewer bits.
        double least = 1e-2;
        for (const auto& [layer, what] : seen) {
            const Seen& key = what.key;
            const auto cell = std::find(stream.positions.begin(), stream.positions.end(), key.positions.at(0));
            if (cell == stream.positions.end() || key.rows.size() != tensor.width) continue;
            const float* row = rows.data() + static_cast<std::size_t>(cell - stream.positions.begin()) * tensor.width;
            double difference = 0, energy = 0;
            for (std::size_t i = 0; i < tensor.width; ++i) {
                difference += std::pow(static_cast<double>(row[i] - key.rows[i]), 2);
                energy += std::pow(static_cast<double>(row[i]), 2);
            }
            if (difference < least * energy) least = difference / energy, found[name.first] = layer;
        }
    });
    return found;
}

#endif  // TOOLS_LLAMA_QUERIES_HPP
