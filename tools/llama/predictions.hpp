// Next-token distributions, and how far one set of them is from another.

#ifndef TOOLS_LLAMA_PREDICTIONS_HPP
#define TOOLS_LLAMA_PREDICTIONS_HPP

#include <llama.h>

#include <cstddef>
#include <vector>

// The distributions of a reference run: `count` rows of logits, and for each row what every comparison needs.
struct Predictions {
    std::size_t count = 0, n_vocab = 0;
    std::vector<float> logits;
    // log of the sum of exp of a row.
    std::vector<float> log_sums;
    // Token of the largest logit.
    std::vector<std::size_t> best;
};

// A run against the reference, per row.
struct Comparison {
    // Kullback-Leibler divergence of the run from the reference, in nats.
    std::vector<double> kld;
    std::vector<bool> same_best;
    // -log of the probability of the token that followed, in the run.
    std::vector<double> surprise;
};

Predictions predictions(const float* logits, std::size_t count, std::size_t n_vocab, unsigned threads);

// `next` has the token that followed each row. Equal logits give a divergence of exactly 0.
Comparison compare(const Predictions& reference, const float* logits, const llama_token* next, unsigned threads);

#endif  // TOOLS_LLAMA_PREDICTIONS_HPP
