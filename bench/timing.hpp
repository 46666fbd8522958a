// Times of things that take turns, so that what disturbs the machine disturbs all of them alike.

#ifndef BENCH_TIMING_HPP
#define BENCH_TIMING_HPP

#include "numbers.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

// How long is measured: `rounds` times, and each time at least `seconds` of every case.
struct Effort {
    std::size_t rounds = 7;
    double seconds = 0.05;
};

inline double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

class Race {
public:
    // Returns the number of the case.
    std::size_t add(std::function<void()> work) {
        cases_.push_back({std::move(work), 1, {}});
        return cases_.size() - 1;
    }

    // Every case in turn, as often as `effort` says.
    void run(const Effort& effort) {
        for (Case& c : cases_) {
            c.work();  // caches and pages
            const double once = time(c, 1);
            c.repeats = static_cast<std::size_t>(std::max(1.0, std::ceil(effort.seconds / std::max(once, 1e-9))));
        }
        for (std::size_t round = 0; round < effort.rounds; ++round) {
            for (Case& c : cases_) c.seconds.push_back(time(c, c.repeats) / static_cast<double>(c.repeats));
        }
    }

    // Median time of one call.
    double seconds(std::size_t c) const { return median(cases_[c].seconds); }

    // Times of one call, one of each round.
    const std::vector<double>& times(std::size_t c) const { return cases_[c].seconds; }

    // How many times faster case `c` is than case `other`: the median over rounds.
    double speed_over(std::size_t c, std::size_t other) const {
        std::vector<double> ratios;
        for (std::size_t r = 0; r < cases_[c].seconds.size(); ++r) {
            ratios.push_back(cases_[other].seconds[r] / cases_[c].seconds[r]);
        }
        return median(ratios);
    }

private:
    struct Case {
        std::function<void()> work;
        std::size_t repeats;
        std::vector<double> seconds;
    };

    static double time(const Case& c, std::size_t repeats) {
        const Stopwatch watch;
        for (std::size_t i = 0; i < repeats; ++i) c.work();
        return watch.seconds();
    }

    std::vector<Case> cases_;
};

#endif  // BENCH_TIMING_HPP
