// What a compressed cache does to a model's predictions.
//
//   llama_quality MODEL.gguf TEXTS [--profile FILE.kkp --steps 0.5 0.7] [--json FILE] [--into FILE.kkp]
//   llama_quality MODEL.gguf TEXTS --profile FILE.kkp --efforts 0 1 --policies
//
// TEXTS is a folder with a folder of .txt files per domain. For each passage: read 1,024 tokens, take the state, change its K
// and V as a codec would, put it back, let the model predict the next 256 tokens, and compare its distributions with those after
// the untouched state. Beside them llama.cpp's own quantised types, applied to the state and as a live cache, an identity
// control (which must change nothing at all) and a noise control, the least that any change does.
//
// Prints a table for the texts that are like those of the profile ("in"), one for those that are not ("off", the domains
// given with --off), and one per domain, with 95 % intervals. Writes a line of JSON per passage and setting as they come, and in
// the end per line of the tables. Of one profile, writes a copy that knows what was measured of it at each step, on the texts that
// are like its own. Exits with 1 if the identity control is not exactly 0.

#include "fingerprint.hpp"
#include "results.hpp"
#include "streams.hpp"
#include "texts.hpp"
#include "transforms.hpp"
#include "variants.hpp"
#include "workers.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>

namespace {

struct Options {
    std::string model, texts, json, into, name = "model";
    std::vector<std::string> profiles, off;
    std::vector<float> steps = {0.3F, 0.5F, 0.7F, 0.9F}, bits, sessions;
    std::size_t prefill = 1024, scored = 256, per_text = 1, per_domain = 0, threads = 2;
    std::vector<std::uint32_t> efforts = {0};
    bool live = true, baselines = false, policies = false;
    std::vector<double> noise = {1e-6};
    std::vector<int> turbo = {4, 3, 2};
};

Options parse(int argc, char** argv, CLI::App& app) {
    Options o;
    app.add_option("model", o.model, "GGUF file")->required()->check(CLI::ExistingFile);
    app.add_option("texts", o.texts, "folder of texts to score")->required()->check(CLI::ExistingDirectory);
    app.add_option("--name", o.name, "name of the model in the results");
    app.add_option("--json", o.json, "file to which results are appended, one JSON object a line");
    app.add_option("--profile", o.profiles, "profiles to judge")->check(CLI::ExistingFile);
    app.add_option("--into", o.into, "file for the one profile with a table of its qualities; may be the profile itself");
    app.add_option("--off", o.off, "domains whose kind of text no profile was fitted to");
    app.add_option("--steps", o.steps, "steps to judge the profiles at")->capture_default_str();
    app.add_option("--efforts", o.efforts, "efforts of the encoder to judge the profiles at")->capture_default_str();
    app.add_flag("--policies", o.policies, "at each step also with the boundary layers raw, and with fixed bits by stream");
    app.add_option("--bits", o.bits, "fixed rates to judge the profiles at");
    app.add_option("--sessions", o.sessions, "steps to judge whole sessions at, as llama_session writes them");
    app.add_option("--prefill", o.prefill, "tokens that are compressed")->capture_default_str();
    app.add_option("--scored", o.scored, "tokens that are predicted")->capture_default_str();
    app.add_option("--per-text", o.per_text, "passages of one text, at most")->capture_default_str();
    app.add_option("--per-domain", o.per_domain, "passages of one domain, at most; 0 = no limit")->capture_default_str();
    app.add_option("--turbo", o.turbo, "bits of turbo")->capture_default_str();
    app.add_flag("--live,!--no-live", o.live, "llama.cpp's own types as a live cache");
    app.add_flag("--baselines", o.baselines, "more live caches: of other types, and without flash attention");
    app.add_option("--noise", o.noise, "variances of noise in all tensors, relative to theirs; the first is the floor")->capture_default_str();
    app.add_option("--threads", o.threads, "passages at a time, one thread each")->capture_default_str();
    app.parse(argc, argv);
    if (!o.into.empty() && o.profiles.size() != 1) throw CLI::ValidationError("--into", "takes one --profile");
    return o;
}

struct OnState {
    std::size_t setting;
    Transform transform;
    // Whether its bytes are what a codec would store.
    bool stores;
};

struct Live {
    std::size_t setting;
    ContextOptions options;
};

// What one thread has: the f16 context and one for each live cache.
struct Worker {
    std::unique_ptr<Context> context;
    std::vector<std::unique_ptr<Context>> live;
};

std::string number(float x) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", static_cast<double>(x));
    return text;
}

