// What the C++ adapter adds to the C API: owners that move, failures with their message, exceptions if they are
// chosen, and runners that may throw. Compiled without and with KAKEYA_CPP_EXCEPTIONS.
#include <kakeyaturbo/kakeyaturbo.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

int failed = 0;

void check_that(bool holds, const char* text, int line) {
    if (holds) return;
    std::printf("line %d: does not hold: %s\n", line, text);
    ++failed;
}
#define CHECK(...) check_that((__VA_ARGS__), #__VA_ARGS__, __LINE__)

template <class T>
constexpr bool moves_only = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
                            !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;
static_assert(moves_only<kakeya::Codec> && moves_only<kakeya::Workspace>);
static_assert(moves_only<kakeya::Skeleton> && moves_only<kakeya::Fitter>);
static_assert(moves_only<kakeya::Profile> && moves_only<kakeya::ProfileBuilder>);

constexpr std::size_t n_rows = 32, dim = 16;

std::vector<float> some_rows() {
    std::vector<float> x(n_rows * dim);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 257) / 64.0F - 2.0F;
    return x;
}

kakeya::Codec make_codec(kakeya::Params params = kakeya::Params()) {
    return kakeya::Codec::create(params, kakeya::Layout::single(dim)).value();
}

void same_bytes_as_the_c_calls() {
    const auto x = some_rows();
    const auto rows = kakeya::Rows::contiguous(x.data(), n_rows, dim);
    const kakeya::Codec codec = make_codec();
    kakeya::Workspace workspace = codec.workspace(n_rows).value();
    const std::vector<std::byte> block = codec.encode(workspace, rows).value();
    std::vector<std::byte> raw(codec.encode_bound(n_rows).value());
    const kakeya_rows raw_rows = rows.raw();
    std::size_t written = 0;
    CHECK(kakeya_encode(codec.raw(), workspace.raw(), &raw_rows, raw.data(), raw.size(), &written) == KAKEYA_OK);
    raw.resize(written);
    CHECK(raw == block);
    CHECK(codec.verify(block).ok() && kakeya::verify(block).ok());
    const kakeya_block_info info = kakeya::read_info(block).value();
    CHECK(info.n_rows == n_rows && info.dim == dim && info.bytes == block.size());
    const kakeya::Fingerprint fingerprint = codec.fingerprint().value();
    CHECK(std::equal(fingerprint.begin(), fingerprint.end(), info.fingerprint));

    std::vector<float> whole(x.size()), part(x.size());
    codec.decode(workspace, block, kakeya::RowsMut::contiguous(whole.data(), n_rows, dim)).value();
    codec.decode_rows(workspace, block, 5, 9, kakeya::RowsMut::contiguous(part.data(), 9, dim)).value();
    CHECK(std::equal(part.begin(), part.begin() + 9 * dim, whole.begin() + 5 * dim));
}

void owners_move() {
    kakeya::Codec first = make_codec();
    kakeya::Codec second = std::move(first);
    first = make_codec();
    CHECK(first.fingerprint().value() == second.fingerprint().value());
    kakeya::Workspace workspace = second.workspace(n_rows).value();
    workspace = first.workspace(n_rows).value();
    const auto x = some_rows();
    CHECK(first.encode(workspace, kakeya::Rows::contiguous(x.data(), n_rows, dim)).ok());
}

void failures_carry_their_message() {
    const auto made = kakeya::Codec::create(kakeya::Params().bits(9), kakeya::Layout::single(dim));
    CHECK(!made.ok() && made.status().code() == KAKEYA_ERR_BAD_PARAM);
    CHECK(std::string(made.status().name()) == "KAKEYA_ERR_BAD_PARAM");
    CHECK(!made.status().message().empty());
    CHECK(made.status().text().find(made.status().message()) != std::string::npos);
    const std::vector<std::byte> no_block(7);
    CHECK(!kakeya::read_info(no_block) && !kakeya::verify(no_block));
    CHECK(!kakeya::Skeleton::load(no_block));
    CHECK(kakeya::Status().ok() && kakeya::Status().message().empty());
}

