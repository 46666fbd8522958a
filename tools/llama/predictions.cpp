// A file of its own because it is compiled with relaxed floating-point rules: a vocabulary of 262,144 tokens is 67 million
// exponentials per passage, which only then become vector code.

#include "predictions.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <thread>

namespace {

// Short enough that a sum of floats keeps its precision, long enough for vector code.
constexpr std::size_t kRun = 1024;

// Calls `work(first, last)` on as many threads as asked, with contiguous shares of `count` rows.
template <class Work>
void share(std::size_t count, unsigned threads, Work&& work) {
    std::vector<std::thread> others;
    for (unsigned t = 1; t < threads; ++t) {
        others.emplace_back([&work, t, count, threads] { work(count * t / threads, count * (t + 1) / threads); });
    }
    work(0, count / std::max(threads, 1U));
    for (std::thread& other : others) other.join();
}

struct Peak {
    float largest;
    std::size_t at;
};

Peak peak(const float* x, std::size_t n) {
    float largest = x[0];
    for (std::size_t i = 1; i < n; ++i) largest = std::max(largest, x[i]);
    return {largest, static_cast<std::size_t>(std::find(x, x + n, largest) - x)};
}

float log_sum(const float* x, std::size_t n, float largest) {
    double sum = 0;
    for (std::size_t begin = 0; begin < n; begin += kRun) {
        const std::size_t end = std::min(begin + kRun, n);
        float part = 0;
        for (std::size_t i = begin; i < end; ++i) part += std::exp(x[i] - largest);
        sum += static_cast<double>(part);
    }
    return largest + static_cast<float>(std::log(sum));
}

}  // namespace

Predictions predictions(const float* logits, std::size_t count, std::size_t n_vocab, unsigned threads) {
    Predictions made{count, n_vocab, std::vector<float>(logits, logits + count * n_vocab), std::vector<float>(count),
                     std::vector<std::size_t>(count)};
    share(count, threads, [&](std::size_t first, std::size_t last) {
        for (std::size_t row = first; row < last; ++row) {
            const float* x = logits + row * n_vocab;
            const Peak top = peak(x, n_vocab);
            made.best[row] = top.at;
            made.log_sums[row] = log_sum(x, n_vocab, top.largest);
        }
    });
    return made;
}

Comparison compare(const Predictions& reference, const float* logits, const llama_token* next, unsigned threads) {
    const std::size_t count = reference.count, n = reference.n_vocab;
    Comparison made{std::vector<double>(count), {}, std::vector<double>(count)};
    std::vector<std::uint8_t> same(count);  // the bits of vector<bool> share bytes, which threads must not
    share(count, threads, [&](std::size_t first, std::size_t last) {
        for (std::size_t row = first; row < last; ++row) {
            const float *p = reference.logits.data() + row * n, *q = logits + row * n;
            const Peak top = peak(q, n);
            const float p_log = reference.log_sums[row], q_log = log_sum(q, n, top.largest);
            const float shift = q_log - p_log;
            double sum = 0;
            for (std::size_t begin = 0; begin < n; begin += kRun) {
                const std::size_t end = std::min(begin + kRun, n);
                float part = 0;
                for (std::size_t i = begin; i < end; ++i) part += std::exp(p[i] - p_log) * (p[i] - q[i] + shift);
                sum += static_cast<double>(part);
            }
            made.kld[row] = sum;
            same[row] = top.at == reference.best[row];
            made.surprise[row] = static_cast<double>(q_log) - static_cast<double>(q[next[row]]);
        }
    });
    made.same_best.assign(same.begin(), same.end());
    return made;
}
