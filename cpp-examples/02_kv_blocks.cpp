// Encodes a real KV cache and prints what each preset costs and keeps.
//
// The file is a safetensors file with tensors layers.N.k and layers.N.v, f16, [tokens, kv_heads, head_dim] or
// [tokens, head_dim]. A row is one kv-head's vector of one token; a block is --rows-per-block consecutive tokens of one
// kv-head, read with strides straight from the file's memory and decoded to f16. Columns:
//
//   bpv       bits per value, every byte of the blocks counted, headers and skeletons too
//   ratio     16 / bpv
//   error     sum |x - x'|^2 / sum |x|^2 over a tensor; mean over the tensors
//   gaussian  what rotation and Lloyd-Max leave of Gaussian rows: D for mse, D / (1 - D) for inner-product
//             (and, for queries without a preferred direction, of the products with them)
//   qk error  sum (<q,x'> - <q,x>)^2 / sum <q,x>^2 over a K tensor; mean over the K tensors that come with queries
//   qk slope  sum <q,x'> <q,x> / sum <q,x>^2, mean likewise: below 1, decoded keys make logits too small
//   enc, dec  megabytes of f16 per second on one thread
//
// The queries are the file's own, layers.N.q, f16, [tokens / s, query_heads, head_dim], of every s-th token, before
// rotary embedding (the keys are after it): each is first rotated to its token's entry in positions. Query head h
// attends to kv-head h / (query_heads / kv_heads). The query of every 16th token of a block, or of fewer where the file
// has fewer, meets the keys of its block up to its own token.
//
// Fails if more bits do not give less error.

#define KAKEYA_CPP_EXCEPTIONS
#include <kakeyaturbo/kakeyaturbo.hpp>

#include "kv_file.hpp"
#include "numbers.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

