// The adapter for llama.cpp on states of every shape that it knows: what parse() finds, sessions there and back, and
// what is refused.
// Compiled under the sanitizers; exceptions are on, so that a forgotten failure ends the program.
#include "llama_profile.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

namespace llama = kakeya::llama;
using Bytes = std::vector<std::byte>;

int failed = 0;

void check_that(bool holds, const char* text, int line, const char* of) {
    if (holds) return;
    std::printf("line %d: %s: does not hold: %s\n", line, of, text);
    std::fflush(stdout);
    ++failed;
}
#define CHECK(...) check_that((__VA_ARGS__), #__VA_ARGS__, __LINE__, name)

constexpr std::size_t kRows = 24;

struct Case {
    const char* name;
    StateShape shape;
};

// Every shape that differs in what is written.
std::vector<Case> cases() {
    CacheShape plain;
    plain.positions = counting(kRows);
    const auto with = [&](auto&& change) {
        CacheShape cache = plain;
        change(cache);
        return StateShape{{cache}, false, 0, false, 0, {}};
    };
    std::vector<Case> list{
        {"f16", with([](CacheShape&) {})},
        {"bf16", with([](CacheShape& c) { c.type_k = c.type_v = 30; })},
        {"f32", with([](CacheShape& c) { c.type_k = c.type_v = 0; })},
        {"f16 and f32", with([](CacheShape& c) { c.type_v = 0; })},
        {"transposed V", with([](CacheShape& c) { c.transposed = true; })},
        {"positions with gaps, out of order", with([](CacheShape& c) {
             for (std::int32_t& p : c.positions) p = 1000 - 37 * p;
         })},
        {"one row", with([](CacheShape& c) { c.positions = {5}; })},
        {"V of one layer", with([](CacheShape& c) { c.values = 1; })},
        {"no V", with([](CacheShape& c) { c.values = 0; })},
    };
    StateShape two = list[0].shape;
    two.caches.push_back(two.caches[0]);
    two.caches[1].layers = two.caches[1].values = 3;
    two.caches[1].positions.erase(two.caches[1].positions.begin(), two.caches[1].positions.begin() + 10);
    list.push_back({"global and sliding-window", two});
    StateShape file = two;
    file.is_file = true;
    file.n_tokens = kRows;
    list.push_back({"a file", file});
    StateShape old = list[0].shape;
    old.old = true;
    list.push_back({"old version", old});
    StateShape streams = list[0].shape;
    streams.empty_streams = 2;
    list.push_back({"empty streams", streams});
    StateShape tail = list[0].shape;
    tail.tail = Bytes(50, std::byte{0xEE});
    list.push_back({"a tail", tail});
    return list;
}

void what_was_written_is_found() {
    for (const auto& [name, shape] : cases()) {
        const Bytes bytes = StateWriter(shape).bytes();
        const auto parsed = llama::parse(bytes);
        CHECK(parsed.ok());
        if (!parsed) continue;
        const llama::State& state = parsed.value();
        CHECK(state.is_file == shape.is_file && state.n_tokens == shape.n_tokens && state.bytes == bytes.size());
        CHECK(state.tail == bytes.size() - shape.tail.size());
        CHECK(state.caches.size() == shape.caches.size());
        for (std::size_t c = 0; c < std::min(state.caches.size(), shape.caches.size()); ++c) {
            const CacheShape& cache = shape.caches[c];
            CHECK(state.caches[c].streams.size() == shape.empty_streams + 1);
            const llama::Stream& stream = state.caches[c].streams.back();
            CHECK(stream.positions == cache.positions);
            CHECK(stream.keys.size() == cache.layers && stream.values.size() == cache.values);
            for (const llama::Tensor& key : stream.keys) CHECK(key.width == cache.width && !key.transposed);
            for (const llama::Tensor& value : stream.values) {
                CHECK(value.width == cache.width && value.transposed == cache.transposed);
                CHECK(value.cells == cache.positions.size());
            }
        }
    }
}

