// Times codecs and their rivals; writes JSON lines, one measurement each. `cargo xtask bench` says on which cores.
//
//   bench_codecs SUITE... [--dims 64 128] [--rounds 7] [--seconds 0.05] [--json FILE]

#include "output.hpp"
#include "rivals.hpp"
#include "subject.hpp"
#include "timing.hpp"
#include "workers.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <optional>
#include <set>

namespace {

using Half = kakeya::F16;

constexpr std::size_t kRows = 1024, kRowsPerRun = 128;

Json head(const char* suite, const std::string& name, const std::string& op, std::size_t d, std::size_t n) {
    return {{"suite", suite}, {"name", name}, {"op", op}, {"d", d}, {"n", n}};
}

// Cases of one size that are timed together, and their lines.
class Table {
public:
    std::size_t add(Json line, double values, std::function<void()> work) {
        lines_.push_back(std::move(line)), values_.push_back(values);
        return race_.add(std::move(work));
    }
    void run(const Effort& effort) {
        race_.run(effort);
        for (std::size_t c = 0; c < lines_.size(); ++c) {
            lines_[c]["values_per_s"] = rounded(values_[c] / race_.seconds(c));
            lines_[c]["seconds"] = rounded(race_.seconds(c));
        }
    }
    // Values per second of a case over those of another one.
    double ratio(std::size_t c, std::size_t to) const { return race_.speed_over(c, to) * values_[c] / values_[to]; }
    double seconds(std::size_t c) const { return race_.seconds(c); }
    const std::vector<double>& times(std::size_t c) const { return race_.times(c); }
    std::size_t size() const { return lines_.size(); }
    Json& line(std::size_t c) { return lines_[c]; }
    void write(Output& out) const {
        for (const Json& line : lines_) out.line(line);
    }

private:
    Race race_;
    std::vector<Json> lines_;
    std::vector<double> values_;
};

// Both directions of a codec.
template <class T>
void add(Table& table, const char* suite, const std::string& name, Subject<T>& subject, std::size_t d, std::size_t n) {
    const auto values = static_cast<double>(subject.values());
    for (const char* op : {"encode", "decode"}) {
        Json line = head(suite, name, op, d, n);
        line["dtype"] = std::is_same_v<T, float> ? "f32" : "f16";
        line["bpv"] = rounded(subject.bpv());
        line["rel_err"] = rounded(subject.error());
        const bool encodes = *op == 'e';
        table.add(line, values, [&subject, encodes] { encodes ? subject.encode() : subject.decode(); });
    }
}

// What was measured on.
void machine(Output& out) {
    std::ifstream file("/proc/cpuinfo");
    std::string line, name = "unknown";
    while (std::getline(file, line)) {
        if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos) name = line.substr(line.find(": ") + 2);
    }
    const auto codec = kakeya::Codec::create(turbo(4), kakeya::Layout::single(128)).value();
    const auto tier = static_cast<std::uint32_t>(codec.cpu_tier());
    out.line({{"suite", "machine"}, {"name", name}, {"cores", std::thread::hardware_concurrency()},
              {"tier", kakeya_cpu_tier_name(tier)}, {"openblas", openblas_get_corename()}});
}

// Everybody on the same rows, as ratios to ggml's q4_0 in the same direction and to the faster f32 product.
void speed(std::size_t d, const Effort& effort, Output& out) {
    const Width& width = Width::of(d);
    const Tensors<Half> rows(single(d), width.source().rows(kRows, 2), d);
    const auto values = static_cast<double>(kRows * d);
    Table table;
    std::optional<std::size_t> q4_0[2];
    for (const Rival& rival : rivals(reinterpret_cast<const std::uint16_t*>(rows.data(0)), kRows * d)) {
        for (bool back : {false, true}) {
            if (back && !rival.back) continue;
            Json line = head("speed", rival.name, back ? rival.back_op : rival.to_op, d, kRows);
            line["bpv"] = rounded(8 * rival.bytes / values);
            const std::size_t c = table.add(line, values, back ? rival.back : rival.to);
            if (rival.name == "ggml q4_0") q4_0[back ? 1 : 0] = c;
        }
    }
    Product product(kRows, d);
    const std::size_t products[] = {
        table.add(head("speed", "f32 product, OpenBLAS", "product", d, kRows), values, [&] { product.by_openblas(); }),
        table.add(head("speed", "f32 product, ggml", "product", d, kRows), values, [&] { product.by_ggml(); })};
    std::vector<std::unique_ptr<Subject<Half>>> subjects;
    for (int bits : {2, 3, 4}) {
        subjects.push_back(width.turbo_subject<Half>(bits, kRows));
        add(table, "speed", "turbo " + std::to_string(bits) + " bits", *subjects.back(), d, kRows);
    }
    const auto floats = width.turbo_subject<float>(4, kRows);
    add(table, "speed", "turbo 4 bits", *floats, d, kRows);
    subjects.push_back(width.rdo_subject(kRows));
    add(table, "speed", "rdo", *subjects.back(), d, kRows);

    table.run(effort);
    const std::size_t bound = table.ratio(products[0], products[1]) > 1 ? products[0] : products[1];
    for (std::size_t c = 0; c < table.size(); ++c) {
        Json& line = table.line(c);
        const std::string op = line["op"];
        if (op == "product") line["gflops"] = rounded(2 * static_cast<double>(d) * values / table.seconds(c) * 1e-9);
        else if (op != "copy") line["ratio_to_q4_0"] = rounded(table.ratio(c, *q4_0[op == "decode" ? 1 : 0]));
        line["ratio_to_bound"] = rounded(table.ratio(c, bound));
        if (line["name"] == "rdo") line["step"] = rounded(static_cast<double>(width.step()));
    }
    table.write(out);
}

