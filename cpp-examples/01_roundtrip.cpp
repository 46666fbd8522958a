// The smallest use: 512 rows of 128 values, encoded at 4 bits and decoded again.
#include <kakeyaturbo/kakeyaturbo.hpp>

#include <cstdio>
#include <random>
#include <vector>

int main() {
    const std::size_t n_rows = 512, head_dim = 128;
    std::vector<float> rows(n_rows * head_dim), decoded(rows.size());
    std::mt19937 random(1);
    std::normal_distribution<float> gaussian;
    for (float& value : rows) value = gaussian(random);

    auto codec = kakeya::Codec::create(kakeya::Params().bits(4), kakeya::Layout::single(head_dim)).value();
    auto workspace = codec.workspace(n_rows).value();
    auto block = codec.encode(workspace, kakeya::Rows::contiguous(rows.data(), n_rows, head_dim)).value();
    codec.decode(workspace, block, kakeya::RowsMut::contiguous(decoded.data(), n_rows, head_dim)).value();

    double error = 0, energy = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        error += (rows[i] - decoded[i]) * (rows[i] - decoded[i]);
        energy += rows[i] * rows[i];
    }
    std::printf("%zu values in %zu bytes: %.3f bits per value, relative squared error %.5f\n", rows.size(),
                block.size(), 8.0 * static_cast<double>(block.size()) / static_cast<double>(rows.size()),
                error / energy);
    return error / energy < 0.011 ? 0 : 1;  // Lloyd-Max at 4 bits leaves 0.0095 of a Gaussian's energy
}
