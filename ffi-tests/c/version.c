/* Fails unless every macro equals its function; prints the version for the caller to compare. */
#include <kakeyaturbo/kakeyaturbo.h>
#include <stdio.h>
#include <string.h>

/* The preprocessor must be able to compare versions and ABI versions. */
#if KAKEYA_VERSION_NUMBER < 1 || KAKEYA_ABI_VERSION < 1
#error "the version macros are not numbers"
#endif

int main(void) {
    char parts[64];
    (void)snprintf(parts, sizeof parts, "%d.%d.%d", KAKEYA_VERSION_MAJOR, KAKEYA_VERSION_MINOR,
                   KAKEYA_VERSION_PATCH);
    if (strcmp(parts, KAKEYA_VERSION_STRING) != 0) {
        printf("the parts make %s, the string says %s\n", parts, KAKEYA_VERSION_STRING);
        return 1;
    }
    if (strcmp(kakeya_version_string(), KAKEYA_VERSION_STRING) != 0) {
        printf("the library is %s, the header %s\n", kakeya_version_string(), KAKEYA_VERSION_STRING);
        return 1;
    }
    if (kakeya_version_number() != KAKEYA_VERSION_NUMBER) {
        printf("the library is %u, the header %d\n", (unsigned)kakeya_version_number(), KAKEYA_VERSION_NUMBER);
        return 1;
    }
    if (kakeya_abi_version() != KAKEYA_ABI_VERSION) {
        printf("the ABI of the library is %u, of the header %d\n", (unsigned)kakeya_abi_version(),
               KAKEYA_ABI_VERSION);
        return 1;
    }
    printf("%s %u\n", kakeya_version_string(), (unsigned)kakeya_version_number());
    return 0;
}