// More and more rows in a block.
void growth(const Effort& effort, Output& out) {
    Table table;
    std::vector<std::unique_ptr<Subject<Half>>> subjects;
    for (std::size_t n : {1, 16, 128, 1024, 8192}) {
        subjects.push_back(Width::of(128).turbo_subject<Half>(4, n));
        add(table, "growth", "turbo 4 bits", *subjects.back(), 128, n);
        subjects.push_back(Width::of(512).rdo_subject(n));
        add(table, "growth", "rdo", *subjects.back(), 512, n);
    }
    table.run(effort);
    table.write(out);
}

// Some rows of a run against all of it. The decoder goes through a run from its start; so all of a run and its second half differ
// by the transforms of the first half, and nothing else. That gives the time of a row's transform, and of the run's entropy decoder.
void access(std::size_t d, const Effort& effort, Output& out) {
    Table table;
    auto subject = Width::of(d).rdo_subject(kRows);
    auto plain = Width::of(d).turbo_subject<Half>(4, kRows);
    const std::size_t start = 3 * kRowsPerRun, half = kRowsPerRun / 2;
    std::vector<std::unique_ptr<kakeya::RowsMut>> places;
    const auto rows_at = [&](Subject<Half>& from, const char* name, std::size_t first, std::size_t count) {
        places.push_back(std::make_unique<kakeya::RowsMut>(from.part(start + first, count)));
        Json line = head("access", name, "decode_rows", d, count);
        line["first"] = first;
        const kakeya::RowsMut& place = *places.back();
        return table.add(line, static_cast<double>(count * d), [&from, start, first, &place] { from.decode_rows(start + first, place); });
    };
    const std::size_t all = rows_at(*subject, "rdo", 0, kRowsPerRun), second = rows_at(*subject, "rdo", half, half);
    rows_at(*subject, "rdo", 0, 1);
    const std::size_t last = rows_at(*subject, "rdo", kRowsPerRun - 1, 1);
    rows_at(*plain, "turbo 4 bits", 0, kRowsPerRun);
    rows_at(*plain, "turbo 4 bits", 0, 1);
    table.run(effort);
    std::vector<double> rows, runs, ratios;
    for (std::size_t r = 0; r < effort.rounds; ++r) {
        const double row = (table.times(all)[r] - table.times(second)[r]) / static_cast<double>(kRowsPerRun - half);
        rows.push_back(row), runs.push_back(table.times(all)[r] - static_cast<double>(kRowsPerRun) * row);
        ratios.push_back(table.times(last)[r] / (runs.back() + 2 * row));
    }
    table.line(all)["entropy_seconds"] = rounded(median(runs)), table.line(all)["row_seconds"] = rounded(median(rows));
    table.line(last)["ratio_to_limit"] = rounded(median(ratios));
    table.write(out);
}

