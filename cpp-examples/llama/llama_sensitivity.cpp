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
#include "../workers.hpp"

#include <CLI/CLI.hpp>

#include <fstream>
#include <memory>

namespace {

struct Options {
    std::string model, texts, out, profile;
    std::size_t prefill = 1024, scored = 128, windows = 8, skip = 4, threads = 2;
    int rounds = 3;
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

// What is done to one tensor: a state, and the energy that was added, relative to the variance of the tensor.
struct Disturbed {
    Bytes state;
    double relative = 0;
};

// Noise in one tensor, but for its first positions: `strength` times its variance, or as many times the error of the codec in energy.
Disturbed disturb_one(const Window& window, TensorName which, double strength, std::size_t skip) {
    Disturbed made{window.state, 0};
    each_named(window.where, [&](TensorName name, std::size_t, const kakeya::llama::Stream& stream,
                                 const kakeya::llama::Tensor& tensor) {
        if (name != which) return;
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
        for (std::size_t i = 0; i < places.size(); ++i) {
            rows[places[i]] += errors[i];
            made.relative += static_cast<double>(errors[i]) * static_cast<double>(errors[i]);
        }
        made.relative /= variance * static_cast<double>(some.size());
        store(rows, made.state, tensor);
    });
    return made;
}

nlohmann::ordered_json measure(const Options& o) {
    const Model model(o.model);
    ContextOptions like;
    like.n_ctx = o.prefill + o.scored;
    like.n_outputs = o.scored;
    like.threads = 1;
    std::vector<std::unique_ptr<Context>> contexts;
    for (std::size_t w = 0; w < o.threads; ++w) contexts.push_back(std::make_unique<Context>(model, like));
    const std::vector<Passage> all = passages(model, read_texts(o.texts), o.prefill + o.scored + 1, 1);
    std::vector<Window> windows(std::min(o.windows, all.size()));
    if (windows.size() < 2) throw std::runtime_error("less than two texts are long enough");
    Transform codec;
    if (!o.profile.empty()) {
        const auto options = kakeya::CodecOptions().step(o.at_step);
        const auto profile = read_profile(o.profile);
        codec = through(std::make_shared<kakeya::llama::Coder>(kakeya::llama::Coder::create(profile, options).value()));
    }
    in_parallel(windows.size(), contexts.size(), [&](std::size_t i, std::size_t w) {
        windows[i].passage = &all[i * all.size() / windows.size()];
        read(*contexts[w], windows[i], o, codec);
    });

    std::vector<TensorName> names;
    each_named(windows[0].where,
               [&](TensorName name, std::size_t, const auto&, const auto&) { names.push_back(name); });
    nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
    std::vector<double> floors;
    for (const Window& window : windows) floors.push_back(window.floor);
    for (std::size_t t = 0; t < names.size(); ++t) {
        double strength = codec ? 1 : o.noise;
        for (int round = 1;; ++round, strength *= 4) {
            std::vector<double> excess(windows.size()), relative(windows.size());
            in_parallel(windows.size(), contexts.size(), [&](std::size_t i, std::size_t w) {
                const Disturbed changed = disturb_one(windows[i], names[t], strength, o.skip);
                excess[i] = divergence(*contexts[w], windows[i], changed.state, o) - windows[i].floor;
                relative[i] = changed.relative;
            });
            const double noise = mean_of(relative).mean;
            const Mean mean = mean_of(excess);
            const double error = mean.half / student(excess.size() - 1);
            if (mean.mean < o.clear * error && round < o.rounds) continue;
            const double s = std::max(mean.mean, error) / noise;
            const char* part = names[t].second ? "v" : "k";
            tensors.push_back({{"layer", names[t].first}, {"part", part}, {"noise", noise}, {"kld_excess", mean.mean},
                               {"standard_error", error}, {"sensitivity", s}});
            std::fprintf(stderr, "%zu of %zu: layer %u %s, noise %.2g: excess %.5f +- %.5f, sensitivity %.4f\n", t + 1,
                         names.size(), names[t].first, part, noise, mean.mean, error, s);
            break;
        }
    }
    return {{"windows", windows.size()}, {"floor", mean_of(floors).mean}, {"tensors", tensors}};
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
