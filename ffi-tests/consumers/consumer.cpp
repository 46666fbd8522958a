// A program as an engine written in C++ would have it: fits a skeleton, encodes blocks on two threads, decodes them,
// checks what came back.
#include <kakeyaturbo/kakeyaturbo.hpp>

#include <algorithm>
#include <cstdio>
#include <random>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t blocks = 4, rows = 96, head_dim = 64, block_values = rows * head_dim;

/** A thread for every worker; each takes every n_workers-th block. */
struct Threads {
    void operator()(std::size_t n_tasks, std::size_t n_workers, kakeya::Task task) const {
        std::vector<std::thread> threads;
        for (std::size_t worker = 0; worker < n_workers; ++worker) {
            threads.emplace_back([=] {
                for (std::size_t index = worker; index < n_tasks; index += n_workers) task(index, worker);
            });
        }
        for (std::thread& thread : threads) thread.join();
    }
};

double relative_error(const std::vector<float>& x, const std::vector<float>& y) {
    double error = 0, energy = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double value = x[i], difference = value - static_cast<double>(y[i]);
        error += difference * difference;
        energy += value * value;
    }
    return error / energy;
}

int round_trip(const char* name, const kakeya::Codec& codec, const std::vector<float>& x) {
    std::vector<float> y(x.size());
    std::vector<std::vector<std::byte>> bytes;
    std::vector<kakeya::Workspace> workspaces;
    for (int worker = 0; worker < 2; ++worker) workspaces.push_back(codec.workspace(rows).value());

    std::vector<kakeya::EncodeItem> encode;
    for (std::size_t i = 0; i < blocks; ++i) bytes.emplace_back(codec.encode_bound(rows).value());
    for (std::size_t i = 0; i < blocks; ++i) {
        encode.push_back({kakeya::Rows::contiguous(x.data() + i * block_values, rows, head_dim), bytes[i]});
    }
    const kakeya::Batch encoded = kakeya::encode_batch(codec, workspaces, encode, Threads());
    encoded.status.value();

    std::size_t total = 0;
    std::vector<kakeya::DecodeItem> decode;
    for (std::size_t i = 0; i < blocks; ++i) {
        bytes[i].resize(static_cast<std::size_t>(encoded.items[i].bytes));
        total += bytes[i].size();
        decode.push_back({bytes[i], kakeya::RowsMut::contiguous(y.data() + i * block_values, rows, head_dim)});
    }
    kakeya::decode_batch(codec, workspaces, decode, Threads()).status.value();

    const double error = relative_error(x, y);
    std::printf("%s round trip: %zu values in %zu bytes, relative squared error %.4f\n", name, x.size(), total, error);
    return total < x.size() && error < 0.03 ? 0 : 1;
}

}  // namespace

int main() {
    std::vector<float> x(blocks * block_values);
    std::mt19937 random(1);
    std::normal_distribution<float> gaussian;
    std::generate(x.begin(), x.end(), [&] { return gaussian(random); });

    const auto layout = kakeya::Layout::single(head_dim);
    const auto turbo = kakeya::Codec::create(kakeya::Params().bits(4), layout).value();

    const auto params = kakeya::Params().preset(kakeya::Preset::kakeya).bits(4);
    auto fitter = kakeya::Fitter::create(params, layout).value();
    fitter.add_rows(kakeya::Rows::contiguous(x.data(), blocks * rows, head_dim)).value();
    const kakeya::Fit fit = fitter.finish().value();
    const auto shared = kakeya::Codec::create(params, layout, &fit.skeleton).value();

    return round_trip("turbo", turbo, x) + round_trip("kakeya", shared, x);
}