// A batch of blocks on one thread and on two; and what two threads of this machine gain where they share nothing, products of matrices.
void threads(const Effort& effort, Output& out) {
    // So many that starting a thread does not count.
    const std::size_t n_blocks[] = {64, 16};
    Table table;
    std::vector<std::unique_ptr<Subject<Half>>> subjects;
    subjects.push_back(Width::of(128).turbo_subject<Half>(4, kRows));
    subjects.push_back(Width::of(512).rdo_subject(kRows));
    std::vector<std::vector<kakeya::Workspace>> workspaces;
    std::vector<std::vector<Bytes>> blocks;
    std::vector<std::vector<Tensors<Half>>> decoded;
    std::vector<std::vector<kakeya::EncodeItem>> to_encode(subjects.size());
    std::vector<std::vector<kakeya::DecodeItem>> to_decode(subjects.size());
    const auto runner = [](std::size_t n_tasks, std::size_t n_workers, kakeya::Task task) {
        in_parallel(n_tasks, n_workers, task);
    };
    const std::size_t dims[] = {128, 512};
    for (std::size_t s = 0; s < subjects.size(); ++s) {
        const kakeya::Codec& codec = subjects[s]->codec();
        const std::vector<TensorShape> shapes = s == 0 ? single(dims[s]) : joined(dims[s]);
        workspaces.emplace_back(), blocks.emplace_back(), decoded.emplace_back();
        for (int t = 0; t < 2; ++t) workspaces[s].push_back(codec.workspace(kRows).value());
        blocks[s].assign(n_blocks[s], Bytes(codec.encode_bound(kRows).value()));
        decoded[s].assign(n_blocks[s], Tensors<Half>(shapes, kRows));
        for (std::size_t i = 0; i < n_blocks[s]; ++i) {
            to_encode[s].push_back({subjects[s]->rows(), blocks[s][i]});
            to_decode[s].push_back({subjects[s]->block(), decoded[s][i].rows_mut(0, kRows)});
        }
    }
    for (std::size_t s = 0; s < subjects.size(); ++s) {
        for (bool encodes : {true, false}) {
            for (std::size_t n_threads : {1, 2}) {
                Json line = head("threads", s == 0 ? "turbo 4 bits" : "rdo", encodes ? "encode_batch" : "decode_batch", dims[s], kRows);
                line["threads"] = n_threads, line["blocks"] = n_blocks[s];
                const kakeya::span<const kakeya::Workspace> some(workspaces[s].data(), n_threads);
                table.add(line, static_cast<double>(n_blocks[s] * subjects[s]->values()), [&, s, encodes, some] {
                    const kakeya::Codec& codec = subjects[s]->codec();
                    if (encodes) kakeya::encode_batch(codec, some, to_encode[s], runner).status.value();
                    else kakeya::decode_batch(codec, some, to_decode[s], runner).status.value();
                });
            }
        }
    }
    std::vector<Product> products;
    for (int t = 0; t < 16; ++t) products.emplace_back(kRows, 512);
    for (std::size_t n_threads : {1, 2}) {
        Json line = head("threads", "f32 product, OpenBLAS", "16 products", 512, kRows);
        line["threads"] = n_threads;
        table.add(line, static_cast<double>(products.size() * kRows * 512), [&products, n_threads] {
            in_parallel(products.size(), n_threads, [&](std::size_t i, std::size_t) { products[i].by_openblas(); });
        });
    }
    table.run(effort);
    for (std::size_t c = 1; c < table.size(); c += 2) table.line(c)["ratio_to_one_thread"] = rounded(table.ratio(c, c - 1));
    table.write(out);
}

// Bytes of a codec's parts, and the time from a skeleton's bytes to a codec that is ready to work.
void cold(std::size_t d, const Effort& effort, Output& out) {
    const Width& width = Width::of(d);
    const Bytes saved = width.skeleton().save().value();
    const kakeya::Layout plain = layout_of(single(d)), layout = layout_of(joined(d));
    Table table;
    const auto add_codec = [&](const char* name, const kakeya::Params& params, const kakeya::Layout& of, const kakeya::Skeleton* skeleton,
                               std::size_t skeleton_bytes, std::function<void()> work) {
        const auto codec = kakeya::Codec::create(params, of, skeleton).value();
        Json line = head("cold", name, "create", d, kRows);
        line["workspace_bytes"] = codec.workspace_size(kRows).value();
        line["bound_bytes"] = codec.encode_bound(kRows).value();
        line["skeleton_bytes"] = skeleton_bytes;
        table.add(line, static_cast<double>(kRows * d), std::move(work));
    };
    add_codec("turbo 4 bits", turbo(4), plain, nullptr, 0, [&] {
        const auto codec = kakeya::Codec::create(turbo(4), plain).value();
        const auto workspace = codec.workspace(kRows).value();
    });
    add_codec("rdo", rdo(width.step()), layout, &width.skeleton(), saved.size(), [&] {
        const kakeya::Skeleton skeleton = kakeya::Skeleton::load(saved).value();
        const auto codec = kakeya::Codec::create(rdo(width.step()), layout, &skeleton).value();
        const auto workspace = codec.workspace(kRows).value();
    });
    table.run(effort);
    table.write(out);
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Times codecs and their rivals");
    std::set<std::string> suites;
    std::vector<std::size_t> dims = {64, 96, 128, 256, 512, 1152};
    Effort effort;
    std::string json;
    app.add_option("suite", suites, "what to measure")
        ->required()->check(CLI::IsMember({"speed", "growth", "access", "threads", "cold"}));
    app.add_option("--dims", dims, "values of a row, for the suites speed and cold")->capture_default_str();
    app.add_option("--rounds", effort.rounds, "turns that every case has")->capture_default_str();
    app.add_option("--seconds", effort.seconds, "least time of a turn")->capture_default_str();
    app.add_option("--json", json, "file to write");
    CLI11_PARSE(app, argc, argv);
    try {
        openblas_set_num_threads(1);
        Output out(json);
        if (suites.count("speed") != 0) machine(out);
        for (std::size_t d : dims) {
            if (suites.count("speed") != 0) std::fprintf(stderr, "rows of %zu values\n", d), speed(d, effort, out);
        }
        if (suites.count("growth") != 0) std::fprintf(stderr, "growth with rows\n"), growth(effort, out);
        if (suites.count("access") != 0) std::fprintf(stderr, "single rows\n"), access(128, effort, out), access(512, effort, out);
        if (suites.count("threads") != 0) std::fprintf(stderr, "batches\n"), threads(effort, out);
        for (std::size_t d : dims) {
            if (suites.count("cold") != 0) std::fprintf(stderr, "cold start of %zu values\n", d), cold(d, effort, out);
        }
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_codecs: %s\n", error.what());
        return 1;
    }
}