namespace {

const std::map<std::string, kakeya::Preset> kPresets{{"turbo", kakeya::Preset::turbo},
                                                     {"kakeya", kakeya::Preset::kakeya}};
const std::map<std::string, kakeya::Distortion> kDistortions{{"mse", kakeya::Distortion::mse},
                                                             {"inner-product", kakeya::Distortion::inner_product},
                                                             {"linf", kakeya::Distortion::linf}};
// Mean squared error of the Lloyd-Max quantiser of a unit Gaussian, 1 to 8 bits.
const std::array<double, 8> kLloydMax{0.3634, 0.1175, 0.03454, 0.009501, 0.002505, 0.0006442, 0.0001635, 0.00004119};

struct Options {
    std::string file;
    std::vector<std::string> presets{"turbo", "kakeya"};
    std::vector<int> bits{1, 2, 3, 4, 5, 6, 7, 8};
    std::string distortion = "mse";
    std::size_t rows_per_block = 512;
    double rope_base = 1e5;
    bool json = false;
};

// Of one tensor, or summed over several.
struct Measured {
    double values = 0, bytes = 0, encode_seconds = 0, decode_seconds = 0;
    SquaredError rows, logits;
    double logits_cross = 0;
};

// Adds <q,x'> against <q,x> for the block of kv-head `head` that starts at token `first`.
void add_logits(Measured& sum, const KvTensor& kv, std::size_t head, std::size_t first, const std::vector<float>& keys,
                const std::vector<float>& decoded, double rope_base) {
    const std::size_t group = kv.query_heads / kv.kv_heads, end = first + keys.size() / kv.head_dim;
    const std::size_t step = std::lcm(kv.query_step, std::size_t{16});
    for (std::size_t token = (first + step - 1) / step * step; token < end; token += step) {
        for (std::size_t query_head = head * group; query_head < (head + 1) * group; ++query_head) {
            const std::vector<float> q = query(kv, token, query_head, rope_base);
            for (std::size_t key = 0; key <= token - first; ++key) {
                const auto at = static_cast<std::ptrdiff_t>(key * kv.head_dim);
                const double exact = std::inner_product(q.begin(), q.end(), keys.begin() + at, 0.0);
                const double approximate = std::inner_product(q.begin(), q.end(), decoded.begin() + at, 0.0);
                sum.logits.add(exact, approximate);
                sum.logits_cross += exact * approximate;
            }
        }
    }
}

// Encodes and decodes every block of a tensor.
Measured measure(const KvTensor& kv, const kakeya::Params& params, const Options& options) {
    const auto codec = kakeya::Codec::create(params, kakeya::Layout::single(kv.head_dim)).value();
    const std::size_t max_rows = std::min(options.rows_per_block, kv.tokens);
    auto workspace = codec.workspace(max_rows).value();
    std::vector<std::byte> block(codec.encode_bound(max_rows).value());

    Measured sum;
    for (std::size_t head = 0; head < kv.kv_heads; ++head) {
        for (std::size_t first = 0; first < kv.tokens; first += max_rows) {
            const std::size_t n_rows = std::min(max_rows, kv.tokens - first);
            const auto stride = static_cast<std::ptrdiff_t>(kv.row_stride());
            const kakeya::Rows rows(n_rows, {kakeya::View(kv.row(first, head), stride)});
            const Stopwatch encoding;
            const std::size_t size = codec.encode(workspace, rows, block).value();
            sum.encode_seconds += encoding.seconds();

            std::vector<kakeya::F16> half(n_rows * kv.head_dim);
            const auto decoded_rows = kakeya::RowsMut::contiguous(half.data(), n_rows, kv.head_dim);
            const Stopwatch decoding;
            codec.decode(workspace, {block.data(), size}, decoded_rows).value();
            sum.decode_seconds += decoding.seconds();

            std::vector<float> original(half.size()), decoded(half.size());
            for (std::size_t i = 0; i < half.size(); ++i) {
                original[i] = to_float(kv.row(first + i / kv.head_dim, head)[i % kv.head_dim]);
                decoded[i] = to_float(half[i]);
                sum.rows.add(original[i], decoded[i]);
            }
            if (kv.queries != nullptr) add_logits(sum, kv, head, first, original, decoded, options.rope_base);
            sum.values += static_cast<double>(half.size());
            sum.bytes += static_cast<double>(size);
        }
    }
    return sum;
}

// One line of the table. Errors are means over the tensors; what does not apply is absent.
struct Line {
    std::string preset;
    int bits = 0;
    double bpv = 0, error = 0, encode_mb_s = 0, decode_mb_s = 0;
    std::optional<double> gaussian, qk_error, qk_slope;
};

std::optional<double> gaussian_error(kakeya::Distortion distortion, int bits) {
    const double d = kLloydMax.at(static_cast<std::size_t>(bits) - 1);
    if (distortion == kakeya::Distortion::mse) return d;
    if (distortion == kakeya::Distortion::inner_product) return d / (1 - d);
    return std::nullopt;
}

Line run(const std::vector<KvTensor>& tensors, const std::string& preset, int bits, const Options& options) {
    const kakeya::Distortion distortion = kDistortions.at(options.distortion);
    const auto params = kakeya::Params().preset(kPresets.at(preset)).distortion(distortion).bits(bits);
    double values = 0, bytes = 0, encode_seconds = 0, decode_seconds = 0, error = 0;
    double qk_tensors = 0, qk_error = 0, qk_slope = 0;
    for (const KvTensor& kv : tensors) {
        const Measured of = measure(kv, params, options);
        values += of.values;
        bytes += of.bytes;
        encode_seconds += of.encode_seconds;
        decode_seconds += of.decode_seconds;
        error += of.rows.relative();
        if (of.logits.energy > 0) {
            qk_tensors += 1;
            qk_error += of.logits.relative();
            qk_slope += of.logits_cross / of.logits.energy;
        }
    }
    Line line;
    line.preset = preset;
    line.bits = bits;
    line.bpv = 8 * bytes / values;
    line.error = error / static_cast<double>(tensors.size());
    line.gaussian = gaussian_error(distortion, bits);
    line.encode_mb_s = 2e-6 * values / encode_seconds;
    line.decode_mb_s = 2e-6 * values / decode_seconds;
    if (qk_tensors > 0) {
        line.qk_error = qk_error / qk_tensors;
        line.qk_slope = qk_slope / qk_tensors;
    }
    return line;
}

void print_head() {
    std::printf("%-7s %4s %-13s %6s %6s %10s %10s %10s %9s %8s %8s\n", "preset", "bits", "distortion", "bpv", "ratio",
                "error", "gaussian", "qk error", "qk slope", "enc MB/s", "dec MB/s");
}

void print(const Line& line, const std::string& distortion) {
    const auto cell = [](std::optional<double> value) { return value ? std::to_string(*value) : std::string("-"); };
    std::printf("%-7s %4d %-13s %6.3f %6.2f %10.6f %10s %10s %9s %8.1f %8.1f\n", line.preset.c_str(), line.bits,
                distortion.c_str(), line.bpv, 16 / line.bpv, line.error, cell(line.gaussian).c_str(),
                cell(line.qk_error).c_str(), cell(line.qk_slope).c_str(), line.encode_mb_s, line.decode_mb_s);
    std::fflush(stdout);
}

void print_json(const Line& line, const Options& options, std::size_t n_tensors) {
    nlohmann::ordered_json json{{"suite", "kv"},
                                {"set", std::filesystem::path(options.file).stem().string()},
                                {"codec", line.preset},
                                {"rows", "head"},
                                {"setting", "bits=" + std::to_string(line.bits)},
                                {"distortion", options.distortion},
                                {"rows_per_block", options.rows_per_block},
                                {"tensors", n_tensors},
                                {"bpv", line.bpv},
                                {"rel_err", line.error},
                                {"encode_mb_s", line.encode_mb_s},
                                {"decode_mb_s", line.decode_mb_s}};
    if (line.qk_error) json["qk_err"] = *line.qk_error;
    if (line.qk_slope) json["qk_slope"] = *line.qk_slope;
    std::printf("%s\n", json.dump().c_str());
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("Encodes the K and V of a safetensors file and prints cost, error and speed");
    app.add_option("file", options.file, "safetensors file with layers.N.k and layers.N.v")->required();
    app.add_option("--preset", options.presets, "Presets")
        ->capture_default_str()
        ->check(CLI::IsMember(kPresets));
    app.add_option("--bits", options.bits, "Bits per coded component")
        ->capture_default_str()
        ->check(CLI::Range(1, 8));
    app.add_option("--distortion", options.distortion, "What is minimised")
        ->capture_default_str()
        ->check(CLI::IsMember(kDistortions));
    app.add_option("--rows-per-block", options.rows_per_block, "Rows of a block")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    app.add_option("--rope-base", options.rope_base, "Rotary base of the queries; 0: as stored")
        ->capture_default_str()
        ->check(CLI::NonNegativeNumber);
    app.add_flag("--json", options.json, "Print JSON lines");
    CLI11_PARSE(app, argc, argv);

    try {
        const SafeTensors file(options.file);
        const std::vector<KvTensor> tensors = kv_tensors(file);
        if (!options.json) print_head();
        std::sort(options.bits.begin(), options.bits.end());
        bool falls = true, fits = true;
        for (const std::string& preset : options.presets) {
            double fewer_bits = INFINITY;
            for (int bits : options.bits) {
                const Line line = run(tensors, preset, bits, options);
                if (options.json) {
                    print_json(line, options, tensors.size());
                } else {
                    print(line, options.distortion);
                }
                // A scale of 16 bits a row, and less than 0.03 for the header where blocks have 512 rows or more.
                const double scale_bits = 16 / static_cast<double>(tensors.front().head_dim);
                const bool long_blocks = options.rows_per_block >= 512 && tensors.front().tokens >= 512;
                if (preset == "turbo" && line.gaussian) fits = fits && line.error < 1.1 * *line.gaussian;
                if (preset == "turbo" && long_blocks) fits = fits && line.bpv <= bits + scale_bits + 0.03;
                // Where the basis drops a part of the rows, more bits can do little about the error.
                falls = falls && line.error < 1.02 * fewer_bits;
                fewer_bits = line.error;
            }
        }
        if (!falls) std::fprintf(stderr, "more bits gave more error\n");
        if (!fits) std::fprintf(stderr, "turbo costs more, or keeps less, than theory allows\n");
        return falls && fits ? 0 : 1;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        return 1;
    }
}
