/* Loads every function by its name and prints it; does not compile if a pointer type does not fit its function. */
#include <dlfcn.h>
#include <kakeyaturbo/dlopen.h>
#include <stdio.h>

#define FIELD(name) name##_fn name;
#define LINKED(name) &name,
#define NAME(name) #name,

typedef struct {
    KAKEYA_FUNCTIONS(FIELD)
} functions;

static const functions linked = {KAKEYA_FUNCTIONS(LINKED)};
static const char *const names[] = {KAKEYA_FUNCTIONS(NAME)};

int main(void) {
    void *const library = dlopen("libkakeyaturbo.so", RTLD_NOW);
    if (library == NULL || linked.kakeya_abi_version() != KAKEYA_ABI_VERSION) {
        return 1;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (dlsym(library, names[i]) == NULL) {
            return 1;
        }
        printf("%s\n", names[i]);
    }
    return 0;
}
