// What engines do with a cache today, and what bounds everybody: as pairs of functions over the same rows.

#ifndef BENCH_RIVALS_HPP
#define BENCH_RIVALS_HPP

#include <cblas.h>
#include <ggml-cpu.h>
#include <ggml.h>
#include <lz4.h>
#include <zstd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

// Two directions of a format. Without the second one `back` is empty.
struct Rival {
    std::string name, to_op, back_op;
    std::function<void()> to, back;
    double bytes = 0;
};

// Rows [n, d], as f16 and as f32. Functions keep what they work on.
inline std::vector<Rival> rivals(const std::uint16_t* half, std::size_t count) {
    struct Buffers {
        std::vector<std::uint16_t> f16, f16_back;
        std::vector<float> f32, f32_back;
    };
    auto b = std::make_shared<Buffers>();
    b->f16.assign(half, half + count), b->f16_back.resize(count);
    b->f32.resize(count), b->f32_back.resize(count);
    const auto n = static_cast<std::int64_t>(count);
    ggml_cpu_init();
    ggml_cpu_fp16_to_fp32(b->f16.data(), b->f32.data(), n);

    std::vector<Rival> list;
    list.push_back({"memcpy of f16", "copy", "", [b] { std::memcpy(b->f16_back.data(), b->f16.data(), 2 * b->f16.size()); }, {},
                    2.0 * static_cast<double>(count)});
    list.push_back({"f16", "encode", "decode", [b, n] { ggml_cpu_fp32_to_fp16(b->f32.data(), b->f16_back.data(), n); },
                    [b, n] { ggml_cpu_fp16_to_fp32(b->f16.data(), b->f32_back.data(), n); }, 2.0 * static_cast<double>(count)});

    // As engines call them: from_float of the CPU backend writes a quantised cache, to_float is what reads one.
    for (ggml_type type : {GGML_TYPE_Q4_0, GGML_TYPE_Q8_0, GGML_TYPE_IQ4_NL}) {
        const auto to = ggml_get_type_traits_cpu(type)->from_float;
        const auto back = ggml_get_type_traits(type)->to_float;
        const std::size_t bytes = ggml_row_size(type, n);
        auto blocks = std::make_shared<std::vector<std::uint8_t>>(bytes);
        to(b->f32.data(), blocks->data(), n);
        list.push_back({std::string("ggml ") + ggml_type_name(type), "encode", "decode",
                        [b, n, to, blocks] { to(b->f32.data(), blocks->data(), n); },
                        [b, n, back, blocks] { back(blocks->data(), b->f32_back.data(), n); }, static_cast<double>(bytes)});
    }

    struct Packed {
        std::vector<char> bytes;
        std::size_t size = 0;
    };
    const std::size_t raw = 2 * count;
    auto zstd = std::make_shared<Packed>();
    zstd->bytes.resize(ZSTD_compressBound(raw));
    const auto zstd_to = [b, zstd, raw] {
        zstd->size = ZSTD_compress(zstd->bytes.data(), zstd->bytes.size(), b->f16.data(), raw, 1);
        if (ZSTD_isError(zstd->size) != 0) throw std::runtime_error("zstd fails");
    };
    zstd_to();
    list.push_back({"zstd -1 of f16", "encode", "decode", zstd_to,
                    [b, zstd, raw] { ZSTD_decompress(b->f16_back.data(), raw, zstd->bytes.data(), zstd->size); },
                    static_cast<double>(zstd->size)});
    auto lz4 = std::make_shared<Packed>();
    lz4->bytes.resize(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(raw))));
    const auto lz4_to = [b, lz4, raw] {
        lz4->size = static_cast<std::size_t>(LZ4_compress_default(reinterpret_cast<const char*>(b->f16.data()), lz4->bytes.data(),
                                                                  static_cast<int>(raw), static_cast<int>(lz4->bytes.size())));
    };
    lz4_to();
    list.push_back({"lz4 of f16", "encode", "decode", lz4_to,
                    [b, lz4, raw] {
                        LZ4_decompress_safe(lz4->bytes.data(), reinterpret_cast<char*>(b->f16_back.data()),
                                            static_cast<int>(lz4->size), static_cast<int>(raw));
                    },
                    static_cast<double>(lz4->size)});
    return list;
}

// The f32 product [n, d] x [d, d] that a transform by floats takes, by OpenBLAS and by ggml, on one thread.
class Product {
public:
    Product(std::size_t n, std::size_t d) : n_(static_cast<int>(n)), d_(static_cast<int>(d)), out_(n * d) {
        const std::size_t memory = sizeof(float) * (d * d + 2 * n * d) + (std::size_t{1} << 20);
        context_.reset(ggml_init({memory, nullptr, false}));
        basis_ = ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, d_, d_);
        rows_ = ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, d_, n_);
        fill(basis_), fill(rows_);
        graph_ = ggml_new_graph(context_.get());
        ggml_build_forward_expand(graph_, ggml_mul_mat(context_.get(), basis_, rows_));
        plan_ = ggml_graph_plan(graph_, 1, nullptr);
        work_.resize(plan_.work_size + 64);
        plan_.work_data = work_.data();
    }

    void by_ggml() {
        if (ggml_graph_compute(graph_, &plan_) != GGML_STATUS_SUCCESS) throw std::runtime_error("ggml fails");
    }
    void by_openblas() {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n_, d_, d_, 1, static_cast<const float*>(rows_->data), d_,
                    static_cast<const float*>(basis_->data), d_, 0, out_.data(), d_);
    }

private:
    struct Free {
        void operator()(ggml_context* context) const { ggml_free(context); }
    };

    static void fill(ggml_tensor* tensor) {
        auto* values = static_cast<float*>(tensor->data);
        for (std::int64_t i = 0; i < ggml_nelements(tensor); ++i) values[i] = static_cast<float>(i % 17 - 8) / 8;
    }

    int n_, d_;
    std::unique_ptr<ggml_context, Free> context_;
    ggml_tensor *basis_ = nullptr, *rows_ = nullptr;
    ggml_cgraph* graph_ = nullptr;
    ggml_cplan plan_{};
    std::vector<std::uint8_t> work_;
    std::vector<float> out_;
};

#endif  // BENCH_RIVALS_HPP