// Largest difference of keys and values; everything else must be the same.
double largest_difference(const char* name, const Bytes& a, const Bytes& b) {
    double largest = 0;
    CHECK(a.size() == b.size());
    if (a.size() != b.size()) return 1e9;
    Bytes rest_a = a, rest_b = b;
    llama::parse(a).value().each_tensor([&](std::size_t, std::size_t, bool, std::size_t, const llama::Tensor& tensor) {
        for (std::size_t i = 0; i < tensor.values(); ++i) {
            const float difference = read_value(a, tensor, i) - read_value(b, tensor, i);
            largest = std::max(largest, std::abs(static_cast<double>(difference)));
        }
        if (!tensor.dtype) return;
        std::fill_n(rest_a.begin() + static_cast<std::ptrdiff_t>(tensor.offset), tensor.bytes, std::byte{});
        std::fill_n(rest_b.begin() + static_cast<std::ptrdiff_t>(tensor.offset), tensor.bytes, std::byte{});
    });
    CHECK(rest_a == rest_b);
    return largest;
}

void sessions_come_back() {
    for (const auto& [name, shape] : cases()) {
        const Bytes state = StateWriter(shape).bytes();
        const kakeya::Profile profile = profile_of(shape);
        const Bytes session = llama::compress(state, profile).value();
        const Bytes back = llama::restore(session, profile).value();
        const double difference = largest_difference(name, state, back);
        // A row is off by at most 0.625 steps times the root of its length, and is rounded to its type.
        // A single row is its own mean.
        CHECK(difference < 0.0625 + 0.016 && (difference > 0) == (shape.caches[0].positions.size() > 1));
        const llama::SessionInfo info = llama::inspect(session).value();
        CHECK(info.session_bytes == session.size() && info.state_bytes == state.size());
        CHECK(info.step == 0.02F && info.bits == 0 && info.profile == profile.fingerprint().value());
        CHECK(info.restored == kakeya::hash(back).value());
        CHECK(info.n_blocks > 0 && info.values == llama::parse(state).value().values());
        // What came back is compressed to the same rows again.
        const Bytes again = llama::compress(back, profile).value();
        CHECK(largest_difference(name, back, llama::restore(again, profile).value()) < 0.0625 + 0.016);
    }
}

void rates_are_kept() {
    const auto [name, shape] = cases()[0];
    const Bytes state = StateWriter(shape).bytes();
    const kakeya::Profile profile = profile_of(shape);
    const auto info_with = [&, name = name](const kakeya::CodecOptions& options) {
        const Bytes session = llama::compress(state, profile, options).value();
        CHECK(llama::restore(session, profile).ok());
        return llama::inspect(session).value();
    };
    const auto fine = info_with(kakeya::CodecOptions()), coarse = info_with(kakeya::CodecOptions().quality("coarse"));
    CHECK(coarse.step == 0.2F && coarse.block_bytes < fine.block_bytes);
    const auto bits = info_with(kakeya::CodecOptions().bits(2));
    CHECK(bits.step == 0 && bits.bits == 2);
    const auto capped = info_with(kakeya::CodecOptions().step(0.001F).max_bytes(600));
    CHECK(capped.max_bytes == 600 && capped.block_bytes <= 600);
    CHECK(!llama::compress(state, profile, kakeya::CodecOptions().quality("none such")).ok());
    CHECK(!llama::compress(state, profile, kakeya::CodecOptions().bits(99)).ok());
}

void threads_change_nothing() {
    const auto [name, shape] = cases()[9];
    const Bytes state = StateWriter(shape).bytes();
    const kakeya::Profile profile = profile_of(shape);
    const auto on_threads = [](std::size_t n, const auto& work) {
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < n; ++i) threads.emplace_back([&work, i] { work(i); });
        for (std::thread& thread : threads) thread.join();
    };
    const Bytes session = llama::compress(state, profile, {}, on_threads).value();
    CHECK(session == llama::compress(state, profile).value());
    CHECK(llama::restore(session, profile, on_threads).value() == llama::restore(session, profile).value());
}

