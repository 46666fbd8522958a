// What one setting did to one passage, lines of JSON about it, and the summary over passages.

#ifndef TOOLS_LLAMA_RESULTS_HPP
#define TOOLS_LLAMA_RESULTS_HPP

#include "predictions.hpp"
#include "statistics.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

// What is measured: a codec with its setting, the tensors that make up a row, and whether it works on the state or as a live
// cache.
struct Setting {
    std::string codec, setting, rows, applied;
};

struct Result {
    std::string domain, passage;
    // Bits per value, all bytes counted; NaN where nothing is stored.
    double bpv = 0;
    std::vector<double> kld;
    double mean_kld = 0, top1 = 0;
    // Difference of the mean log-probability of the tokens that followed.
    double loss = 0;
};

inline Result result_of(const std::string& domain, const std::string& passage, double bpv, const Comparison& run,
                        const Comparison& reference) {
    Result made{domain, passage, bpv, run.kld, 0, 0, 0};
    const auto n = static_cast<double>(run.kld.size());
    for (std::size_t i = 0; i < run.kld.size(); ++i) {
        made.mean_kld += run.kld[i] / n;
        made.top1 += (run.same_best[i] ? 1.0 : 0.0) / n;
        made.loss += (run.surprise[i] - reference.surprise[i]) / n;
    }
    return made;
}

// Domains that are judged together.
struct Group {
    std::string name;
    std::set<std::string> domains;
};

// All results of a run over the same passages, in the same order for every setting. Threads may put different ones at once.
class Results {
public:
    Results(std::string model, std::size_t n_passages) : model_(std::move(model)), n_passages_(n_passages) {}

    std::size_t add(Setting setting) {
        settings_.push_back(std::move(setting));
        results_.emplace_back(n_passages_);
        return settings_.size() - 1;
    }
    void put(std::size_t setting, std::size_t passage, Result result) { results_[setting][passage] = std::move(result); }
    // The setting whose divergence is the engine's own floor.
    void floor(std::size_t setting) { floor_ = setting; }

    nlohmann::ordered_json line(std::size_t setting, const Result& result) const {
        nlohmann::ordered_json json = head(setting);
        json["domain"] = result.domain;
        json["passage"] = result.passage;
        if (std::isfinite(result.bpv)) json["bpv"] = rounded(result.bpv);
        json["kld"] = rounded(result.mean_kld);
        json["kld_p99"] = rounded(percentile(result.kld, 0.99));
        json["top1"] = rounded(result.top1);
        json["dppl"] = rounded(std::expm1(result.loss));
        json["n"] = 1;
        return json;
    }
    const std::vector<Result>& of(std::size_t setting) const { return results_[setting]; }
    std::size_t size() const { return settings_.size(); }
    // The first setting of a codec with this name.
    std::optional<std::size_t> find(const std::string& codec, const std::string& setting) const {
        for (std::size_t s = 0; s < size(); ++s) {
            if (settings_[s].codec == codec && settings_[s].setting == setting) return s;
        }
        return std::nullopt;
    }

    // The mean over the passages of some domains.
    nlohmann::ordered_json summary(std::size_t setting, const Group& group) const {
        std::vector<double> bpv, kld, excess, all, top1, loss;
        for (std::size_t i = 0; i < results_[setting].size(); ++i) {
            const Result& result = results_[setting][i];
            if (group.domains.count(result.domain) == 0) continue;
            bpv.push_back(result.bpv);
            kld.push_back(result.mean_kld);
            if (floor_ < size()) excess.push_back(result.mean_kld - results_[floor_][i].mean_kld);
            all.insert(all.end(), result.kld.begin(), result.kld.end());
            top1.push_back(result.top1);
            loss.push_back(result.loss);
        }
        nlohmann::ordered_json json = head(setting);
        json["texts"] = group.name;
        const double mean_bpv = mean_of(bpv).mean;
        if (std::isfinite(mean_bpv)) json["bpv"] = rounded(mean_bpv);
        const Mean mean = mean_of(kld);
        json["kld"] = rounded(mean.mean);
        if (std::isfinite(mean.half)) json["ci95"] = rounded(mean.half);
        if (!excess.empty()) {
            const Mean above = mean_of(excess);
            json["kld_excess"] = rounded(above.mean);
            if (std::isfinite(above.half)) json["kld_excess_ci95"] = rounded(above.half);
        }
        json["kld_p99"] = rounded(percentile(all, 0.99));
        json["top1"] = rounded(mean_of(top1).mean);
        json["dppl"] = rounded(std::expm1(mean_of(loss).mean));
        json["n"] = kld.size();
        return json;
    }

    void print_table(const Group& group) const {
        std::printf("\n%s, texts: %s\n", model_.c_str(), group.name.c_str());
        std::printf("%-10s %-22s %-8s %-6s %6s %9s %9s %9s %9s %7s %8s\n", "codec", "setting", "rows", "on", "bpv", "KLD",
                    "+-", "excess", "99 %", "top-1", "dPPL");
        for (std::size_t s = 0; s < size(); ++s) {
            const nlohmann::ordered_json json = summary(s, group);
            // A setting need not have every figure: the codec of a live cache has no size.
            const auto figure = [&](const char* key, const char* format, double scale = 1) -> std::string {
                const double value = json.value(key, std::nan(""));
                if (!std::isfinite(value)) return "-";
                char text[32];
                std::snprintf(text, sizeof text, format, scale * value);
                return text;
            };
            std::printf("%-10s %-22s %-8s %-6s %6s %9s %9s %9s %9s %7s %8s\n", settings_[s].codec.c_str(),
                        settings_[s].setting.c_str(), settings_[s].rows.c_str(), settings_[s].applied.c_str(),
                        figure("bpv", "%.3f").c_str(), figure("kld", "%.5f").c_str(), figure("ci95", "%.5f").c_str(),
                        figure("kld_excess", "%.5f").c_str(), figure("kld_p99", "%.4f").c_str(),
                        figure("top1", "%.2f%%", 100).c_str(), figure("dppl", "%+.2f%%", 100).c_str());
        }
    }

private:
    // Six digits, so that a line can be read.
    static double rounded(double x) {
        if (x == 0 || !std::isfinite(x)) return x;
        const double scale = std::pow(10.0, 5 - std::floor(std::log10(std::abs(x))));
        return std::round(x * scale) / scale;
    }

    nlohmann::ordered_json head(std::size_t setting) const {
        const Setting& s = settings_[setting];
        nlohmann::ordered_json json;
        json["suite"] = "engine";
        json["set"] = model_;
        json["codec"] = s.codec;
        if (!s.rows.empty()) json["rows"] = s.rows;
        if (!s.setting.empty()) json["setting"] = s.setting;
        json["applied"] = s.applied;
        return json;
    }

    std::string model_;
    std::size_t n_passages_;
    std::vector<Setting> settings_;
    std::vector<std::vector<Result>> results_;
    std::size_t floor_ = static_cast<std::size_t>(-1);
};

#endif  // TOOLS_LLAMA_RESULTS_HPP
