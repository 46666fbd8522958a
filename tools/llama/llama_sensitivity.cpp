// How much each tensor of the cache matters to the model's predictions.
//
//   llama_sensitivity MODEL.gguf TEXTS OUT.json [--profile FILE.kkp --at-step 0.7]
//
// Disturbs one layer's K, or V, at a time, and compares the predictions after it with those after the untouched state. The
// sensitivity of a tensor is the divergence that this adds beyond the engine's floor, per unit of relative variance.
//
// With a profile, the disturbance is what its codecs do to the tensor at a step: an error of a codec is not like noise, it
// leaves the same directions out of one row after the other. Without, it is independent Gaussian noise, from `--noise` times the
// variance of the tensor on. It grows fourfold in energy until the excess over the floor is `--clear` times its
// standard error, or `--rounds` times: a sensitivity that is still not clear is at most that standard error, and is given as it.
//
// TEXTS are texts to calibrate with, none that will be scored. The file is what llama_profile takes with --sensitivities.

#include "predictions.hpp"
#include "streams.hpp"
#include "statistics.hpp"
#include "tensors.hpp"
#include "texts.hpp"
#include "workers.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <set>

namespace {

struct Options {
    std::string model, texts, out, profile;
    std::size_t prefill = 1024, scored = 128, windows = 6, skip = 4, threads = 2;
    int rounds = 2;
    float at_step = 0.7F;
    double noise = 0.1, clear = 4;
};

Options parse(int argc, char** argv, CLI::App& app) {
    Options o;
    app.add_option("model", o.model, "GGUF file")->required()->check(CLI::ExistingFile);
    app.add_option("texts", o.texts, "folder of texts")->required()->check(CLI::ExistingDirectory);
    app.add_option("out", o.out, "JSON file to write")->required();
    app.add_option("--windows", o.windows, "windows, spread over the texts")->capture_default_str();
    app.add_option("--prefill", o.prefill, "tokens whose state gets noise")->capture_default_str();
    app.add_option("--scored", o.scored, "tokens that are predicted")->capture_default_str();
    app.add_option("--skip", o.skip, "first positions that get no noise: attention sinks, which profiles keep raw")->capture_default_str();
    app.add_option("--noise", o.noise, "relative variance of the noise to begin with")->capture_default_str();
    app.add_option("--rounds", o.rounds, "strengths to try, at most")->capture_default_str();
    app.add_option("--profile", o.profile, "a profile whose codecs disturb")->check(CLI::ExistingFile);
    app.add_option("--at-step", o.at_step, "step of these codecs")->capture_default_str();
    app.add_option("--clear", o.clear, "standard errors that count as clear")->capture_default_str();
    app.add_option("--threads", o.threads, "windows at a time, one thread each")->capture_default_str();
    app.parse(argc, argv);
    return o;
}

// A window that was read, and what the model predicts after it.
struct Window {
    const Passage* passage = nullptr;
    Bytes state;
    // After a codec; empty without a profile.
    Bytes decoded;
    kakeya::llama::State where;
    Predictions reference;
    // Divergence by noise of 1e-6 of the variance in every tensor: the least that any change does.
    double floor = 0;
};

double divergence(Context& context, const Window& window, const Bytes& state, const Options& o) {
    context.restore(state);
    const llama_token* scored = window.passage->tokens.data() + o.prefill;
    return mean_of(compare(window.reference, context.logits(scored, o.scored, o.prefill), scored + 1, 1).kld).mean;
}

void read(Context& context, Window& window, const Options& o, const Transform& codec) {
    const llama_token* tokens = window.passage->tokens.data();
    context.prefill(tokens, o.prefill);
    window.state = context.state();
    window.where = kakeya::llama::parse(window.state).value();
    context.restore(window.state);
    window.reference =
        predictions(context.logits(tokens + o.prefill, o.scored, o.prefill), o.scored, context.n_vocab(), 1);
    Bytes changed = window.state;
    add_noise(1e-6, 1)(changed, window.where);
    window.floor = divergence(context, window, changed, o);
    if (!codec) return;
    window.decoded = window.state;
    codec(window.decoded, window.where);
}

// The tensors that are disturbed together.
using Names = std::set<TensorName>;

// A state after disturbance, and the energy that was added to one of the tensors, relative to its variance.
struct Disturbed {
    Bytes state;
    double relative = 0;
};

// Disturbs tensors, but for their first positions: by `strength` times their variance, or as many times the error of the codec in
// energy.
Disturbed disturb_some(const Window& window, const Names& which, double strength, std::size_t skip) {
    Disturbed made{window.state, 0};
    each_named(window.where, [&](TensorName name, std::size_t, const kakeya::llama::Stream& stream,
                                 const kakeya::llama::Tensor& tensor) {
        if (which.count(name) == 0) return;
        std::vector<float> rows = load(window.state, tensor), some, errors;
        const std::vector<float> decoded = window.decoded.empty() ? rows : load(window.decoded, tensor);
        std::vector<std::size_t> places;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (stream.positions[i / tensor.width] < static_cast<std::int32_t>(skip)) continue;
            places.push_back(i), some.push_back(rows[i]), errors.push_back(decoded[i] - rows[i]);
        }
        const double variance = variance_of(some);
        if (window.decoded.empty()) {
            std::vector<float> noisy = some;
            disturb(noisy, strength, 100 + 2 * name.first + (name.second ? 1 : 0));
            for (std::size_t i = 0; i < some.size(); ++i) errors[i] = noisy[i] - some[i];
        } else {
            const auto factor = static_cast<float>(std::sqrt(strength));
            for (float& error : errors) error *= factor;
        }
        made.relative = 0;
        for (std::size_t i = 0; i < places.size(); ++i) {
            rows[places[i]] += errors[i];
            made.relative += static_cast<double>(errors[i]) * static_cast<double>(errors[i]);
        }
        made.relative /= variance * static_cast<double>(some.size());
        store(rows, made.state, tensor);
    });
    return made;
}

