// Session files of llama.cpp, smaller and back. Needs neither llama.cpp nor the model, only the profile that llama_profile
// fitted to the model.
//
//   llama_session compress SESSION MODEL.kkp OUT.kkl [--step 0.5 | --bits 2 | --quality NAME | --kld 0.01 | --bpv 1.2]
//   llama_session restore  OUT.kkl MODEL.kkp SESSION
//   llama_session inspect  FILE, a session or a profile
//   llama_session verify   OUT.kkl MODEL.kkp
//
// SESSION is what llama_state_seq_save_file writes, and llama-server with --slot-save-path, or the bytes of
// llama_state_seq_get_data. Files are written whole or not at all, and nothing that is read is changed.

#define KAKEYA_CPP_EXCEPTIONS
#include "files.hpp"
#include "fingerprint.hpp"
#include "numbers.hpp"
#include "workers.hpp"

#include <kakeyaturbo/llama.hpp>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <map>

namespace {

namespace llama = kakeya::llama;

struct Options {
    std::string in, profile, out, model, quality;
    float step = 0, bits = 0;
    double kld = 0, bpv = 0;
    std::size_t max_bytes = 0, threads = 2;
};

// Runs the blocks of a session on threads.
struct OnThreads {
    std::size_t threads;
    template <class Work>
    void operator()(std::size_t n, const Work& work) const {
        in_parallel(n, std::min(threads, n), [&](std::size_t i, std::size_t) { work(i); });
    }
};

std::string hex(const kakeya::Fingerprint& print) {
    std::string text;
    char byte[3];
    for (std::uint8_t value : print) std::snprintf(byte, sizeof byte, "%02x", value), text += byte;
    return text;
}

// Fails with the name of the file in front of what the library says.
template <class T>
T of_file(const std::string& name, kakeya::Result<T> result) {
    if (!result) throw std::runtime_error(name + ": " + result.status().text());
    return std::move(result).value();
}

kakeya::Profile profile_of(const Options& o) {
    kakeya::Profile profile = read_profile(o.profile);
    if (!o.model.empty() && fingerprint_of_file(o.model) != profile.model().value()) {
        throw std::runtime_error(o.profile + " is not a profile of " + o.model);
    }
    return profile;
}

void refuse_same(const Options& o) {
    std::error_code error;
    if (std::filesystem::equivalent(o.in, o.out, error)) throw std::runtime_error("input and output are the same file");
}

// The entry of the profile's table of qualities that is smallest without more than a divergence, or closest without more than a size.
std::string quality_for(const Options& o, const kakeya::Profile& profile) {
    const std::vector<kakeya::Quality> table = profile.qualities().value();
    if (table.empty()) throw std::runtime_error(o.profile + " has no table of qualities: llama_quality --into writes one");
    const kakeya::Quality* best = nullptr;
    for (const kakeya::Quality& entry : table) {
        if (o.kld > 0 ? entry.mean_kld > o.kld : entry.bpv > o.bpv) continue;
        const bool better = best != nullptr && (o.kld > 0 ? entry.bpv < best->bpv : entry.mean_kld < best->mean_kld);
        if (best == nullptr || better) best = &entry;
    }
    if (best == nullptr) throw std::runtime_error("the profile's table of qualities has nothing like that");
    std::printf("quality %s: step %g, KLD %.4f nats, %.3f bits per value\n", best->name.c_str(), static_cast<double>(best->step),
                best->mean_kld, best->bpv);
    return best->name;
}

void compress(const Options& o) {
    refuse_same(o);
    const kakeya::Profile profile = profile_of(o);
    kakeya::CodecOptions options;
    if (o.step > 0) options.step(o.step);
    if (o.bits > 0) options.bits(o.bits);
    if (o.max_bytes > 0) options.max_bytes(o.max_bytes);
    if (!o.quality.empty()) options.quality(o.quality);
    if (o.kld > 0 || o.bpv > 0) options.quality(quality_for(o, profile));
    const Bytes state = read_file(o.in);
    const Stopwatch time;
    const Bytes session = of_file(o.in, llama::compress(state, profile, options, OnThreads{o.threads}));
    const double seconds = time.seconds();
    write_file(o.out, session);
    const llama::SessionInfo info = llama::inspect(session).value();
    std::printf("%s: %zu bytes of %zu, %.1f times smaller, %.3f bits per value, %.2f s\n", o.out.c_str(), session.size(),
                state.size(), static_cast<double>(state.size()) / static_cast<double>(session.size()),
                8 * static_cast<double>(info.block_bytes) / static_cast<double>(std::max<std::size_t>(info.values, 1)), seconds);
}

void restore(const Options& o) {
    refuse_same(o);
    const kakeya::Profile profile = profile_of(o);
    const Bytes session = read_file(o.in);
    const Stopwatch time;
    const Bytes state = of_file(o.in, llama::restore(session, profile, OnThreads{o.threads}));
    const double seconds = time.seconds();
    write_file(o.out, state);
    std::printf("%s: %zu bytes, %.2f s\n", o.out.c_str(), state.size(), seconds);
}

void inspect_state(const std::string& name, const Bytes& bytes) {
    const llama::State state = of_file(name, llama::parse(bytes));
    std::printf("%s: %s of llama.cpp, not compressed\n", name.c_str(), state.is_file ? "a session file" : "a sequence state");
    if (state.is_file) std::printf("tokens      %zu\n", state.n_tokens);
    for (std::size_t c = 0; c < state.caches.size(); ++c) {
        for (const llama::Stream& stream : state.caches[c].streams) {
            if (stream.keys.empty()) continue;
            const llama::Tensor& key = stream.keys.front();
            std::printf("cache %zu     %zu rows, K of %zu layers and V of %zu; K of the first: %zu values a row, ggml type %d\n", c,
                        stream.positions.size(), stream.keys.size(), stream.values.size(), key.width, key.type);
        }
    }
    std::printf("bytes       %zu, of which %zu belong to no cache\n", state.bytes, state.bytes - state.tail);
}

void inspect_profile(const std::string& name, const kakeya::Profile& profile) {
    std::printf("%s: a profile of %zu streams, step %g\n", name.c_str(), profile.n_streams().value(),
                static_cast<double>(profile.default_step().value()));
    for (const kakeya::Quality& entry : profile.qualities().value()) {
        std::printf("quality     %-8s step %g, KLD %.4f nats, %.3f bits per value\n", entry.name.c_str(),
                    static_cast<double>(entry.step), entry.mean_kld, entry.bpv);
    }
    std::printf("profile     %s\nmodel       %s\n", hex(profile.fingerprint().value()).c_str(), hex(profile.model().value()).c_str());
}

void inspect(const Options& o) {
    const Bytes bytes = read_file(o.in);
    if (const auto profile = kakeya::Profile::load(bytes)) return inspect_profile(o.in, profile.value());
    const auto session = llama::inspect(bytes);
    if (!session && session.status().code() == KAKEYA_ERR_UNSUPPORTED) return inspect_state(o.in, bytes);
    const llama::SessionInfo info = of_file(o.in, session);
    std::printf("%s: a compressed session, whole\n", o.in.c_str());
    std::printf("bytes       %zu for %zu, %.1f times smaller\n", info.session_bytes, info.state_bytes,
                static_cast<double>(info.state_bytes) / static_cast<double>(info.session_bytes));
    if (info.step > 0) std::printf("step        %g\n", static_cast<double>(info.step));
    if (info.bits > 0) std::printf("bits        %g\n", static_cast<double>(info.bits));
    if (info.max_bytes > 0) std::printf("max bytes   %zu a block\n", info.max_bytes);
    std::printf("blocks      %zu, %zu bytes, %zu values, %.3f bits per value, largest relative error %.4f\n", info.n_blocks,
                info.block_bytes, info.values,
                8 * static_cast<double>(info.block_bytes) / static_cast<double>(std::max<std::size_t>(info.values, 1)), info.certified_error);
    std::printf("profile     %s\nmodel       %s\nrestores    %s\n", hex(info.profile).c_str(), hex(info.model).c_str(),
                hex(info.restored).c_str());
}

void verify(const Options& o) {
    const Bytes state = of_file(o.in, llama::restore(read_file(o.in), profile_of(o), OnThreads{o.threads}));
    std::printf("%s: whole, restores %zu bytes\n", o.in.c_str(), state.size());
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Session files of llama.cpp, smaller and back");
    app.require_subcommand(1);
    Options o;
    std::map<std::string, void (*)(const Options&)> commands;
    const auto command = [&](const char* name, const char* text, void (*run)(const Options&)) {
        commands[name] = run;
        CLI::App* sub = app.add_subcommand(name, text);
        sub->add_option("file", o.in, run == inspect ? "session or profile" : "session")->required()->check(CLI::ExistingFile);
        if (run != inspect) {
            sub->add_option("profile", o.profile, "profile that llama_profile wrote")->required()->check(CLI::ExistingFile);
            sub->add_option("--model", o.model, "GGUF file that the profile must be of")->check(CLI::ExistingFile);
            sub->add_option("--threads", o.threads, "threads")->capture_default_str()->check(CLI::Range(1, 1024));
        }
        if (run == compress || run == restore) sub->add_option("out", o.out, "file to write")->required();
        return sub;
    };
    CLI::App* writer = command("compress", "Write a smaller session", compress);
    auto* rates = writer->add_option_group("rate", "one of them; without, the step of the profile")->require_option(0, 1);
    rates->add_option("--step", o.step, "step of the model")->check(CLI::PositiveNumber);
    rates->add_option("--bits", o.bits, "fixed rate, bits per value on average")->check(CLI::PositiveNumber);
    rates->add_option("--quality", o.quality, "an entry of the profile's table of qualities");
    rates->add_option("--kld", o.kld, "largest mean divergence in nats, by that table")->check(CLI::PositiveNumber);
    rates->add_option("--bpv", o.bpv, "most bits per value, by that table")->check(CLI::PositiveNumber);
    writer->add_option("--max-bytes", o.max_bytes, "largest size of a block")->check(CLI::PositiveNumber);
    command("restore", "Write the session that was compressed", restore);
    command("inspect", "Say what a session or profile is, and whether it is whole", inspect);
    command("verify", "Check that a session is whole and that a profile restores it", verify);
    try {
        app.parse(argc, argv);
        commands.at(app.get_subcommands().front()->get_name())(o);
        return 0;
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "llama_session: %s\n", error.what());
        return 1;
    }
}