// Protected rows come back as they were.
void protected_rows_are_kept() {
    auto list = cases();
    const char* name = "policy";
    kakeya::Policy policy;
    policy.n_sinks = 2;
    policy.n_recent = 3;
    const StateShape& shape = list[0].shape;
    const Bytes state = StateWriter(shape).bytes();
    const kakeya::Profile sinks = profile_of(shape, 0.2F, policy);
    const Bytes back = llama::restore(llama::compress(state, sinks).value(), sinks).value();
    const llama::State parsed = llama::parse(state).value();
    parsed.each_tensor([&](std::size_t, std::size_t, bool is_value, std::size_t, const llama::Tensor& tensor) {
        double middle = 0;
        for (std::size_t i = 0; i < tensor.values(); ++i) {
            const std::size_t row = i / tensor.width;
            const float difference = read_value(state, tensor, i) - read_value(back, tensor, i);
            const double off = std::abs(static_cast<double>(difference));
            const bool kept = row < 2 || row >= kRows - 3;
            // Keys are turned back and forth, so they are rounded twice.
            if (kept) CHECK(off <= (is_value ? 0 : 0.002));
            if (!kept) middle = std::max(middle, off);
        }
        CHECK(middle > 0.01);
    });

}

void raw_layers_are_kept() {
    auto list = cases();
    const char* name = "raw layers";
    kakeya::Policy policy;
    policy.raw_layers = {0, 1};
    const StateShape& two = list[9].shape;
    const Bytes both = StateWriter(two).bytes();
    const kakeya::Profile raw = profile_of(two, 0.2F, policy);
    const Bytes session = llama::compress(both, raw).value(), same = llama::restore(session, raw).value();
    CHECK(llama::inspect(session).value().n_blocks == 1);
    const llama::State parsed = llama::parse(both).value();
    parsed.each_tensor([&](std::size_t c, std::size_t, bool, std::size_t, const llama::Tensor& tensor) {
        const auto first = static_cast<std::ptrdiff_t>(tensor.offset);
        const auto last = first + static_cast<std::ptrdiff_t>(tensor.bytes);
        CHECK(std::equal(both.begin() + first, both.begin() + last, same.begin() + first) == (c == 0));
    });

}

void quantised_tensors_are_kept() {
    auto list = cases();
    const char* name = "quantised";
    StateShape quantised = list[0].shape;
    quantised.caches[0].width = 32;
    quantised.caches[0].type_k = quantised.caches[0].type_v = 8;
    const Bytes as_it_was = StateWriter(quantised).bytes();
    const kakeya::Profile any = profile_of(quantised);
    CHECK(llama::restore(llama::compress(as_it_was, any).value(), any).value() == as_it_was);
}

void damage_is_noticed() {
    const auto [name, shape] = cases()[10];
    const Bytes state = StateWriter(shape).bytes();
    const kakeya::Profile profile = profile_of(shape);
    const Bytes session = llama::compress(state, profile).value();
    for (std::size_t size = 0; size < session.size(); ++size) {
        const auto cut = kakeya::span<const std::byte>(session).first(size);
        CHECK(!llama::inspect(cut).ok() && !llama::restore(cut, profile).ok());
    }
    for (std::size_t at = 0; at < session.size(); ++at) {
        Bytes flipped = session;
        flipped[at] ^= std::byte{1} << at % 8;
        CHECK(!llama::inspect(flipped).ok());
    }
    Bytes longer = session;
    longer.push_back({});
    CHECK(llama::inspect(longer).status().code() == KAKEYA_ERR_CORRUPT);
    CHECK(llama::inspect(state).status().code() == KAKEYA_ERR_UNSUPPORTED);
    CHECK(llama::compress(session, profile).status().code() == KAKEYA_ERR_UNSUPPORTED);

    // Nor is damage believed under a hash that matches: no crash, no access beyond the bytes.
    for (std::size_t at = 0; at + 32 < session.size() && at < 1200; ++at) {
        for (unsigned bits : {0xFFU, 0x01U, 0x80U}) {
            Bytes forged = session;
            forged[at] ^= static_cast<std::byte>(bits);
            const auto body = kakeya::span<const std::byte>(forged).first(forged.size() - 32);
            const kakeya::Fingerprint hash = kakeya::hash(body).value();
            std::memcpy(forged.data() + forged.size() - 32, hash.data(), 32);
            const auto back = llama::restore(forged, profile);
            CHECK(!back.ok() || back.value().size() == state.size());
        }
    }
}

