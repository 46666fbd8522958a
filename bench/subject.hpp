// A codec with rows to encode, the block of them, and a place to decode to.

#ifndef BENCH_SUBJECT_HPP
#define BENCH_SUBJECT_HPP

#include "synthetic.hpp"

#include <kakeyaturbo/kakeyaturbo.hpp>

#include <cmath>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using Bytes = std::vector<std::byte>;

// T is the element type of the tensors on both sides.
template <class T>
class Subject {
public:
    Subject(const Source& source, const std::vector<TensorShape>& shapes, const kakeya::Params& params,
            const kakeya::Skeleton* skeleton, std::size_t n)
        : dim_(source.dim()), tensors_(shapes, source.rows(n, 2), dim_), decoded_(shapes, n),
          codec_(kakeya::Codec::create(params, layout_of(shapes), skeleton).value()),
          workspace_(codec_.workspace(n).value()), block_(codec_.encode_bound(n).value()), rows_(tensors_.rows()),
          all_(decoded_.rows_mut(0, n)) {
        encode();
    }
    Subject(const Subject&) = delete;
    Subject& operator=(const Subject&) = delete;

    void encode() { size_ = codec_.encode(workspace_, rows_, block_).value(); }
    void decode() { codec_.decode(workspace_, block(), all_).value(); }
    // Rows `first`, first + 1, ... to the start of the tensors.
    void decode_rows(std::size_t first, const kakeya::RowsMut& rows) {
        codec_.decode_rows(workspace_, block(), first, rows.raw().n_rows, rows).value();
    }
    kakeya::RowsMut part(std::size_t first, std::size_t count) { return decoded_.rows_mut(first, count); }

    std::size_t values() const { return dim_ * tensors_.n(); }
    double bpv() const { return 8 * static_cast<double>(size_) / static_cast<double>(values()); }
    // As the block states it: relative, squared.
    double error() const { return kakeya::read_info(block()).value().certified_error; }
    const kakeya::Codec& codec() const { return codec_; }
    const kakeya::Rows& rows() const { return rows_; }
    kakeya::span<const std::byte> block() const { return {block_.data(), size_}; }

private:
    std::size_t dim_;
    Tensors<T> tensors_, decoded_;
    kakeya::Codec codec_;
    kakeya::Workspace workspace_;
    Bytes block_;
    kakeya::Rows rows_;
    kakeya::RowsMut all_;
    std::size_t size_ = 0;
};

inline kakeya::Params turbo(double bits) { return kakeya::Params().preset(kakeya::Preset::turbo).bits(bits); }
inline kakeya::Params rdo(float step) { return kakeya::Params().preset(kakeya::Preset::rdo).step(step).kmeans(0); }

// A skeleton of joined rows, fitted to other ones than are coded.
inline kakeya::Skeleton fit(const Source& source) {
    const std::vector<TensorShape> shapes = joined(source.dim());
    const Tensors<kakeya::F16> rows(shapes, source.rows(std::max<std::size_t>(2048, 4 * source.dim()), 3), source.dim());
    auto fitter = kakeya::Fitter::create(rdo(0.5F), layout_of(shapes)).value();
    fitter.add_rows(rows.rows()).value();
    return std::move(fitter.finish().value().skeleton);
}

// Rows of one width with what rdo needs: made when they are first asked for.
class Width {
public:
    static Width& of(std::size_t dim) {
        static std::map<std::size_t, std::unique_ptr<Width>> known;
        std::unique_ptr<Width>& width = known[dim];
        if (width == nullptr) width.reset(new Width(dim));
        return *width;
    }

    const Source& source() const { return source_; }
    const kakeya::Skeleton& skeleton() const { return skeleton_; }
    // At which a block of 1,024 rows has 1.5 bits per value, within half a percent.
    float step() const { return step_; }

    std::unique_ptr<Subject<kakeya::F16>> rdo_subject(std::size_t n) const {
        return std::make_unique<Subject<kakeya::F16>>(source_, joined(source_.dim()), rdo(step_), &skeleton_, n);
    }
    template <class T>
    std::unique_ptr<Subject<T>> turbo_subject(double bits, std::size_t n) const {
        return std::make_unique<Subject<T>>(source_, single(source_.dim()), turbo(bits), nullptr, n);
    }

private:
    explicit Width(std::size_t dim) : source_(dim), skeleton_(fit(source_)) {
        const Tensors<kakeya::F16> rows(joined(dim), source_.rows(1024, 2), dim);
        double low = 0.01, high = 10;
        for (int i = 0; i < 20; ++i) {
            step_ = static_cast<float>(std::sqrt(low * high));
            const auto codec = kakeya::Codec::create(rdo(step_), layout_of(joined(dim)), &skeleton_).value();
            auto workspace = codec.workspace(rows.n()).value();
            const double bytes = static_cast<double>(codec.encode(workspace, rows.rows()).value().size());
            const double bpv = 8 * bytes / static_cast<double>(rows.n() * dim);
            if (std::abs(bpv - 1.5) < 0.0075) break;
            (bpv > 1.5 ? low : high) = static_cast<double>(step_);
        }
    }

    Source source_;
    kakeya::Skeleton skeleton_;
    float step_ = 0;
};

#endif  // BENCH_SUBJECT_HPP
