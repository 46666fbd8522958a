// Sessions for the reader in conformance/, and what the library says of any session.
//
//   session_files write FOLDER     NAME.state, NAME.kkp, NAME.kkl and NAME.restored of every case
//   session_files inspect FILE...  the status of each file, one per line
#include "llama_profile.hpp"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace {

namespace llama = kakeya::llama;
using Bytes = std::vector<std::byte>;

void write(const std::string& path, const Bytes& bytes) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

Bytes read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
    return {first, first + bytes.size()};
}

void write_case(const std::string& stem, const StateShape& shape, const kakeya::Policy& policy,
                const kakeya::CodecOptions& options) {
    const Bytes state = StateWriter(shape).bytes();
    const kakeya::Profile profile = profile_of(shape, 0.02F, policy);
    const Bytes session = llama::compress(state, profile, options).value();
    write(stem + ".state", state);
    write(stem + ".kkp", profile.save().value());
    write(stem + ".kkl", session);
    write(stem + ".restored", llama::restore(session, profile).value());
}

// At the profile's own step, a file of two caches with a tail; at a fixed rate, one with transposed values; with a
// largest size, one whose first cache is kept raw.
void write_all(const std::string& folder) {
    CacheShape cache;
    cache.positions = counting(40);
    StateShape shape{{cache, cache}, true, 40, false, 0, Bytes(5, std::byte{0xEE})};
    shape.caches[1].layers = shape.caches[1].values = 3;
    shape.caches[1].positions.resize(17);
    write_case(folder + "/step", shape, {}, {});
    kakeya::Policy policy;
    policy.raw_layers = {0, 1};
    write_case(folder + "/size", shape, policy, kakeya::CodecOptions().step(0.001F).max_bytes(900));
    cache.transposed = true;
    write_case(folder + "/bits", {{cache}, false, 0, false, 0, {}}, {}, kakeya::CodecOptions().bits(2));
}

}  // namespace

int main(int n_arguments, char** arguments) {
    const std::string verb = n_arguments > 2 ? arguments[1] : "";
    if (verb == "write") {
        write_all(arguments[2]);
        return 0;
    }
    if (verb != "inspect") return 2;
    for (int i = 2; i < n_arguments; ++i) {
        std::puts(kakeya_status_name(llama::inspect(read(arguments[i])).status().code()));
    }
    return 0;
}
