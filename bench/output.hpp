// JSON lines, to a file or to the terminal.

#ifndef BENCH_OUTPUT_HPP
#define BENCH_OUTPUT_HPP

#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

using Json = nlohmann::ordered_json;

class Output {
public:
    // Without a name: the terminal.
    explicit Output(const std::string& file) {
        if (file.empty()) return;
        file_.open(file);
        if (!file_) throw std::runtime_error("cannot write " + file);
    }
    void line(const Json& json) { (file_.is_open() ? static_cast<std::ostream&>(file_) : std::cout) << json.dump() << std::endl; }

private:
    std::ofstream file_;
};

// Five digits, so that a line can be read.
inline double rounded(double x) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4e", x);
    return std::strtod(text, nullptr);
}

#endif  // BENCH_OUTPUT_HPP
