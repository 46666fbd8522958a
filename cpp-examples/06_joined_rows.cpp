// The rdo preset: one skeleton fitted on some documents, and the cache of another document coded against it.
//
//   06_joined_rows FIT.safetensors CODE.safetensors
//
// A row joins the K and V of all kv-heads of a few neighbouring layers, one segment each. K is coded as it was
// before its rotary embedding, and every tensor is brought to unit size by its gain. Prints, per step, what the
// blocks cost (every byte but the skeleton's) and the relative squared error, mean over the tensors; first
// the same for turbo, kv-head by kv-head. Exits with 1 if rdo is not smaller at the same error.

#include "kv_file.hpp"

#include <CLI/CLI.hpp>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace {

// Rows of one document: [tokens, kv_heads, head_dim] per tensor, K and V of each layer in turn.
struct Document {
    std::vector<KvTensor> tensors;
    std::vector<bool> is_key;
    const std::int32_t* positions;
    std::size_t tokens;
};

Document document(const SafeTensors& file, const std::vector<int>& layers) {
    Document found{{}, {}, nullptr, 0};
    for (int layer : layers) {
        for (const char* kv : {".k", ".v"}) {
            const Tensor* tensor = file.find("layers." + std::to_string(layer) + kv);
            if (tensor == nullptr || tensor->shape.size() != 3) throw std::runtime_error("a layer is not in the file");
            const std::vector<std::size_t>& shape = tensor->shape;
            found.tensors.push_back({tensor->data<kakeya::F16>("F16"), shape[0], shape[1], shape[2]});
            found.is_key.push_back(kv[1] == 'k');
            found.tokens = tensor->shape[0];
        }
    }
    const Tensor* positions = file.find("positions");
    if (positions == nullptr) throw std::runtime_error("the file has no positions");
    found.positions = positions->data<std::int32_t>("I32");
    return found;
}

kakeya::Rows rows_of(const Document& from) {
    std::vector<kakeya::View> views;
    for (const KvTensor& tensor : from.tensors) {
        for (std::size_t head = 0; head < tensor.kv_heads; ++head) {
            views.emplace_back(tensor.row(0, head), static_cast<std::ptrdiff_t>(tensor.row_stride()));
        }
    }
    return kakeya::Rows(from.tokens, views).positions(from.positions);
}

// The layout of a row: rotary embedding undone on keys, gains 1 / root mean square of the document.
kakeya::Layout layout_of(const Document& like, double rope_base) {
    std::vector<kakeya::Segment> segments;
    for (std::size_t i = 0; i < like.tensors.size(); ++i) {
        const KvTensor& tensor = like.tensors[i];
        double energy = 0;
        const std::size_t count = tensor.tokens * tensor.row_stride();
        for (std::size_t j = 0; j < count; ++j) energy += std::pow(to_float(tensor.data[j]), 2);
        std::vector<float> inv_freq(tensor.head_dim / 2);
        for (std::size_t j = 0; j < inv_freq.size(); ++j) {
            const double exponent = -2.0 * static_cast<double>(j) / static_cast<double>(tensor.head_dim);
            inv_freq[j] = static_cast<float>(std::pow(rope_base, exponent));
        }
        const auto gain = static_cast<float>(1 / std::sqrt(energy / static_cast<double>(count)));
        for (std::size_t head = 0; head < tensor.kv_heads; ++head) {
            kakeya::Segment segment(tensor.head_dim);
            segment.gain(gain).raw_dtype(kakeya::Dtype::f16);
            if (like.is_key[i]) segment.rope(kakeya::Rope::interleaved, inv_freq);
            segments.push_back(segment);
        }
    }
    return segments;
}

struct Outcome {
    double bytes = 0, values = 0, errors = 0;
    std::size_t tensors = 0;
    double bpv() const { return 8 * bytes / values; }
    double error() const { return errors / static_cast<double>(tensors); }
};

// Encodes and decodes a document as one block, and adds what it cost.
void code(const kakeya::Codec& codec, const Document& original, Outcome& outcome) {
    kakeya::Workspace workspace = codec.workspace(original.tokens).value();
    const std::vector<std::byte> block = codec.encode(workspace, rows_of(original)).value();
    std::vector<std::vector<float>> decoded;
    std::vector<kakeya::ViewMut> views;
    for (const KvTensor& tensor : original.tensors) {
        decoded.emplace_back(tensor.tokens * tensor.row_stride());
        const auto stride = static_cast<std::ptrdiff_t>(tensor.row_stride());
        for (std::size_t head = 0; head < tensor.kv_heads; ++head) {
            views.emplace_back(decoded.back().data() + head * tensor.head_dim, stride);
        }
    }
    codec.decode(workspace, block, kakeya::RowsMut(original.tokens, views).positions(original.positions)).value();
    for (std::size_t i = 0; i < decoded.size(); ++i) {
        SquaredError error;
        for (std::size_t j = 0; j < decoded[i].size(); ++j) {
            error.add(to_float(original.tensors[i].data[j]), decoded[i][j]);
        }
        outcome.errors += error.relative();
        outcome.values += static_cast<double>(decoded[i].size());
    }
    outcome.bytes += static_cast<double>(block.size());
    outcome.tensors += decoded.size();
}

