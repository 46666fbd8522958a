// Shows what an encoded block says about itself, checks it, and flips one byte to show that this is noticed.
//
// With a file: the block in it. Without: a block of seeded data that the program makes itself, the same on every
// machine. Neither reading the header nor checking needs the codec that wrote the block.
//
// Fails if the block is not whole, or if the flipped byte goes unnoticed although the block has a payload checksum.

#define KAKEYA_CPP_EXCEPTIONS
#include <kakeyaturbo/kakeyaturbo.hpp>

#include "numbers.hpp"

#include <CLI/CLI.hpp>

#include <cmath>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// 100 rows of 96 values, of which the third is stored raw.
std::vector<std::byte> make_block() {
    constexpr std::size_t n_rows = 100, head_dim = 96;
    const std::vector<float> values = gaussian_like(n_rows * head_dim, 1);
    std::vector<std::uint8_t> protect(n_rows, 0);
    protect[2] = 1;
    const auto params = kakeya::Params().bits(3).max_protected(1);
    const auto codec = kakeya::Codec::create(params, kakeya::Layout::single(head_dim)).value();
    auto workspace = codec.workspace(n_rows).value();
    auto rows = kakeya::Rows::contiguous(values.data(), n_rows, head_dim).protect(protect.data());
    return codec.encode(workspace, rows).value();
}

std::vector<std::byte> read_block(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot open " + path);
    std::vector<std::byte> block;
    for (std::istreambuf_iterator<char> at(file), end; at != end; ++at) block.push_back(static_cast<std::byte>(*at));
    return block;
}

const char* preset_name(std::uint32_t preset) {
    return preset == KAKEYA_PRESET_TURBO ? "turbo" : preset == KAKEYA_PRESET_KAKEYA ? "kakeya" : "unknown";
}

const char* distortion_name(std::uint32_t distortion) {
    return distortion == KAKEYA_DISTORTION_MSE             ? "mse"
           : distortion == KAKEYA_DISTORTION_INNER_PRODUCT ? "inner-product"
           : distortion == KAKEYA_DISTORTION_LINF          ? "linf"
                                                           : "unknown";
}

void print(const kakeya_block_info& info) {
    const auto bytes = static_cast<unsigned long long>(info.bytes);
    // Every row has codes, so that any row is found without an index; those of raw rows are not used.
    const auto codes =
        static_cast<unsigned long long>(std::ceil(static_cast<double>(info.n_rows * info.rank) * info.bits / 8));
    std::printf("format version    %u\n", info.version);
    std::printf("preset            %s\n", preset_name(info.preset));
    std::printf("distortion        %s\n", distortion_name(info.distortion));
    std::printf("rows              %zu of %zu values\n", info.n_rows, info.dim);
    std::printf("coded components  %zu of %g bits, %zu K-means centres\n", info.rank, static_cast<double>(info.bits), info.n_centres);
    std::printf("raw rows          %u\n", info.n_protected);
    std::printf("checksum          %s\n", (info.flags & KAKEYA_BLOCK_FLAG_CHECKSUM) != 0 ? "payload" : "header only");
    std::printf("skeleton          %s\n", (info.flags & KAKEYA_BLOCK_FLAG_OWN_SKELETON) != 0 ? "in the block" : "none");
    std::printf("size              %llu bytes, %.3f bits per value\n", bytes,
                8.0 * static_cast<double>(bytes) / static_cast<double>(info.n_rows * info.dim));
    std::printf("  codes           %llu bytes\n", codes);
    std::printf("  all the rest    %llu bytes: header, skeleton if any, a scale for each row, space for raw rows\n",
                bytes - codes);
    std::printf("the rows raw      %llu bytes\n", static_cast<unsigned long long>(info.raw_bytes));
    std::printf("certified error   %.3g\n", info.certified_error);
    std::printf("fingerprint       ");
    for (std::uint8_t byte : info.fingerprint) std::printf("%02x", byte);
    std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
    std::string path;
    CLI::App app("Prints the header of an encoded block and checks the block");
    app.add_option("file", path, "A file with one encoded block; without it, a block is made");
    CLI11_PARSE(app, argc, argv);

    try {
        std::vector<std::byte> block = path.empty() ? make_block() : read_block(path);
        const kakeya_block_info info = kakeya::read_info(block).value();
        print(info);
        const kakeya::Status whole = kakeya::verify(block);
        std::printf("the block         %s\n", whole.ok() ? "is whole" : whole.text().c_str());

        block[block.size() / 2] ^= std::byte{1};
        const kakeya::Status flipped = kakeya::verify(block);
        std::printf("one bit flipped   %s\n", flipped.ok() ? "goes unnoticed" : flipped.text().c_str());
        const bool has_checksum = (info.flags & KAKEYA_BLOCK_FLAG_CHECKSUM) != 0;
        return whole.ok() && !(has_checksum && flipped.ok()) ? 0 : 1;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        return 1;
    }
}
