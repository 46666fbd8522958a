// Numbers about the tensors of a state: deviations, sensitivities, gains. Layers are numbered through all caches.

#ifndef TOOLS_LLAMA_TENSORS_HPP
#define TOOLS_LLAMA_TENSORS_HPP

#include "transforms.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <utility>

// K (false) or V (true) of a layer.
using TensorName = std::pair<std::uint32_t, bool>;

// The stream of a cache that has rows; of one sequence there is only one.
inline const kakeya::llama::Stream* rows_of_cache(const kakeya::llama::Cache& cache) {
    for (const kakeya::llama::Stream& stream : cache.streams) {
        if (!stream.keys.empty()) return &stream;
    }
    return nullptr;
}

// Calls `work(name, cache, stream, tensor)` for every tensor of a state with one sequence.
template <class Work>
void each_named(const kakeya::llama::State& state, Work&& work) {
    std::uint32_t first = 0;
    for (std::size_t c = 0; c < state.caches.size(); ++c) {
        const kakeya::llama::Stream* stream = rows_of_cache(state.caches[c]);
        if (stream == nullptr) continue;
        for (bool is_value : {false, true}) {
            const auto& tensors = is_value ? stream->values : stream->keys;
            for (std::uint32_t l = 0; l < tensors.size(); ++l) {
                work(TensorName(first + l, is_value), c, *stream, tensors[l]);
            }
        }
        first += static_cast<std::uint32_t>(stream->keys.size());
    }
}

// Sums for the variance of every tensor, and the values that a state of `tokens` tokens has of it. Positions below `skip`, whose
// rows can be many times as large as all others, are left out.
class Spread {
public:
    void add(const Bytes& bytes, const kakeya::llama::State& state, std::int32_t skip) {
        each_named(state, [&](TensorName name, std::size_t, const kakeya::llama::Stream& stream, const auto& tensor) {
            const std::vector<float> rows = load(bytes, tensor);
            Sums& sums = sums_[name];
            for (std::size_t cell = 0; cell < tensor.cells; ++cell) {
                if (stream.positions[cell] < skip) continue;
                for (std::size_t i = cell * tensor.width; i < (cell + 1) * tensor.width; ++i) {
                    const auto x = static_cast<double>(rows[i]);
                    sums.sum += x, sums.squares += x * x, sums.count += 1;
                }
            }
            sums.stored = std::max(sums.stored, static_cast<double>(tensor.values()));
        });
    }
    double deviation(TensorName name) const {
        const Sums& s = sums_.at(name);
        const double mean = s.sum / s.count;
        return std::sqrt(std::max(s.squares / s.count - mean * mean, 1e-30));
    }
    double stored(TensorName name) const { return sums_.at(name).stored; }
    std::vector<TensorName> names() const {
        std::vector<TensorName> list;
        for (const auto& [name, sums] : sums_) list.push_back(name);
        return list;
    }

private:
    struct Sums {
        double sum = 0, squares = 0, count = 0, stored = 0;
    };
    std::map<TensorName, Sums> sums_;
};

// The divergence that noise adds per unit of relative variance, of every tensor; as llama_sensitivity writes it.
class Sensitivities {
public:
    void set(TensorName name, double s) { s_[name] = s; }
    std::optional<double> of(TensorName name) const {
        const auto found = s_.find(name);
        return found == s_.end() ? std::nullopt : std::optional(found->second);
    }

    static Sensitivities read(const std::string& file) {
        const nlohmann::json json = nlohmann::json::parse(std::ifstream(file));
        Sensitivities read;
        for (const auto& entry : json.at("tensors")) {
            read.set({entry.at("layer"), entry.at("part") == "v"}, entry.at("sensitivity"));
        }
        return read;
    }

private:
    std::map<TensorName, double> s_;
};

// What a tensor is multiplied by before coding: with it one step for the whole model spends bits where they count.
class TensorGains {
public:
    // 1 / deviation, times sqrt(s / stored values) where sensitivities are known, times `key_factor` for keys. Scaled so
    // that the geometric mean over all values, but for the key factor, is 1 / deviation: a step then is a relative one. Sensitivities
    // move a gain by at most `range` either way: they are those to independent noise, and what a codec leaves out of a
    // row it leaves out of its neighbours too.
    TensorGains(const Spread& spread, const std::optional<Sensitivities>& sensitivities, double key_factor, double range) {
        std::map<TensorName, double> logs;
        for (TensorName name : spread.names()) {
            logs[name] = 0;
            if (!sensitivities) continue;
            const std::optional<double> s = sensitivities->of(name);
            if (!s) throw std::runtime_error("the sensitivities lack a tensor of this model");
            logs[name] = std::log(*s / spread.stored(name)) / 2;
        }
        const auto mean = [&] {
            double sum = 0, values = 0;
            for (const auto& [name, log] : logs) sum += log * spread.stored(name), values += spread.stored(name);
            return sum / values;
        };
        const double middle = mean(), most = std::log(range);
        for (auto& [name, log] : logs) log = std::clamp(log - middle, -most, most);
        const double shift = mean();
        for (const auto& [name, log] : logs) {
            gains_[name] = std::exp(log - shift) / spread.deviation(name) * (name.second ? 1 : key_factor);
        }
    }
    float of(std::uint32_t layer, bool is_value) const { return static_cast<float>(gains_.at({layer, is_value})); }

private:
    std::map<TensorName, double> gains_;
};

#endif  // TOOLS_LLAMA_TENSORS_HPP
