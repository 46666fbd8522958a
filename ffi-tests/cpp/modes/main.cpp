// Files that were compiled in different modes of the adapter, in one program: each behaves as it was compiled to.
#include "modes.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <initializer_list>

namespace {

int failed = 0;

// What `part` does, tried in a process of its own.
const char* outcome(void (*part)(Path), Path path) {
    const pid_t child = fork();
    if (child == 0) {
        std::fclose(stderr);
        try {
            part(path);
        } catch (...) {
            _exit(1);
        }
        _exit(2);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return "cannot be tried";
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) return "aborts";
    if (!WIFEXITED(status)) return "dies";
    return WEXITSTATUS(status) == 1 ? "throws" : "returns";
}

void expect(const char* name, void (*part)(Path), Path path, const char* expected) {
    const char* found = outcome(part, path);
    if (std::strcmp(found, expected) == 0) return;
    std::printf("%s, path %d: %s, but expected: %s\n", name, static_cast<int>(path), found, expected);
    ++failed;
}

}  // namespace

int main() {
    for (Path path : {Path::status, Path::result, Path::constant_result, Path::moved_result, Path::llama_state}) {
        expect("throwing", throwing, path, "throws");
        expect("aborting", aborting, path, "aborts");
        expect("no_exceptions", no_exceptions, path, "aborts");
    }
    std::printf("%d failed\n", failed);
    return failed == 0 ? 0 : 1;
}
