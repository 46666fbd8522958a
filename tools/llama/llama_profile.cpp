// Fits a profile of a model to texts.
//
//   llama_profile MODEL.gguf TEXTS OUT.kkp [--sensitivities FILE] [--rows head|layer|layers] [--join 3]
//
// TEXTS is a folder of .txt files, of as many kinds as the model will meet: rows of several layers need broad calibration.
// The model reads windows of them; the keys and values of every window go into the statistics of their stream, and are
// forgotten. The first position is an attention sink in most models: small errors there reach every prediction, so its rows are
// stored raw unless asked otherwise. Which rotary rule the keys of a cache follow is measured, not believed. Memory: 8 * d^2 bytes for every stream of
// rows of d values. Time: minutes for small models, most of it the model's own.

#include "fingerprint.hpp"
#include "plan.hpp"
#include "queries.hpp"
#include "texts.hpp"
#include "workers.hpp"

#include <CLI/CLI.hpp>

#include <fstream>
#include <memory>

namespace {

struct Options {
    std::string model, texts, out, sensitivities, rows = "layers";
    bool queries = true;
    std::size_t stride = 8;
    std::size_t window = 1024, per_text = 3, join = 3, sinks = 1, skip = 4, workers = 2, samples = 6;
    std::uint32_t effort = 0, centres = 256;
    double key_factor = 1, range = 8;
    float step = 0.5F;
};

Options parse(int argc, char** argv, CLI::App& app) {
    Options o;
    app.add_option("model", o.model, "GGUF file")->required()->check(CLI::ExistingFile);
    app.add_option("texts", o.texts, "folder of texts to fit to")->required()->check(CLI::ExistingDirectory);
    app.add_option("out", o.out, "profile to write")->required();
    app.add_option("--sensitivities", o.sensitivities, "what llama_sensitivity wrote")->check(CLI::ExistingFile);
    app.add_option("--rows", o.rows, "what a row has: a kv-head, a layer, several layers")
        ->check(CLI::IsMember({"head", "layer", "layers"}))->capture_default_str();
    app.add_option("--join", o.join, "layers of a row")->capture_default_str();
    app.add_option("--window", o.window, "tokens of a window")->capture_default_str();
    app.add_option("--per-text", o.per_text, "windows of a text, at most")->capture_default_str();
    app.add_option("--sinks", o.sinks, "first positions whose rows are stored raw")->capture_default_str();
    app.add_option("--skip", o.skip, "first positions that are left out of the fit")->capture_default_str();
    app.add_option("--key-factor", o.key_factor, "factor on the gain of keys")->capture_default_str();
    app.add_option("--range", o.range, "largest factor by which sensitivities move a gain, either way")->capture_default_str();
    app.add_option("--effort", o.effort, "effort of the encoder: 1 is slower, and some 5 % smaller at the same error")->capture_default_str();
    app.add_option("--centres", o.centres, "K-means centres to try")->capture_default_str();
    app.add_flag("--queries,!--no-queries", o.queries, "weigh errors of keys by the queries that meet them")->capture_default_str();
    app.add_option("--stride", o.stride, "queries are taken at every so many positions")->capture_default_str();
    app.add_option("--step", o.step, "step of the profile unless one is asked for")->capture_default_str();
    app.add_option("--threads", o.workers, "threads")->capture_default_str();
    app.parse(argc, argv);
    return o;
}

// A window after the model has read it.
struct Window {
    Bytes bytes;
    kakeya::llama::State state;
    std::map<std::size_t, SeenLayer> seen;
};

// A context that reads windows, and what looks at its graph.
struct Reader {
    std::unique_ptr<Watcher> watcher;
    std::unique_ptr<Context> context;
};

// Reads `count` windows from `first` on, in parallel.
std::vector<Window> read_windows(const std::vector<Passage>& list, std::size_t first, std::size_t count,
                                 std::vector<Reader>& readers) {
    std::vector<Window> windows(count);
    in_parallel(count, readers.size(), [&](std::size_t i, std::size_t worker) {
        const Tokens& tokens = list[first + i].tokens;
        Reader& reader = readers[worker];
        reader.context->prefill(tokens.data(), tokens.size());
        windows[i].bytes = reader.context->state();
        if (reader.watcher) windows[i].seen = reader.watcher->take();
        windows[i].state = kakeya::llama::parse(windows[i].bytes).value();
    });
    return windows;
}

// The heads of a planned stream, for one of its states.
std::vector<kakeya::llama::Head> heads_of(const PlannedStream& planned, const kakeya::llama::State& state,
                                          const std::vector<Heads>& sizes) {
    std::vector<kakeya::llama::Head> heads;
    for (std::uint32_t layer : planned.key.layers) {
        const std::size_t own = kakeya::llama::locate(state, layer)->second;
        for (bool is_value : {false, true}) {
            if (planned.key.part != kakeya::Part::kv && (planned.key.part == kakeya::Part::v) != is_value) continue;
            const std::size_t dim = is_value ? sizes[planned.cache].value : sizes[planned.cache].key;
            for (std::uint32_t head : planned.key.heads) heads.push_back({own, is_value, head * dim, dim});
        }
    }
    return heads;
}

void add(kakeya::Fitter& fitter, const Window& window, const PlannedStream& planned, const std::vector<Heads>& sizes,
         std::size_t skip) {
    const kakeya::llama::Stream& stream = *rows_of_cache(window.state.caches[planned.cache]);
    std::vector<float> weights;
    for (std::int32_t position : stream.positions) {
        weights.push_back(position < static_cast<std::int32_t>(skip) ? 0.0F : 1.0F);
    }
    kakeya::Rows rows = kakeya::llama::rows_of(window.bytes, stream, heads_of(planned, window.state, sizes), 0,
                                               stream.positions.size());
    fitter.add_rows(rows.weights(weights.data())).value();
}

// Queries of a window for the keys of a planned stream. `layers` gives the model's number of a layer.
void add_queries(kakeya::Fitter& fitter, const Window& window, const PlannedStream& planned,
                 const std::vector<std::optional<std::size_t>>& layers, const std::vector<Heads>& sizes,
                 const std::vector<std::size_t>& n_heads) {
    if (planned.key.part == kakeya::Part::v) return;
    const std::size_t dim = sizes[planned.cache].key, n = planned.key.heads.size();
    const std::size_t per_layer = planned.key.part == kakeya::Part::kv ? 2 * n : n;
    for (std::size_t l = 0; l < planned.key.layers.size(); ++l) {
        const std::optional<std::size_t> layer = layers[planned.key.layers[l]];
        if (!layer) continue;
        const auto found = window.seen.find(*layer);
        if (found == window.seen.end() || found->second.queries.dim != dim) continue;
        const Seen& seen = found->second.queries;
        const std::size_t group = seen.n_head / n_heads[planned.key.layers[l]];
        const auto stride = static_cast<std::ptrdiff_t>(seen.n_head * seen.dim);
        for (std::size_t h = 0; h < n; ++h) {
            for (std::size_t g = 0; g < group; ++g) {
                const kakeya::View view(seen.row(0, planned.key.heads[h] * group + g), stride);
                fitter.add_queries(l * per_layer + h, view, seen.positions.size(), seen.positions.data()).value();
            }
        }
    }
}

// The rule that makes the keys of the cache's middle layer cheapest.
RopeRule choose_rule(const Model& model, std::size_t cache, std::uint32_t layer, const std::vector<Window>& windows,
                     const std::vector<Heads>& sizes, const TensorGains& gains, std::size_t skip) {
    RopeRule best;
    double least = std::numeric_limits<double>::infinity();
    for (const RopeRule& rule : rope_rules(model, cache > 0)) {
        const kakeya::llama::Stream& stream = *rows_of_cache(windows[0].state.caches[cache]);
        const std::size_t own = kakeya::llama::locate(windows[0].state, layer)->second;
        std::vector<std::uint32_t> all(std::min(stream.keys[own].width, kMaxDim) / sizes[cache].key);
        std::iota(all.begin(), all.end(), 0U);
        const PlannedStream keys{cache, {{layer}, all, kakeya::Part::k}};
        std::vector<RopeRule> rules(cache + 1, rule);
        const kakeya::Params params = kakeya::Params().preset(kakeya::Preset::rdo).step(0.5F);
        auto fitter = kakeya::Fitter::create(params, layout_of(keys, sizes, rules, gains)).value();
        for (const Window& window : windows) add(fitter, window, keys, sizes, skip);
        const double bpv = fitter.finish().value().report.predicted_bpv;
        std::fprintf(stderr, "cache %zu, keys of layer %u, RoPE %s: %.3f bits per value\n", cache, layer,
                     rule.name.c_str(), bpv);
        if (bpv < least) least = bpv, best = rule;
    }
    return best;
}

kakeya::Profile fit(const Options& o) {
    const Model model(o.model);
    ContextOptions like;
    like.n_ctx = o.window;
    like.n_outputs = 1;
    like.threads = 1;
    std::vector<Reader> readers(o.workers);
    for (Reader& reader : readers) {
        if (o.queries) {
            reader.watcher = std::make_unique<Watcher>(o.stride);
            like.observer = &Watcher::callback;
            like.observer_data = reader.watcher.get();
        }
        reader.context = std::make_unique<Context>(model, like);
    }
    const std::vector<Passage> list = passages(model, read_texts(o.texts), o.window, o.per_text);
    if (list.empty()) throw std::runtime_error("no text is as long as a window");
    std::fprintf(stderr, "%zu windows of %zu tokens\n", list.size(), o.window);

    // Deviations and rules from a few windows spread over the texts.
    std::vector<Passage> few;
    const std::size_t n_few = std::min(o.samples, list.size());
    for (std::size_t i = 0; i < n_few; ++i) few.push_back(list[i * list.size() / n_few]);
    const std::vector<Window> sample = read_windows(few, 0, few.size(), readers);
    Spread spread;
    for (const Window& window : sample) spread.add(window.bytes, window.state, static_cast<std::int32_t>(o.skip));
    std::optional<Sensitivities> sensitivities;
    if (!o.sensitivities.empty()) sensitivities = Sensitivities::read(o.sensitivities);
    const TensorGains gains(spread, sensitivities, o.key_factor, o.range);

    std::vector<Heads> sizes;
    std::vector<RopeRule> rules;
    std::uint32_t first_layer = 0;
    for (std::size_t c = 0; c < sample[0].state.caches.size(); ++c) {
        sizes.push_back(heads(model, c > 0));
        const auto layers = static_cast<std::uint32_t>(rows_of_cache(sample[0].state.caches[c])->keys.size());
        rules.push_back(choose_rule(model, c, first_layer + layers / 2, sample, sizes, gains, o.skip));
        first_layer += layers;
    }

    const std::vector<PlannedStream> streams =
        plan(sample[0].state, sizes, o.rows == "head", o.rows == "layers" ? o.join : 1);
    const kakeya::Params params =
        kakeya::Params().preset(kakeya::Preset::rdo).step(o.step).effort(o.effort).kmeans(o.centres)
            .max_protected(o.sinks).nan_policy(kakeya::NanPolicy::raw);
    std::vector<kakeya::Fitter> fitters;
    for (const PlannedStream& stream : streams) {
        fitters.push_back(kakeya::Fitter::create(params, layout_of(stream, sizes, rules, gains)).value());
    }
    const std::vector<std::optional<std::size_t>> layers = layers_of_model(sample[0].bytes, sample[0].state, sample[0].seen);
    std::vector<std::size_t> n_heads;
    each_named(sample[0].state, [&](TensorName name, std::size_t c, const kakeya::llama::Stream&, const auto& tensor) {
        if (!name.second) n_heads.push_back(tensor.width / sizes[c].key);
    });
    if (o.queries && std::none_of(layers.begin(), layers.end(), [](const auto& layer) { return layer.has_value(); })) {
        throw std::runtime_error("llama.cpp does not show the queries of this model; --no-queries does without them");
    }
    const std::size_t at_once = 2 * o.workers;
    for (std::size_t first = 0; first < list.size(); first += at_once) {
        const std::vector<Window> windows = read_windows(list, first, std::min(at_once, list.size() - first), readers);
        in_parallel(streams.size(), o.workers, [&](std::size_t s, std::size_t) {
            for (const Window& window : windows) {
                add(fitters[s], window, streams[s], sizes, o.skip);
                if (o.queries) add_queries(fitters[s], window, streams[s], layers, sizes, n_heads);
            }
        });
        std::fprintf(stderr, "read %zu of %zu windows (%s)\n", first + windows.size(), list.size(),
                     list[first].name.c_str());
    }

    std::vector<std::optional<kakeya::Fit>> fits(streams.size());
    in_parallel(streams.size(), o.workers, [&](std::size_t s, std::size_t) {
        fits[s] = fitters[s].finish().value();
        std::fprintf(stderr, "fitted stream %zu of %zu: %.3f bits per value at step %g\n", s + 1, streams.size(),
                     fits[s]->report.predicted_bpv, static_cast<double>(o.step));
    });
    auto builder = kakeya::ProfileBuilder::create().value();
    for (std::size_t s = 0; s < streams.size(); ++s) {
        builder.add(streams[s].key, layout_of(streams[s], sizes, rules, gains), &fits[s]->skeleton, params).value();
    }
    kakeya::Policy policy;
    policy.n_sinks = static_cast<std::uint32_t>(o.sinks);
    builder.set_policy(policy).value();
    builder.set_step(o.step).value();
    builder.set_model(fingerprint_of_file(o.model)).value();
    return builder.finish().value();
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Fits a profile of a model to texts");
    try {
        const Options options = parse(argc, argv, app);
        const kakeya::Profile profile = fit(options);
        const std::vector<std::byte> bytes = profile.save().value();
        write_file(options.out, bytes);
        std::printf("%s: %zu streams, %zu bytes\n", options.out.c_str(), profile.n_streams().value(), bytes.size());
        return 0;
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