// `sample` is a state by which bits are given out.
void add_profile(const std::string& file, const Options& o, const kakeya::Fingerprint& model, const Bytes& sample,
                 Results& results, std::vector<OnState>& list) {
    auto shared = std::make_shared<const kakeya::Profile>(read_profile(file));
    const kakeya::Profile& profile = *shared;
    if (profile.model().value() != model) throw std::runtime_error(file + " is the profile of another model");
    const std::string rows = rows_name(profile);
    const auto add = [&](const std::string& setting, const kakeya::Profile& variant, const kakeya::CodecOptions& options) {
        auto coder = std::make_shared<kakeya::llama::Coder>(kakeya::llama::Coder::create(variant, options).value());
        list.push_back({results.add({"rdo", setting, rows, "state"}), through(coder), true});
        return coder;
    };
    for (std::uint32_t effort : o.efforts) {
        const kakeya::Profile variant = with_effort(profile, effort);
        const std::string suffix = effort == 0 ? "" : ",effort=" + std::to_string(effort);
        for (float step : o.steps) add("step=" + number(step) + suffix, variant, kakeya::CodecOptions().step(step));
    }
    for (float bits : o.bits) add("bits=" + number(bits), profile, kakeya::CodecOptions().bits(bits));
    if (o.policies) {
        const kakeya::Profile boundary = with_raw_boundary(profile);
        const kakeya::llama::State state = kakeya::llama::parse(sample).value();
        for (float step : o.steps) {
            add("step=" + number(step) + ",boundary=raw", boundary, kakeya::CodecOptions().step(step));
            const auto natural = kakeya::llama::Coder::create(profile, kakeya::CodecOptions().step(step)).value();
            add("bits by stream,step=" + number(step), with_bits_by_stream(profile, natural, sample, state), {});
        }
    }
    for (float step : o.sessions) {
        const Setting setting{"session", "step=" + number(step), rows, "state"};
        list.push_back({results.add(setting), through_session(shared, kakeya::CodecOptions().step(step)), true});
    }
}

std::vector<OnState> on_state(const Options& o, const std::vector<Heads>& heads, Results& results) {
    std::vector<OnState> list;
    const auto add = [&](Setting setting, bool stores, Transform transform) {
        list.push_back({results.add(std::move(setting)), std::move(transform), stores});
    };
    add({"identity", "", "", "state"}, false, add_noise(0, 0));
    for (double variance : o.noise) {
        add({"noise", "variance=" + number(static_cast<float>(variance)), "", "state"}, false, add_noise(variance, 1));
        if (list.size() == 2) results.floor(list.back().setting);
    }
    add({"q8_0", "", "", "state"}, true, quantise(GGML_TYPE_Q8_0, false, heads));
    add({"q4_0", "", "", "state"}, true, quantise(GGML_TYPE_Q4_0, false, heads));
    add({"q4_0_rot", "", "", "state"}, true, quantise(GGML_TYPE_Q4_0, true, heads));
    for (int bits : o.turbo) {
        add({"turbo", "bits=" + std::to_string(bits), "head", "state"}, true, turbo(bits, heads));
    }
    return list;
}

// One passage through every setting.
void run(std::size_t index, const Passage& passage, const Options& o, Worker& worker, const std::vector<OnState>& codecs,
         const std::vector<Live>& caches, Results& results) {
    const llama_token* scored = passage.tokens.data() + o.prefill;
    worker.context->prefill(passage.tokens.data(), o.prefill);
    const Bytes state = worker.context->state();
    const kakeya::llama::State where = kakeya::llama::parse(state).value();
    if (where.tail != state.size()) throw std::runtime_error("the state has parts that are no key-value cache");
    const auto values = static_cast<double>(where.values());

    worker.context->restore(state);
    const float* logits = worker.context->logits(scored, o.scored, o.prefill);
    const Predictions reference = predictions(logits, o.scored, worker.context->n_vocab(), 1);
    const Comparison same = compare(reference, logits, scored + 1, 1);

    for (const OnState& codec : codecs) {
        Bytes changed = state;
        const double bytes = codec.transform(changed, where);
        worker.context->restore(changed);
        const Comparison comparison =
            compare(reference, worker.context->logits(scored, o.scored, o.prefill), scored + 1, 1);
        const double bpv = codec.stores ? 8 * bytes / values : std::nan("");
        results.put(codec.setting, index, result_of(passage.domain, passage.name, bpv, comparison, same));
    }
    for (std::size_t t = 0; t < caches.size(); ++t) {
        Context& cache = *worker.live[t];
        cache.prefill(passage.tokens.data(), o.prefill);
        const Bytes own = cache.state();
        double bytes = 0;
        kakeya::llama::parse(own).value().each_tensor(
            [&](std::size_t, std::size_t, bool, std::size_t, const kakeya::llama::Tensor& tensor) {
                bytes += static_cast<double>(tensor.bytes);
            });
        const Comparison comparison = compare(reference, cache.logits(scored, o.scored, o.prefill), scored + 1, 1);
        results.put(caches[t].setting, index, result_of(passage.domain, passage.name, 8 * bytes / values, comparison, same));
    }
}

// Tables on the standard output, their lines to `json`; whether the identity control is exactly 0.
bool report(const Results& results, const Options& o, std::ofstream& json) {
    std::map<std::string, Group> groups;
    for (const Result& result : results.of(0)) {
        const bool off = std::find(o.off.begin(), o.off.end(), result.domain) != o.off.end();
        for (const std::string& name : {std::string(off ? "off" : "in"), result.domain}) {
            groups[name].name = name;
            groups[name].domains.insert(result.domain);
        }
    }
    for (const auto& [name, group] : groups) {
        results.print_table(group);
        for (std::size_t s = 0; s < results.size() && json.is_open(); ++s) json << results.summary(s, group) << '\n';
    }
    bool exact = true;
    for (const Result& result : results.of(0)) exact = exact && result.mean_kld == 0;
    if (!exact) std::fprintf(stderr, "the identity control is not 0\n");
    return exact && (!json.is_open() || json.flush().good());
}

