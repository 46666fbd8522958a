// Encodes and decodes a batch of blocks on one thread, then on several: the same bytes, faster.
//
// The library starts no threads. A runner of the caller's spreads the items of a batch over its own threads; here that
// is std::thread, in an engine it would be its pool.
//
// Fails if an item fails, or if the number of threads changes a byte.

#define KAKEYA_CPP_EXCEPTIONS
#include <kakeyaturbo/kakeyaturbo.hpp>

#include "numbers.hpp"

#include <CLI/CLI.hpp>

#include <atomic>
#include <cstdio>
#include <exception>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kBlocks = 64, kRows = 512, kHeadDim = 128;

// Gives every worker a thread, and every thread the next item that is left.
void on_threads(std::size_t n_tasks, std::size_t n_workers, kakeya::Task task) {
    std::atomic<std::size_t> next{0};
    std::vector<std::thread> threads;
    for (std::size_t worker = 0; worker < n_workers; ++worker) {
        threads.emplace_back([&next, n_tasks, task, worker] {
            for (std::size_t index = next++; index < n_tasks; index = next++) task(index, worker);
        });
    }
    for (std::thread& thread : threads) thread.join();
}

struct Outcome {
    std::vector<std::vector<std::byte>> blocks;
    std::vector<float> decoded;
    double encode_seconds, decode_seconds;
};

Outcome run(const kakeya::Codec& codec, const std::vector<float>& values, std::size_t n_threads) {
    std::vector<kakeya::Workspace> workspaces;  // one for each worker
    for (std::size_t i = 0; i < n_threads; ++i) workspaces.push_back(codec.workspace(kRows).value());

    const std::size_t bound = codec.encode_bound(kRows).value();
    Outcome outcome{std::vector(kBlocks, std::vector<std::byte>(bound)), std::vector<float>(values.size()), 0, 0};
    std::vector<kakeya::EncodeItem> to_encode;
    for (std::size_t i = 0; i < kBlocks; ++i) {
        const auto rows = kakeya::Rows::contiguous(&values[i * kRows * kHeadDim], kRows, kHeadDim);
        to_encode.push_back({rows, outcome.blocks[i]});
    }
    const Stopwatch encoding;
    const kakeya::Batch encoded = kakeya::encode_batch(codec, workspaces, to_encode, on_threads);
    outcome.encode_seconds = encoding.seconds();
    encoded.status.value();

    std::vector<kakeya::DecodeItem> to_decode;
    for (std::size_t i = 0; i < kBlocks; ++i) {
        outcome.blocks[i].resize(static_cast<std::size_t>(encoded.items[i].bytes));
        float* rows = &outcome.decoded[i * kRows * kHeadDim];
        to_decode.push_back({outcome.blocks[i], kakeya::RowsMut::contiguous(rows, kRows, kHeadDim)});
    }
    const Stopwatch decoding;
    kakeya::decode_batch(codec, workspaces, to_decode, on_threads).status.value();
    outcome.decode_seconds = decoding.seconds();
    return outcome;
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t max_threads = 2;
    CLI::App app("Encodes and decodes a batch on one thread and on several");
    app.add_option("--threads", max_threads, "Largest number of threads")
        ->capture_default_str()
        ->check(CLI::Range(1, 256));
    CLI11_PARSE(app, argc, argv);

    try {
        const std::vector<float> values = gaussian_like(kBlocks * kRows * kHeadDim, 1);
        const auto codec = kakeya::Codec::create(kakeya::Params().bits(4), kakeya::Layout::single(kHeadDim)).value();
        const Outcome serial = run(codec, values, 1);
        bool same = true;
        for (std::size_t n_threads = 1; n_threads <= max_threads; ++n_threads) {
            const Outcome outcome = run(codec, values, n_threads);
            const bool equal = outcome.blocks == serial.blocks && outcome.decoded == serial.decoded;
            const double millions = static_cast<double>(values.size()) * 1e-6;
            std::printf("%zu thread%s: encode %7.1f, decode %7.1f million values per second, %s\n", n_threads,
                        n_threads == 1 ? " " : "s", millions / outcome.encode_seconds,
                        millions / outcome.decode_seconds, equal ? "same bytes" : "OTHER BYTES");
            same = same && equal;
        }
        return same ? 0 : 1;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        return 1;
    }
}
