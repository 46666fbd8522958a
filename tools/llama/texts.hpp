// Texts: a folder per domain with files of UTF-8 text, and the passages cut out of them.

#ifndef TOOLS_LLAMA_TEXTS_HPP
#define TOOLS_LLAMA_TEXTS_HPP

#include "engine.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

struct Text {
    // The folder's name and the file's, without its extension.
    std::string domain, name;
    std::string text;
};

// Every .txt file of every folder in `root`, or of `root` itself (whose name is the domain then), in the order of names.
inline std::vector<Text> read_texts(const std::string& root) {
    namespace fs = std::filesystem;
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
        if (entry.is_regular_file() && entry.path().extension() == ".txt") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    std::vector<Text> texts;
    for (const fs::path& file : files) {
        std::ifstream in(file, std::ios::binary);
        std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
        texts.push_back({file.parent_path().filename().string(), file.stem().string(), std::move(text)});
    }
    if (texts.empty()) throw std::runtime_error("no .txt file in " + root);
    return texts;
}

// `length` tokens of a text.
struct Passage {
    std::string domain, name;
    Tokens tokens;
};

// The first passages of each text, at most `per_text` and without overlap, each after the token that begins a text, if the
// model has one. Texts that are too short give none.
inline std::vector<Passage> passages(const Model& model, const std::vector<Text>& texts, std::size_t length,
                                     std::size_t per_text) {
    std::vector<Passage> found;
    const bool begins = llama_vocab_get_add_bos(model.vocab());
    for (const Text& text : texts) {
        const Tokens all = model.tokenize(text.text);
        const std::size_t first = begins ? 1 : 0, body = length - first;
        for (std::size_t i = 0; i < per_text && first + (i + 1) * body <= all.size(); ++i) {
            Tokens tokens(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(first));
            const auto from = all.begin() + static_cast<std::ptrdiff_t>(first + i * body);
            tokens.insert(tokens.end(), from, from + static_cast<std::ptrdiff_t>(body));
            found.push_back({text.domain, per_text == 1 ? text.name : text.name + "-" + std::to_string(i + 1), tokens});
        }
    }
    return found;
}

#endif  // TOOLS_LLAMA_TEXTS_HPP