struct Setting {
    std::string name;
    kakeya::Params params;
    Outcome outcome;
};

/** Steps, plain and with the trellis, and bits by component at a fixed rate. */
std::vector<Setting> rdo_settings() {
    std::vector<Setting> settings;
    const auto add = [&](const char* format, double value, const kakeya::Params& params) {
        char name[32];
        std::snprintf(name, sizeof name, format, value);
        settings.push_back({name, params, Outcome{}});
    };
    const auto rdo = [] { return kakeya::Params().preset(kakeya::Preset::rdo); };
    for (float step : {0.3F, 0.5F, 0.7F, 1.0F}) add("step %.1f", static_cast<double>(step), rdo().step(step));
    for (float step : {0.4F, 0.6F, 0.9F}) {
        add("step %.1f, effort 1", static_cast<double>(step), rdo().step(step).effort(1));
    }
    for (double bits : {1.0, 2.0}) add("%.0f bits fixed", bits, rdo().bits(bits));
    return settings;
}

void print(const char* preset, const std::string& rows, const std::string& setting, const Outcome& outcome) {
    std::printf("%-7s %-9s %-18s %7.3f %6.2f %9.5f\n", preset, rows.c_str(), setting.c_str(), outcome.bpv(),
                16 / outcome.bpv(), outcome.error());
}

}  // namespace

int main(int argc, char** argv) try {
    std::string fit_file, code_file;
    double rope_base = 1e5;
    CLI::App app("One skeleton for joined rows of several layers");
    app.add_option("fit", fit_file, "safetensors file to fit the skeletons on")->required()->check(CLI::ExistingFile);
    app.add_option("code", code_file, "safetensors file to code")->required()->check(CLI::ExistingFile);
    app.add_option("--rope-base", rope_base, "base of the rotary embedding of K")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    const SafeTensors fit(fit_file), coded(code_file);
    const std::vector<int> all = {0, 1, 2, 14, 15, 16};
    std::printf("%-7s %-9s %-18s %7s %6s %9s\n", "preset", "rows", "setting", "bpv", "ratio", "error");

    Outcome turbo;
    for (int layer : all) {
        const Document whole = document(coded, {layer});
        for (std::size_t i = 0; i < whole.tensors.size(); ++i) {
            for (std::size_t head = 0; head < whole.tensors[i].kv_heads; ++head) {
                const KvTensor& tensor = whole.tensors[i];
                const auto layout = kakeya::Layout::single(tensor.head_dim);
                const auto codec = kakeya::Codec::create(kakeya::Params().bits(4), layout).value();
                auto workspace = codec.workspace(tensor.tokens).value();
                const kakeya::View view(tensor.row(0, head), static_cast<std::ptrdiff_t>(tensor.row_stride()));
                const auto block = codec.encode(workspace, kakeya::Rows(tensor.tokens, {view})).value();
                const auto info = kakeya::read_info(block).value();
                turbo.bytes += static_cast<double>(block.size());
                turbo.values += static_cast<double>(info.n_rows * info.dim);
                turbo.errors += info.certified_error;
                ++turbo.tensors;
            }
        }
    }
    print("turbo", "kv-head", "4 bits", turbo);

    bool smaller = false;
    using Groups = std::vector<std::vector<int>>;
    for (const Groups& groups : {Groups{{0}, {1}, {2}, {14}, {15}, {16}}, Groups{{0, 1, 2}, {14, 15, 16}}}) {
        std::vector<Setting> settings = rdo_settings();
        for (const std::vector<int>& layers : groups) {
            // One skeleton serves every setting.
            const Document known = document(fit, layers);
            const kakeya::Layout layout = layout_of(known, rope_base);
            auto fitter = kakeya::Fitter::create(settings.front().params, layout).value();
            fitter.add_rows(rows_of(known)).value();
            const kakeya::Fit fitted = fitter.finish().value();
            for (Setting& setting : settings) {
                const auto codec = kakeya::Codec::create(setting.params, layout, &fitted.skeleton).value();
                code(codec, document(coded, layers), setting.outcome);
            }
        }
        for (const Setting& setting : settings) {
            const Outcome& rdo = setting.outcome;
            print("rdo", groups.size() == all.size() ? "layer" : "3 layers", setting.name, rdo);
            smaller = smaller || (rdo.error() <= turbo.error() && rdo.bpv() < 0.5 * turbo.bpv());
        }
    }
    return smaller ? 0 : 1;
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
