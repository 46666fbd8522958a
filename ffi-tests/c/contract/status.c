/* Status codes have a name and a sentence, whatever the integer, and the last failure has a message that fits
 * any buffer. */
#include <limits.h>
#include <string.h>

#include "check.h"

static const kakeya_status known[] = {
    KAKEYA_OK,
    KAKEYA_ERR_NULL_POINTER,
    KAKEYA_ERR_BAD_PARAM,
    KAKEYA_ERR_BAD_SHAPE,
    KAKEYA_ERR_BAD_DTYPE,
    KAKEYA_ERR_UNSUPPORTED,
    KAKEYA_ERR_NOT_FINITE,
    KAKEYA_ERR_CORRUPT,
    KAKEYA_ERR_TRUNCATED,
    KAKEYA_ERR_WRONG_CODEC,
    KAKEYA_ERR_WRONG_VERSION,
    KAKEYA_ERR_BOUND_NOT_MET,
    KAKEYA_ERR_DST_TOO_SMALL,
    KAKEYA_ERR_OUT_OF_MEMORY,
    KAKEYA_ERR_NOT_CONVERGED,
    KAKEYA_ERR_POISONED,
    KAKEYA_ERR_BUSY,
    KAKEYA_ERR_NOT_RUN,
    KAKEYA_ERR_PANIC,
};
enum { KNOWN = sizeof known / sizeof known[0] };

static void names_and_texts(void) {
    const char *const unknown = kakeya_status_name(12345);
    CHECK(strcmp(kakeya_status_name(KAKEYA_OK), "KAKEYA_OK") == 0);
    CHECK(strcmp(kakeya_status_name(KAKEYA_ERR_NOT_FINITE), "KAKEYA_ERR_NOT_FINITE") == 0);
    CHECK(unknown != NULL && unknown[0] != '\0');
    for (size_t i = 0; i < KNOWN; i++) {
        const char *const name = kakeya_status_name(known[i]);
        CHECK(strncmp(name, "KAKEYA_", 7) == 0 && strcmp(name, unknown) != 0);
        CHECK(strlen(kakeya_status_text(known[i])) > 0);
        for (size_t j = 0; j < i; j++) {
            CHECK(strcmp(name, kakeya_status_name(known[j])) != 0);
        }
    }
    for (int32_t status = -1000; status <= 1100; status++) {
        CHECK(kakeya_status_name(status) != NULL && kakeya_status_text(status) != NULL);
    }
    CHECK(kakeya_status_name(INT32_MIN) != NULL && kakeya_status_text(INT32_MIN) != NULL);
    CHECK(kakeya_status_name(INT32_MAX) != NULL && kakeya_status_text(INT32_MAX) != NULL);
}

static void message(void) {
    char full[512];
    char cut[8];
    size_t length = 0;
    CHECK_STATUS(KAKEYA_ERR_NULL_POINTER, kakeya_params_init(NULL, sizeof(kakeya_params)));
    CHECK_OK(kakeya_last_error_message(full, sizeof full, &length));
    CHECK(length > sizeof cut && length == strlen(full));

    memset(cut, 'x', sizeof cut);
    size_t full_length = 0;
    CHECK_OK(kakeya_last_error_message(cut, sizeof cut, &full_length));
    CHECK(full_length == length);
    CHECK(memcmp(cut, full, sizeof cut - 1) == 0 && cut[sizeof cut - 1] == '\0');

    full_length = 0;
    CHECK_OK(kakeya_last_error_message(NULL, 0, &full_length));
    CHECK(full_length == length);
    char one = 'x';
    CHECK_OK(kakeya_last_error_message(&one, 1, &full_length));
    CHECK(one == '\0' && full_length == length);

    /* Asking wrongly is an error too. */
    CHECK_STATUS(KAKEYA_ERR_NULL_POINTER, kakeya_last_error_message(NULL, 10, &length));
    CHECK_STATUS(KAKEYA_ERR_NULL_POINTER, kakeya_last_error_message(full, sizeof full, NULL));
}

int main(void) {
    names_and_texts();
    message();
    return check_report();
}
