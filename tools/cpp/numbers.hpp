// What the examples need of numbers: half types to float, seeded data, errors.

#ifndef TOOLS_NUMBERS_HPP
#define TOOLS_NUMBERS_HPP

#include <kakeyaturbo/kakeyaturbo.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

inline float to_float(float value) { return value; }

inline float to_float(kakeya::BF16 value) {
    const std::uint32_t bits = static_cast<std::uint32_t>(value) << 16;
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}

inline float to_float(kakeya::F16 value) {
    const auto bits = static_cast<std::uint16_t>(value);
    const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
    float magnitude = 0;
    if (exponent == 0) {
        magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    } else if (exponent == 31) {
        magnitude = mantissa == 0 ? INFINITY : NAN;
    } else {
        magnitude = std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
    }
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

// The nearest bfloat16 of a finite value, ties to even.
inline kakeya::BF16 to_bf16(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return static_cast<kakeya::BF16>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// The same values on every machine, which std::normal_distribution does not promise: sums of 12 uniform values,
// of mean 0 and variance 1.
inline std::vector<float> gaussian_like(std::size_t count, std::uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<float> values(count);
    for (float& value : values) {
        double sum = -6;
        for (int i = 0; i < 12; ++i) sum += static_cast<double>(random()) / 4294967296.0;
        value = static_cast<float>(sum);
    }
    return values;
}

// Sums over pairs of an original and a decoded value.
struct SquaredError {
    double error = 0, energy = 0;

    void add(double original, double decoded) {
        error += (decoded - original) * (decoded - original);
        energy += original * original;
    }
    double relative() const { return energy > 0 ? error / energy : error; }
};

// Seconds since it was made.
class Stopwatch {
public:
    double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

private:
    using Clock = std::chrono::steady_clock;
    Clock::time_point start_ = Clock::now();
};

#endif  // TOOLS_NUMBERS_HPP