// The profile with a table of qualities: step, divergence and size on the texts that are like its own.
void write_qualities(const Results& results, const Options& o) {
    Group group{"in", {}};
    for (const Result& result : results.of(0)) {
        if (std::find(o.off.begin(), o.off.end(), result.domain) == o.off.end()) group.domains.insert(result.domain);
    }
    if (group.domains.empty()) throw std::runtime_error("no text is like those of the profile");
    std::vector<float> steps = o.steps;
    std::sort(steps.begin(), steps.end());
    std::vector<kakeya::Quality> table;
    for (float step : steps) {
        const auto setting = results.find("rdo", "step=" + number(step));
        if (!setting) throw std::runtime_error("nothing was measured at step " + number(step));
        const nlohmann::ordered_json json = results.summary(*setting, group);
        table.push_back({number(step), step, json.at("kld"), json.at("bpv")});
    }
    auto builder = kakeya::ProfileBuilder::from(read_profile(o.profiles[0])).value();
    builder.set_qualities(table).value();
    write_file(o.into, builder.finish().value().save().value());
}

std::vector<Passage> first_of_domains(std::vector<Passage> all, std::size_t per_domain) {
    std::map<std::string, std::size_t> seen;
    std::vector<Passage> list;
    for (Passage& passage : all) {
        if (per_domain == 0 || seen[passage.domain]++ < per_domain) list.push_back(std::move(passage));
    }
    if (list.empty()) throw std::runtime_error("no text is long enough");
    return list;
}

bool judge(const Options& o) {
    const Model model(o.model);
    const std::vector<Passage> list =
        first_of_domains(passages(model, read_texts(o.texts), o.prefill + o.scored + 1, o.per_text), o.per_domain);

    Results results(o.name, list.size());
    std::vector<OnState> codecs = on_state(o, {heads(model, false), heads(model, true)}, results);
    const kakeya::Fingerprint fingerprint = o.profiles.empty() ? kakeya::Fingerprint{} : fingerprint_of_file(o.model);
    ContextOptions like;
    like.n_ctx = o.prefill + o.scored;
    like.n_outputs = o.scored;
    like.threads = 1;
    Bytes sample;
    if (o.policies) {
        Context context(model, like);
        context.prefill(list[0].tokens.data(), o.prefill);
        sample = context.state();
    }
    for (const std::string& file : o.profiles) add_profile(file, o, fingerprint, sample, results, codecs);
    std::vector<Live> caches;
    const auto live = [&](const char* name, const char* setting, ggml_type k, ggml_type v, bool flash_attention) {
        ContextOptions own = like;
        own.type_k = k, own.type_v = v, own.flash_attention = flash_attention;
        caches.push_back({results.add({name, setting, "", "live"}), own});
    };
    if (o.live) {
        live("q8_0", "", GGML_TYPE_Q8_0, GGML_TYPE_Q8_0, true);
        live("q4_0_rot", "", GGML_TYPE_Q4_0, GGML_TYPE_Q4_0, true);
    }
    if (o.baselines) {
        live("q8_0+q4_0_rot", "", GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, true);
        live("f16", "no flash attention", GGML_TYPE_F16, GGML_TYPE_F16, false);
        live("f32", "", GGML_TYPE_F32, GGML_TYPE_F32, true);
        live("bf16", "", GGML_TYPE_BF16, GGML_TYPE_BF16, true);
    }
    std::vector<Worker> workers(std::min(o.threads, list.size()));
    for (Worker& worker : workers) {
        worker.context = std::make_unique<Context>(model, like);
        for (const Live& cache : caches) worker.live.push_back(std::make_unique<Context>(model, cache.options));
    }

    std::ofstream json;
    if (!o.json.empty()) json.open(o.json, std::ios::app);
    std::mutex lock;
    std::size_t done = 0;
    in_parallel(list.size(), workers.size(), [&](std::size_t i, std::size_t w) {
        const Stopwatch time;
        run(i, list[i], o, workers[w], codecs, caches, results);
        const std::lock_guard<std::mutex> guard(lock);
        for (std::size_t s = 0; s < results.size() && json.is_open(); ++s) json << results.line(s, results.of(s)[i]) << '\n';
        json.flush();
        std::fprintf(stderr, "passage %zu of %zu, %s/%s: %.1f s\n", ++done, list.size(), list[i].domain.c_str(),
                     list[i].name.c_str(), time.seconds());
    });
    const bool exact = report(results, o, json);
    if (exact && !o.into.empty()) write_qualities(results, o);
    return exact;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("What a compressed cache does to a model's predictions");
    try {
        return judge(parse(argc, argv, app)) ? 0 : 1;
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
