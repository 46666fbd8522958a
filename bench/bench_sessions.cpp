// Restores a session of llama.cpp from its compressed form, against reading the same tokens again. Writes JSON lines.
//
//   bench_sessions MODEL.gguf TEXT NAME --profile head=HEAD.kkp --profile layer=LAYER.kkp ... [--json FILE]

#include "output.hpp"
#include "timing.hpp"
#include "engine.hpp"
#include "workers.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <exception>
#include <iterator>
#include <memory>

namespace {

constexpr std::size_t kTokens = 1024;

struct OnThreads {
    std::size_t threads;
    template <class Work>
    void operator()(std::size_t n, const Work& work) const {
        in_parallel(n, std::min(threads, n), [&](std::size_t i, std::size_t) { work(i); });
    }
};

// A profile and a session that was compressed with it.
struct Layout {
    std::string rows;
    kakeya::Profile profile;
    Bytes session;
    // To load the profile, once.
    double open_seconds;
};

struct Options {
    std::string model, text, name, json;
    std::vector<std::string> profiles;
    std::size_t threads = 2;
    float step = 0;
    Effort effort{5, 0};
};

void measure(const Options& o) {
    const Model model(o.model);
    const Bytes bytes = read_file(o.text);
    Tokens tokens = model.tokenize(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    if (tokens.size() < kTokens) throw std::runtime_error("the text is too short");
    tokens.resize(kTokens);
    ContextOptions options;
    options.n_ctx = kTokens + 256;
    options.n_outputs = 1;
    options.threads = static_cast<int>(o.threads);
    Context context(model, options);
    context.prefill(tokens.data(), tokens.size());
    const Bytes state = context.state();

    const OnThreads threads{o.threads};
    kakeya::CodecOptions wish;
    if (o.step > 0) wish.step(o.step);
    std::vector<Layout> layouts;
    for (const std::string& named : o.profiles) {
        const std::size_t equals = named.find('=');
        if (equals == std::string::npos) throw std::runtime_error("a profile is ROWS=FILE");
        const Bytes saved = read_file(named.substr(equals + 1));
        const auto start = std::chrono::steady_clock::now();
        kakeya::Profile profile = kakeya::Profile::load(saved).value();
        const std::chrono::duration<double> opening = std::chrono::steady_clock::now() - start;
        Bytes session = kakeya::llama::compress(state, profile, wish, threads).value();
        layouts.push_back({named.substr(0, equals), std::move(profile), std::move(session), opening.count()});
    }

    // Everything in turn, on the same cores. What hashes cost is in the times of restoring, and shown on its own.
    Race race;
    std::vector<std::size_t> restores, compressions;
    const std::size_t prefill = race.add([&] {
        context.prefill(tokens.data(), tokens.size());
        llama_synchronize(context.raw());
    });
    const std::size_t load = race.add([&] { context.restore(state); });
    const std::size_t hash = race.add([&] { [[maybe_unused]] const auto made = kakeya::hash(state).value(); });
    for (const Layout& layout : layouts) {
        restores.push_back(race.add([&] {
            [[maybe_unused]] const Bytes made = kakeya::llama::restore(layout.session, layout.profile, threads).value();
        }));
        compressions.push_back(race.add([&] {
            [[maybe_unused]] const Bytes made = kakeya::llama::compress(state, layout.profile, wish, threads).value();
        }));
    }
    race.run(o.effort);

    Output out(o.json);
    const double disk = static_cast<double>(state.size()) / 1e9;
    for (std::size_t i = 0; i < layouts.size(); ++i) {
        const kakeya::llama::SessionInfo info = kakeya::llama::inspect(layouts[i].session).value();
        const double restore = race.seconds(restores[i]);
        out.line({{"suite", "sessions"}, {"name", o.name}, {"rows", layouts[i].rows}, {"op", "restore"}, {"n", kTokens},
                  {"threads", o.threads}, {"step", rounded(static_cast<double>(info.step))},
                  {"bpv", rounded(8 * static_cast<double>(info.block_bytes) / static_cast<double>(info.values))},
                  {"state_bytes", state.size()}, {"session_bytes", layouts[i].session.size()},
                  {"seconds", rounded(restore)}, {"values_per_s", rounded(static_cast<double>(info.values) / restore)},
                  {"compress_seconds", rounded(race.seconds(compressions[i]))}, {"prefill_seconds", rounded(race.seconds(prefill))},
                  {"open_seconds", rounded(layouts[i].open_seconds)}, {"load_seconds", rounded(race.seconds(load))}, {"hash_seconds", rounded(race.seconds(hash))},
                  {"disk_seconds", rounded(disk)}, {"ratio_to_prefill", rounded(race.speed_over(restores[i], prefill))},
                  {"ratio_to_disk", rounded(disk / restore)}});
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Restores sessions of llama.cpp against reading their tokens again");
    Options o;
    app.add_option("model", o.model, "GGUF file")->required()->check(CLI::ExistingFile);
    app.add_option("text", o.text, "a text of at least 1,024 tokens")->required()->check(CLI::ExistingFile);
    app.add_option("name", o.name, "name of the model in the results")->required();
    app.add_option("--profile", o.profiles, "ROWS=FILE: what rows are, and a profile of them")->required();
    app.add_option("--threads", o.threads, "threads")->capture_default_str();
    app.add_option("--step", o.step, "step of the model; without it, that of the profiles");
    app.add_option("--rounds", o.effort.rounds, "turns that everything has")->capture_default_str();
    app.add_option("--json", o.json, "file to write");
    CLI11_PARSE(app, argc, argv);
    try {
        measure(o);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_sessions: %s\n", error.what());
        return 1;
    }
}