void states_are_never_misread() {
    for (const Case& of : cases()) {
        const char* name = of.name;
        const Bytes bytes = StateWriter(of.shape).bytes();
        const std::size_t values = llama::parse(bytes).value().values(), stride = bytes.size() > 3000 ? 7 : 1;
        for (std::size_t size = 0; size < bytes.size(); size += stride) {
            const auto state = llama::parse(kakeya::span<const std::byte>(bytes).first(size));
            if (!state) continue;
            // What is found lies within the bytes, and is no more than was written.
            CHECK(state.value().values() <= values && state.value().tail <= size);
            state.value().each_tensor([&](std::size_t, std::size_t, bool, std::size_t, const llama::Tensor& tensor) {
                CHECK(tensor.offset + tensor.bytes <= size);
            });
        }
        for (std::size_t at = 0; at < bytes.size(); at += stride) {
            Bytes flipped = bytes;
            flipped[at] ^= std::byte{0x80};
            const auto state = llama::parse(flipped);
            if (!state) continue;
            state.value().each_tensor([&](std::size_t, std::size_t, bool, std::size_t, const llama::Tensor& tensor) {
                CHECK(tensor.offset + tensor.bytes <= bytes.size());
            });
        }
    }
}

void other_profiles_are_refused() {
    auto list = cases();
    const char* name = "other profiles";
    const StateShape& shape = list[0].shape;
    const Bytes state = StateWriter(shape).bytes();
    const kakeya::Profile profile = profile_of(shape);
    const Bytes session = llama::compress(state, profile).value();
    // Fitted to other rows of the same model.
    StateShape elsewhere = shape;
    for (std::int32_t& position : elsewhere.caches[0].positions) position += 500;
    CHECK(llama::restore(session, profile_of(elsewhere)).status().code() == KAKEYA_ERR_WRONG_CODEC);
    // Made for models of other shapes.
    for (std::size_t other : {7U, 9U}) {
        const kakeya::Profile foreign = profile_of(list[other].shape);
        CHECK(!llama::compress(state, foreign).ok());
        CHECK(!llama::restore(session, foreign).ok());
    }
    StateShape wide = shape;
    wide.caches[0].width = 16;
    CHECK(llama::compress(state, profile_of(wide)).status().code() == KAKEYA_ERR_BAD_SHAPE);
    CHECK(llama::compress(StateWriter(wide).bytes(), profile).status().code() == KAKEYA_ERR_BAD_SHAPE);
    // A copy of the profile with another table of qualities has the same codecs.
    auto builder = kakeya::ProfileBuilder::from(profile).value();
    builder.set_qualities({}).value();
    CHECK(llama::restore(session, builder.finish().value()).ok());
}

}  // namespace

int main() {
    what_was_written_is_found();
    sessions_come_back();
    rates_are_kept();
    threads_change_nothing();
    protected_rows_are_kept();
    raw_layers_are_kept();
    quantised_tensors_are_kept();
    damage_is_noticed();
    states_are_never_misread();
    other_profiles_are_refused();
    return failed == 0 ? 0 : 1;
}