void skeletons_are_saved_and_loaded() {
    const auto x = some_rows();
    const auto layout = kakeya::Layout::single(dim);
    const auto params = kakeya::Params().preset(kakeya::Preset::kakeya);
    auto fitter = kakeya::Fitter::create(params, layout).value();
    fitter.add_rows(kakeya::Rows::contiguous(x.data(), n_rows, dim)).value();
    const kakeya::Fit fit = fitter.finish().value();
    CHECK(fit.report.n_rows == n_rows);
    const auto bytes = fit.skeleton.save().value();
    const auto loaded = kakeya::Skeleton::load(bytes).value();
    CHECK(loaded.id().value() == fit.skeleton.id().value());
    const auto one = kakeya::Codec::create(params, layout, &fit.skeleton).value();
    const auto other = kakeya::Codec::create(params, layout, &loaded).value();
    CHECK(one.fingerprint().value() == other.fingerprint().value());
}

/* Rows of two segments, the first one with RoPE, and a builder whose stream 0 is fitted to them; stream 1 has no
 * skeleton. */
struct ProfileFixture {
    std::vector<float> x = some_rows();
    std::vector<std::int32_t> positions = std::vector<std::int32_t>(n_rows);
    kakeya::Rows rows{n_rows, {kakeya::View(x.data(), dim), kakeya::View(x.data() + dim / 2, dim)}};
    kakeya::Fingerprint model{};
    kakeya::Skeleton skeleton;
    kakeya::ProfileBuilder builder = kakeya::ProfileBuilder::create().value();

    ProfileFixture() : skeleton(fit()) {
        builder.add({{3}, {1}, kakeya::Part::kv}, joined(), &skeleton, rdo()).value();
        builder.add({{0}, {0, 1}, kakeya::Part::v}, {kakeya::Segment(4), kakeya::Segment(4)}, nullptr, {}).value();
        model[31] = 7;
        builder.set_model(model).value();
        builder.set_qualities({{"q4", 0.25F, 0.01, 1.5}, {"q2", 1.0F, 0.1, 0.75}}).value();
        builder.set_policy({4, 32, {0, 9}}).value();
        builder.set_description("some model").value();
        builder.set_step(2.0F).value();
        builder.set_step_factor(0, 0.5F).value();
    }

    static kakeya::Layout joined() {
        return {kakeya::Segment(dim / 2).gain(2.0F).rope(kakeya::Rope::neox, {1.0F, 0.5F}),
                kakeya::Segment(dim / 2).raw_dtype(kakeya::Dtype::f16)};
    }
    static kakeya::Params rdo() { return kakeya::Params().preset(kakeya::Preset::rdo).step(0.5F); }

private:
    kakeya::Skeleton fit() {
        rows.positions(positions.data());
        auto fitter = kakeya::Fitter::create(rdo(), joined()).value();
        fitter.add_rows(rows).value();
        return std::move(fitter.finish().value().skeleton);
    }
};

void profiles_say_what_they_were_made_from() {
    ProfileFixture fixture;
    kakeya::ProfileBuilder& builder = fixture.builder;
    const auto bytes = builder.finish().value().save().value();

    const auto profile = kakeya::Profile::load(bytes).value();
    CHECK(profile.saved_bytes().value() == bytes.size() && profile.save().value() == bytes);
    CHECK(profile.fingerprint().value() == builder.finish().value().fingerprint().value());
    CHECK(profile.model().value() == fixture.model && profile.description().value() == "some model");
    CHECK(profile.default_step().value() == 2.0F && profile.n_streams().value() == 2);
    const auto qualities = profile.qualities().value();
    CHECK(qualities.size() == 2 && qualities[1].name == "q2" && qualities[1].step == 1.0F);
    CHECK(qualities[1].mean_kld == 0.1 && qualities[1].bpv == 0.75);
    const kakeya::Policy policy = profile.policy().value();
    CHECK(policy.n_sinks == 4 && policy.n_recent == 32 && policy.raw_layers == std::vector<std::uint32_t>{0, 9});
    const kakeya::StreamKey key = profile.key(1).value();
    CHECK(key.layers == std::vector<std::uint32_t>{0} && key.heads == std::vector<std::uint32_t>{0, 1});
    CHECK(key.part == kakeya::Part::v && profile.stream(0).value().step_factor == 0.5F);
    CHECK(!profile.skeleton(1).value() && profile.skeleton(0).value()->id().value() == fixture.skeleton.id().value());
    const kakeya::Place place = profile.find(0, kakeya::Part::v, 1).value();
    CHECK(place.stream == 1 && place.segment == 1 && !profile.find(0, kakeya::Part::k, 1));

    CHECK(!kakeya::Profile::load(std::vector<std::byte>(7)));
}

