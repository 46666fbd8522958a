// Pages of a paged KV cache out to encoded blocks and back in, in place, into other pages.
//
// The cache is one allocation, bf16, [pages, 2, page_size, kv_heads, head_dim]: a page holds K, then V, of page_size
// tokens. Two ways to make rows of a page are shown:
//
//   heads   a row is one kv-head's K or V of one token. The page is contiguous, so it is 2 * page_size * kv_heads rows
//           of one segment. Preset turbo: nothing to fit.
//   tokens  a row is all that a page holds of one token: 2 * kv_heads segments, the K and the V of each kv-head, each
//           with a view of its own. K and V come from the same hidden state, so one basis serves both; a page is too
//           small to carry a basis, so one is fitted to some pages and shared. Preset kakeya.
//
// Fails if the error is too large, or if anything but the pages that were asked for has changed.

#define KAKEYA_CPP_EXCEPTIONS
#include <kakeyaturbo/kakeyaturbo.hpp>

#include "numbers.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>
#include <vector>

namespace {

constexpr std::size_t kPages = 64, kPageSize = 16, kKvHeads = 4, kHeadDim = 64;
constexpr std::size_t kTokenStride = kKvHeads * kHeadDim;  // elements from a token to the next
constexpr std::size_t kHalfPage = kPageSize * kTokenStride;  // K or V of a page
constexpr std::size_t kPageValues = 2 * kHalfPage;

using Cache = std::vector<kakeya::BF16>;

// K and V as different linear images of hidden states, plus noise: what makes them compressible together. V is ten
// times smaller than K.
Cache make_cache() {
    constexpr std::size_t hidden = 96, row = 2 * kTokenStride;
    const std::vector<float> states = gaussian_like(kPages * kPageSize * hidden, 1);
    const std::vector<float> images = gaussian_like(row * hidden, 2);
    const std::vector<float> noise = gaussian_like(kPages * kPageValues, 3);
    Cache cache(kPages * kPageValues);
    for (std::size_t i = 0; i < cache.size(); ++i) {
        const std::size_t page = i / kPageValues, v = i % kPageValues / kHalfPage, token = i % kHalfPage / kTokenStride;
        const float* state = &states[(page * kPageSize + token) * hidden];
        const float* image = &images[(v * kTokenStride + i % kTokenStride) * hidden];
        float value = noise[i];
        for (std::size_t j = 0; j < hidden; ++j) value += state[j] * image[j];
        cache[i] = to_bf16(v == 0 ? value : 0.1F * value);
    }
    return cache;
}

// One of the two ways: a codec, and how a page becomes rows.
struct Scheme {
    const char* name;
    kakeya::Codec codec;
    std::size_t rows_per_page;
    std::function<kakeya::Rows(const kakeya::BF16* page)> read;
    std::function<kakeya::RowsMut(kakeya::BF16* page)> write;
};

Scheme heads_scheme() {
    constexpr std::size_t n_rows = 2 * kPageSize * kKvHeads;
    auto params = kakeya::Params().preset(kakeya::Preset::turbo).bits(4);
    return {"heads", kakeya::Codec::create(params, kakeya::Layout::single(kHeadDim)).value(), n_rows,
            [](const kakeya::BF16* page) { return kakeya::Rows::contiguous(page, n_rows, kHeadDim); },
            [](kakeya::BF16* page) { return kakeya::RowsMut::contiguous(page, n_rows, kHeadDim); }};
}

// The views of a page, K of every kv-head, then V of every kv-head; rows are tokens.
template <class View, class Element>
std::vector<View> token_views(Element* page) {
    std::vector<View> views;
    for (std::size_t segment = 0; segment < 2 * kKvHeads; ++segment) {
        Element* first = page + segment / kKvHeads * kHalfPage + segment % kKvHeads * kHeadDim;
        views.emplace_back(first, static_cast<std::ptrdiff_t>(kTokenStride));
    }
    return views;
}

Scheme tokens_scheme(const Cache& cache) {
    // The gains bring V to the size of K: the codec spends its error where the energy is.
    std::vector<kakeya::Segment> segments(kKvHeads, kakeya::Segment(kHeadDim));
    segments.insert(segments.end(), kKvHeads, kakeya::Segment(kHeadDim).gain(10));
    const kakeya::Layout layout(segments);
    const auto params = kakeya::Params().preset(kakeya::Preset::kakeya).bits(4).variance_ratio(0.995F);
    const auto read = [](const kakeya::BF16* page) {
        return kakeya::Rows(kPageSize, token_views<kakeya::View>(page));
    };
    auto fitter = kakeya::Fitter::create(params, layout).value();
    for (std::size_t page = 0; page < kPages; ++page) fitter.add_rows(read(&cache[page * kPageValues])).value();
    const kakeya::Fit fit = fitter.finish().value();
    std::printf("fitted on %llu rows: %zu of %zu components, skeleton of %llu bytes for all pages\n",
                static_cast<unsigned long long>(fit.report.n_rows), fit.report.rank, 2 * kTokenStride,
                static_cast<unsigned long long>(fit.report.skeleton_bytes));
    return {"tokens", kakeya::Codec::create(params, layout, &fit.skeleton).value(), kPageSize, read,
            [](kakeya::BF16* page) { return kakeya::RowsMut(kPageSize, token_views<kakeya::ViewMut>(page)); }};
}

// Pages 3, 10, 11 and 40 go out; they come in again where pages 20 to 23 were. The cache is this function's own.
bool page_out_and_in(const Scheme& scheme, Cache cache) {
    const std::vector<std::size_t> out{3, 10, 11, 40}, in{20, 21, 22, 23};
    auto workspace = scheme.codec.workspace(scheme.rows_per_page).value();
    std::vector<std::vector<std::byte>> blocks;
    std::size_t bytes = 0;
    for (std::size_t page : out) {
        blocks.push_back(scheme.codec.encode(workspace, scheme.read(&cache[page * kPageValues])).value());
        bytes += blocks.back().size();
    }
    const Cache before = cache;
    for (std::size_t i = 0; i < in.size(); ++i) {
        scheme.codec.decode(workspace, blocks[i], scheme.write(&cache[in[i] * kPageValues])).value();
    }

    SquaredError keys, values;
    for (std::size_t i = 0; i < in.size(); ++i) {
        for (std::size_t j = 0; j < kPageValues; ++j) {
            const float original = to_float(before[out[i] * kPageValues + j]);
            (j < kHalfPage ? keys : values).add(original, to_float(cache[in[i] * kPageValues + j]));
        }
    }
    bool untouched = true;
    for (std::size_t i = 0; i < cache.size(); ++i) {
        const bool paged_in = std::find(in.begin(), in.end(), i / kPageValues) != in.end();
        untouched = untouched && (paged_in || cache[i] == before[i]);
    }
    const bool close = keys.relative() < 0.03 && values.relative() < 0.03;
    std::printf("%-6s  %zu pages in %zu bytes: %.3f bits per value, error of K %.5f, of V %.5f; other pages %s\n",
                scheme.name, out.size(), bytes,
                8.0 * static_cast<double>(bytes) / static_cast<double>(out.size() * kPageValues), keys.relative(),
                values.relative(), untouched ? "untouched" : "CHANGED");
    return close && untouched;
}

}  // namespace

int main() {
    try {
        const Cache cache = make_cache();
        const bool heads = page_out_and_in(heads_scheme(), cache);
        const bool tokens = page_out_and_in(tokens_scheme(cache), cache);
        return heads && tokens ? 0 : 1;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        return 1;
    }
}
