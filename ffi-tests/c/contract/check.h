/* Counting checks: a failed one is printed and the program goes on, so that one run shows them all. */
#ifndef CHECK_H
#define CHECK_H

#include <kakeyaturbo/kakeyaturbo.h>
#include <stdio.h>

static int checks_done;
static int checks_failed;

static inline void check_that(int holds, const char *text, const char *file, int line) {
    checks_done++;
    if (!holds) {
        checks_failed++;
        printf("%s:%d: does not hold: %s\n", file, line, text);
    }
}

static inline void check_status(kakeya_status expected, kakeya_status got, const char *text, const char *file,
                                int line) {
    char message[240] = "";
    size_t length = 0;
    checks_done++;
    if (expected == got) {
        return;
    }
    checks_failed++;
    (void)kakeya_last_error_message(message, sizeof message, &length);
    printf("%s:%d: %s gives %s, not %s; last message: %s\n", file, line, text, kakeya_status_name(got),
           kakeya_status_name(expected), message);
}

/* Prints the count; the result is what main returns. */
static inline int check_report(void) {
    printf("%d checks, %d failed\n", checks_done, checks_failed);
    return checks_failed == 0 && checks_done > 0 ? 0 : 1;
}

#define CHECK(condition) check_that((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
#define CHECK_STATUS(expected, call) check_status((expected), (call), #call, __FILE__, __LINE__)
#define CHECK_OK(call) CHECK_STATUS(KAKEYA_OK, call)

#endif
