// One call of the codec on fixed rows, to count its instructions: a figure that a busy machine does not change.
//
//   bench_fixed prepare FOLDER           writes what the cases need
//   bench_fixed run FOLDER CASE TIER     prints the number of values that are coded
//
// valgrind --tool=callgrind --toggle-collect=kakeya_encode ... bench_fixed run ... counts nothing but that call.

#include "subject.hpp"
#include "files.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <map>
#include <optional>

namespace {

constexpr std::size_t kRows = 256;

std::string skeleton_file(const std::string& folder) { return folder + "/fixed.kks"; }

void prepare(const std::string& folder) { write_file(skeleton_file(folder), fit(Source(512)).save().value()); }

void run(const std::string& folder, const std::string& name, kakeya::CpuTier tier) {
    const bool is_turbo = name.rfind("turbo", 0) == 0;
    const Source source(is_turbo ? 128 : 512);
    std::optional<kakeya::Skeleton> skeleton;
    if (!is_turbo) skeleton = kakeya::Skeleton::load(read_file(skeleton_file(folder))).value();
    kakeya::Params params = is_turbo ? turbo(4) : rdo(0.4F);
    // Encodes once.
    Subject<kakeya::F16> subject(source, is_turbo ? single(128) : joined(512), params.cpu_tier(tier),
                                 skeleton ? &*skeleton : nullptr, kRows);
    std::size_t values = subject.values();
    // Rows of the first run: all, the second half, the last one.
    const std::map<std::string, std::size_t> firsts = {{"rdo-run", 0}, {"rdo-half", 64}, {"rdo-row", 127}};
    if (const auto part = firsts.find(name); part != firsts.end()) {
        const std::size_t count = 128 - part->second;
        values = count * source.dim();
        subject.decode_rows(part->second, subject.part(part->second, count));
    } else if (name.find("decode") != std::string::npos) {
        subject.decode();
    }
    std::printf("%zu\n", values);
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("One call of the codec on fixed rows");
    app.require_subcommand(1);
    std::string folder, name;
    kakeya::CpuTier tier = kakeya::CpuTier::scalar;
    CLI::App* first = app.add_subcommand("prepare", "Write what the cases need");
    CLI::App* second = app.add_subcommand("run", "Run a case");
    for (CLI::App* sub : {first, second}) sub->add_option("folder", folder)->required()->check(CLI::ExistingDirectory);
    second->add_option("case", name)->required()->check(
        CLI::IsMember({"turbo-encode", "turbo-decode", "rdo-encode", "rdo-decode", "rdo-run", "rdo-half", "rdo-row"}));
    second->add_option("tier", tier)->required()->transform(CLI::CheckedTransformer(
        std::map<std::string, kakeya::CpuTier>{{"scalar", kakeya::CpuTier::scalar}, {"avx2", kakeya::CpuTier::avx2}}));
    CLI11_PARSE(app, argc, argv);
    try {
        if (first->parsed()) prepare(folder);
        else run(folder, name, tier);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_fixed: %s\n", error.what());
        return 1;
    }
}