void codecs_from_a_profile_have_the_rate_that_is_set() {
    ProfileFixture fixture;
    const auto profile = fixture.builder.finish().value();
    /* The codec that a caller would make from the parts of the profile. */
    const auto direct = [&](float step) {
        const auto params = profile.params(0).value();
        const auto skeleton = profile.skeleton(0).value();
        return kakeya::Codec::create(kakeya::Params(params).step(step), profile.layout(0).value(), &*skeleton)
            .value()
            .fingerprint()
            .value();
    };
    const auto given = [&](const kakeya::CodecOptions& options) {
        return profile.codec(0, options).value().fingerprint().value();
    };
    CHECK(given({}) == direct(1.0F));
    CHECK(given(kakeya::CodecOptions().quality("q4")) == direct(0.125F));
    CHECK(given(kakeya::CodecOptions().step(3.0F)) == direct(1.5F));
    CHECK(profile.codec(1, kakeya::CodecOptions().bits(2.0F)).ok());
    const auto capped = profile.codec(0, kakeya::CodecOptions().step(3.0F).max_bytes(500)).value();
    auto workspace = capped.workspace(n_rows).value();
    CHECK(capped.encode(workspace, fixture.rows).value().size() <= 500);
    CHECK(profile.codec(0, kakeya::CodecOptions().quality("q3")).status().code() == KAKEYA_ERR_BAD_PARAM);
    CHECK(profile.codec(0, kakeya::CodecOptions().cpu_tier(kakeya::CpuTier::scalar)).value().cpu_tier() ==
          kakeya::CpuTier::scalar);

}

void copies_of_profiles_can_be_changed() {
    ProfileFixture fixture;
    const auto profile = fixture.builder.finish().value();
    auto copy = kakeya::ProfileBuilder::from(profile).value();
    CHECK(copy.finish().value().save().value() == profile.save().value());
    CHECK(!copy.set_qualities({{std::string(32, 'x'), 1.0F, 0.0, 0.0}}));
    copy.set_qualities({}).value();
    copy.set_params(1, kakeya::Params().bits(7)).value();
    const auto changed = copy.finish().value();
    CHECK(changed.qualities().value().empty() && changed.params(1).value().raw().bits == 7.0F);
}

void runners_may_throw() {
    const auto x = some_rows();
    const kakeya::Codec codec = make_codec();
    std::vector<kakeya::Workspace> workspaces;
    workspaces.push_back(codec.workspace(n_rows).value());
    std::vector<std::byte> bytes(codec.encode_bound(n_rows).value());
    const std::vector<kakeya::EncodeItem> items{{kakeya::Rows::contiguous(x.data(), n_rows, dim), bytes}};
    const kakeya::Batch batch = kakeya::encode_batch(codec, workspaces, items);
    CHECK(batch.status.ok() && batch.items.size() == 1 && batch.items[0].bytes > 0);

    bool caught = false;
    try {
        const kakeya::Batch never = kakeya::encode_batch(
            codec, workspaces, items,
            [](std::size_t, std::size_t, kakeya::Task) { throw std::runtime_error("from the runner"); });
        CHECK(never.items.empty());
    } catch (const std::runtime_error& error) {
        caught = std::string(error.what()) == "from the runner";
    }
    CHECK(caught);
    /* The workspace is as good as before. */
    CHECK(codec.encode(workspaces[0], items[0].rows).ok());
}

void exceptions_if_chosen() {
#if defined(KAKEYA_CPP_EXCEPTIONS)
    bool caught = false;
    try {
        make_codec(kakeya::Params().bits(0));
    } catch (const kakeya::Error& error) {
        caught = error.code() == KAKEYA_ERR_BAD_PARAM && std::string(error.what()).find("KAKEYA_ERR_BAD_PARAM") == 0;
    }
    CHECK(caught);
#endif
}

}  // namespace

int main() {
    CHECK(kakeya::abi_matches() && kakeya::check_abi().ok());
    same_bytes_as_the_c_calls();
    owners_move();
    failures_carry_their_message();
    skeletons_are_saved_and_loaded();
    profiles_say_what_they_were_made_from();
    codecs_from_a_profile_have_the_rate_that_is_set();
    copies_of_profiles_can_be_changed();
    runners_may_throw();
    exceptions_if_chosen();
    std::printf("%d failed\n", failed);
    return failed == 0 ? 0 : 1;
}
