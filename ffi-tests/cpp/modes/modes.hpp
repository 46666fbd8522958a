// The functions of part.cpp, which is compiled in each mode of the adapter, and called by main.cpp.

#ifndef FFI_TESTS_MODES_HPP
#define FFI_TESTS_MODES_HPP

// What value() is called on.
enum class Path { status, result, constant_result, moved_result, llama_state };

void throwing(Path path);
void aborting(Path path);
void no_exceptions(Path path);

#endif  // FFI_TESTS_MODES_HPP
