// Calls value() on failures. Compiled once in each mode of the adapter; PART is the name of the function.
#include "modes.hpp"

#include <kakeyaturbo/llama.hpp>

#include <utility>

void PART(Path path) {
    const kakeya::Status failure(KAKEYA_ERR_BAD_PARAM, "made by the test");
    kakeya::Result<int> result(failure);
    const kakeya::Result<int>& constant = result;
    switch (path) {
        case Path::status: failure.value(); break;
        case Path::result: static_cast<void>(result.value()); break;
        case Path::constant_result: static_cast<void>(constant.value()); break;
        case Path::moved_result: static_cast<void>(std::move(result).value()); break;
        case Path::llama_state: static_cast<void>(kakeya::llama::parse({}).value()); break;
    }
}
