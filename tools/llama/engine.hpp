// llama.cpp as these programs use it: a model, contexts that read a prompt, and the state of their one sequence.

#ifndef TOOLS_LLAMA_ENGINE_HPP
#define TOOLS_LLAMA_ENGINE_HPP

#include "files.hpp"

#include <kakeyaturbo/llama.hpp>

#include <llama.h>

#include <cstddef>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using Tokens = std::vector<llama_token>;

// A model in memory. Only errors of llama.cpp are shown.
class Model {
public:
    explicit Model(const std::string& file) {
        llama_log_set(
            [](ggml_log_level level, const char* text, void*) {
                if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
            },
            nullptr);
        llama_model_params params = llama_model_default_params();
        model_.reset(llama_model_load_from_file(file.c_str(), params));
        if (model_ == nullptr) throw std::runtime_error("llama.cpp cannot load " + file);
    }

    llama_model* raw() const { return model_.get(); }
    const llama_vocab* vocab() const { return llama_model_get_vocab(raw()); }
    std::size_t n_vocab() const { return static_cast<std::size_t>(llama_vocab_n_tokens(vocab())); }

    // The tokens of a text, after the token that begins a text, if the model has one.
    Tokens tokenize(const std::string& text) const {
        Tokens tokens(text.size() + 8);
        const int count = llama_tokenize(vocab(), text.data(), static_cast<int>(text.size()), tokens.data(),
                                         static_cast<int>(tokens.size()), true, false);
        if (count < 0) throw std::runtime_error("llama.cpp cannot tokenize the text");
        tokens.resize(static_cast<std::size_t>(count));
        return tokens;
    }

    // A value of the model's metadata, by its key without the architecture: "rope.freq_base".
    std::optional<std::string> metadata(const std::string& key) const {
        char value[256];
        if (llama_model_meta_val_str(raw(), "general.architecture", value, sizeof value) < 0) return std::nullopt;
        const std::string full = std::string(value) + "." + key;
        if (llama_model_meta_val_str(raw(), full.c_str(), value, sizeof value) < 0) return std::nullopt;
        return value;
    }
    std::optional<double> number(const std::string& key) const {
        const std::optional<std::string> text = metadata(key);
        return text ? std::optional(std::stod(*text)) : std::nullopt;
    }

private:
    struct Free {
        void operator()(llama_model* model) const { llama_model_free(model); }
    };
    std::unique_ptr<llama_model, Free> model_;
};

struct ContextOptions {
    std::size_t n_ctx = 1280;
    // Most tokens of one call, and most of them with logits.
    std::size_t n_batch = 512, n_outputs = 256;
    ggml_type type_k = GGML_TYPE_F16, type_v = GGML_TYPE_F16;
    bool flash_attention = true;
    int threads = 2;
    // Sees the nodes of the compute graph, if it is set.
    ggml_backend_sched_eval_callback observer = nullptr;
    void* observer_data = nullptr;
};

// A context with one sequence, number 0.
class Context {
public:
    Context(const Model& model, const ContextOptions& options) : n_vocab_(model.n_vocab()), batch_(options.n_batch) {
        llama_context_params params = llama_context_default_params();
        params.n_ctx = static_cast<std::uint32_t>(options.n_ctx);
        params.n_batch = params.n_ubatch = static_cast<std::uint32_t>(options.n_batch);
        params.n_outputs_max = static_cast<std::uint32_t>(options.n_outputs);
        params.n_threads = params.n_threads_batch = options.threads;
        params.type_k = options.type_k;
        params.type_v = options.type_v;
        params.flash_attn_type =
            options.flash_attention ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
        params.swa_full = false;
        params.cb_eval = options.observer;
        params.cb_eval_user_data = options.observer_data;
        context_.reset(llama_init_from_model(model.raw(), params));
        if (context_ == nullptr) throw std::runtime_error("llama.cpp cannot make a context");
    }

    // Forgets everything and reads `count` tokens at positions 0, 1, ...
    void prefill(const llama_token* tokens, std::size_t count) {
        llama_memory_clear(llama_get_memory(raw()), true);
        for (std::size_t at = 0; at < count; at += batch_) {
            decode(tokens + at, std::min(batch_, count - at), at, false);
        }
    }

    // Reads `count` tokens at positions `first`, first + 1, ... and gives the logits after each: [count, n_vocab], valid
    // until the next call.
    const float* logits(const llama_token* tokens, std::size_t count, std::size_t first) {
        decode(tokens, count, first, true);
        return llama_get_logits(raw());
    }

    // llama_state_seq_get_data.
    Bytes state() const {
        Bytes bytes(llama_state_seq_get_size(raw(), 0));
        const std::size_t size =
            llama_state_seq_get_data(raw(), reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size(), 0);
        if (size == 0 || size != bytes.size()) throw std::runtime_error("llama.cpp gives no state");
        return bytes;
    }

    // Forgets everything, then llama_state_seq_set_data.
    void restore(const Bytes& state) {
        llama_memory_clear(llama_get_memory(raw()), true);
        const auto* data = reinterpret_cast<const std::uint8_t*>(state.data());
        if (llama_state_seq_set_data(raw(), data, state.size(), 0) != state.size()) {
            throw std::runtime_error("llama.cpp does not take the state");
        }
    }

    llama_context* raw() const { return context_.get(); }
    std::size_t n_vocab() const { return n_vocab_; }

private:
    void decode(const llama_token* tokens, std::size_t count, std::size_t first, bool with_logits) {
        llama_batch batch = llama_batch_init(static_cast<std::int32_t>(count), 0, 1);
        batch.n_tokens = static_cast<std::int32_t>(count);
        for (std::size_t i = 0; i < count; ++i) {
            batch.token[i] = tokens[i];
            batch.pos[i] = static_cast<llama_pos>(first + i);
            batch.n_seq_id[i] = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i] = with_logits || i + 1 == count ? 1 : 0;
        }
        const int failed = llama_decode(raw(), batch);
        llama_batch_free(batch);
        if (failed != 0) throw std::runtime_error("llama_decode failed with " + std::to_string(failed));
    }

    struct Free {
        void operator()(llama_context* context) const { llama_free(context); }
    };
    std::unique_ptr<llama_context, Free> context_;
    std::size_t n_vocab_, batch_;
};

#endif  // TOOLS_LLAMA_ENGINE_HPP
