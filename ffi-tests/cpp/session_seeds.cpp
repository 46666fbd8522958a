// Runs the fuzz target of sessions on the files that are given.
#include "session.cpp"

#include <cstdio>
#include <fstream>
#include <iterator>

int main(int n_arguments, char** arguments) {
    for (int i = 1; i < n_arguments; ++i) {
        std::printf("%s\n", arguments[i]);
        std::fflush(stdout);
        std::ifstream file(arguments[i], std::ios::binary);
        if (!file) return 1;
        const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
        kakeya_fuzz_session(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
    }
    return n_arguments > 10 ? 0 : 1;
}
