// Means with confidence intervals, and percentiles.

#ifndef TOOLS_LLAMA_STATISTICS_HPP
#define TOOLS_LLAMA_STATISTICS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

struct Mean {
    double mean = 0;
    // Half the width of the 95 % interval; infinite for less than two values.
    double half = std::numeric_limits<double>::infinity();
};

// The 97.5 % point of Student's t with `freedom` degrees, by the Cornish-Fisher expansion from the normal one; the first four,
// where that is more than 1 % off, as tabled.
inline double student(std::size_t freedom) {
    constexpr double tabled[] = {12.706, 4.303, 3.182, 2.776};
    if (freedom >= 1 && freedom <= 4) return tabled[freedom - 1];
    const double z = 1.959964, v = static_cast<double>(freedom);
    return z + (std::pow(z, 3) + z) / (4 * v) + (5 * std::pow(z, 5) + 16 * std::pow(z, 3) + 3 * z) / (96 * v * v);
}

inline Mean mean_of(const std::vector<double>& values) {
    const auto n = static_cast<double>(values.size());
    Mean result;
    for (double x : values) result.mean += x / n;
    if (values.size() < 2) return result;
    double squares = 0;
    for (double x : values) squares += (x - result.mean) * (x - result.mean);
    result.half = student(values.size() - 1) * std::sqrt(squares / (n - 1) / n);
    return result;
}

// The smallest value that at least `share` of them do not exceed.
inline double percentile(std::vector<double> values, double share) {
    if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
    const std::size_t at = std::min(std::max<std::size_t>(rank, 1), values.size()) - 1;
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
    return values[at];
}

#endif  // TOOLS_LLAMA_STATISTICS_HPP