// The windows of a run, and the contexts that read them.
class Probe {
public:
    explicit Probe(const Options& options) : o(options), model_(o.model) {
        ContextOptions like;
        like.n_ctx = o.prefill + o.scored;
        like.n_outputs = o.scored;
        like.threads = 1;
        for (std::size_t w = 0; w < o.threads; ++w) contexts_.push_back(std::make_unique<Context>(model_, like));
        passages_ = passages(model_, read_texts(o.texts), o.prefill + o.scored + 1, 1);
        windows_.resize(std::min(o.windows, passages_.size()));
        if (windows_.size() < 2) throw std::runtime_error("less than two texts are long enough");
        Transform codec;
        if (!o.profile.empty()) {
            const auto step = kakeya::CodecOptions().step(o.at_step);
            codec = through(std::make_shared<kakeya::llama::Coder>(
                kakeya::llama::Coder::create(read_profile(o.profile), step).value()));
        }
        in_parallel(windows_.size(), contexts_.size(), [&](std::size_t i, std::size_t w) {
            windows_[i].passage = &passages_[i * passages_.size() / windows_.size()];
            read(*contexts_[w], windows_[i], o, codec);
        });
    }

    [[nodiscard]] std::vector<TensorName> names() const {
        std::vector<TensorName> list;
        each_named(windows_[0].where, [&](TensorName name, std::size_t, const auto&, const auto&) { list.push_back(name); });
        return list;
    }

    // What disturbing some tensors adds to the divergence beyond the floor, and the energy added.
    struct Effect {
        double strength, noise, excess, error;
    };
    Effect effect(const Names& which, double strength) {
        std::vector<double> excess(windows_.size()), relative(windows_.size());
        in_parallel(windows_.size(), contexts_.size(), [&](std::size_t i, std::size_t w) {
            const Disturbed changed = disturb_some(windows_[i], which, strength, o.skip);
            excess[i] = divergence(*contexts_[w], windows_[i], changed.state, o) - windows_[i].floor;
            relative[i] = changed.relative;
        });
        const Mean mean = mean_of(excess);
        return {strength, mean_of(relative).mean, mean.mean, mean.half / student(excess.size() - 1)};
    }

    // Of one tensor, at the first strength at which it is clear, or the last.
    Effect clear_effect(TensorName name) {
        double strength = o.profile.empty() ? o.noise : 1;
        for (int round = 1;; ++round, strength *= 4) {
            const Effect found = effect({name}, strength);
            if (found.excess >= o.clear * found.error || round == o.rounds) return found;
        }
    }

    [[nodiscard]] double floor() const {
        std::vector<double> floors;
        for (const Window& window : windows_) floors.push_back(window.floor);
        return mean_of(floors).mean;
    }
    [[nodiscard]] std::size_t n_windows() const { return windows_.size(); }

private:
    const Options o;
    Model model_;
    std::vector<std::unique_ptr<Context>> contexts_;
    std::vector<Passage> passages_;
    std::vector<Window> windows_;
};

// Every tensor alone, and tensors together: all, K, V, those of the first and of the last layer.
nlohmann::ordered_json measure(const Options& o) {
    Probe probe(o);
    const std::vector<TensorName> names = probe.names();
    nlohmann::ordered_json tensors = nlohmann::ordered_json::array(), together = nlohmann::ordered_json::array();
    for (std::size_t t = 0; t < names.size(); ++t) {
        const Probe::Effect e = probe.clear_effect(names[t]);
        const double s = std::max(e.excess, e.error) / e.noise;
        const char* part = names[t].second ? "v" : "k";
        tensors.push_back({{"layer", names[t].first}, {"part", part}, {"strength", e.strength}, {"noise", e.noise},
                           {"kld_excess", e.excess}, {"standard_error", e.error}, {"sensitivity", s}});
        std::fprintf(stderr, "%zu of %zu: layer %u %s, noise %.2g: excess %.5f +- %.5f, sensitivity %.4f\n", t + 1,
                     names.size(), names[t].first, part, e.noise, e.excess, e.error, s);
    }
    std::uint32_t last = 0;
    for (TensorName name : names) last = std::max(last, name.first);
    const std::pair<const char*, std::function<bool(TensorName)>> groups[] = {
        {"all", [](TensorName) { return true; }},
        {"k", [](TensorName name) { return !name.second; }},
        {"v", [](TensorName name) { return name.second; }},
        {"first layer", [](TensorName name) { return name.first == 0; }},
        {"last layer", [&](TensorName name) { return name.first == last; }},
    };
    for (const auto& [name, is_in] : groups) {
        Names some;
        std::copy_if(names.begin(), names.end(), std::inserter(some, some.end()), is_in);
        const Probe::Effect e = probe.effect(some, o.profile.empty() ? o.noise : 1);
        together.push_back({{"tensors", name}, {"kld_excess", e.excess}, {"standard_error", e.error}});
        std::fprintf(stderr, "together, %s: excess %.5f +- %.5f\n", name, e.excess, e.error);
    }
    return {{"disturbed_by", o.profile.empty() ? "noise" : "codec"}, {"windows", probe.n_windows()},
            {"floor", probe.floor()}, {"tensors", tensors}, {"together", together}};
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("How much each tensor of the cache matters to the model's predictions");
    try {
        const Options options = parse(argc, argv, app);
        std::ofstream out(options.out);
        out << measure(options).dump(1) << '\n';
        if (!out.flush()) throw std::runtime_error("cannot write " + options.out);
        return 0;
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
