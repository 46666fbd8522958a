/* A child uses the codec and the workspace that its parent made, while other threads of the parent are encoding with the
 * codec: the library holds no lock that a fork could leave locked. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

enum { CHILDREN = 8, CAP = 16384 };

typedef struct {
    const fixture *f;
    const float *x;
    const unsigned char *block;
    size_t length;
    int status;
} encoder;

/* Encodes as often as the forks take, with a workspace of its own. */
static void *encode_on(void *argument) {
    encoder *e = argument;
    kakeya_workspace *workspace = NULL;
    unsigned char *dst = malloc(CAP);
    const kakeya_view view = {sizeof view, e->x, KAKEYA_DTYPE_F32, DIM, 1};
    const kakeya_rows rows = {sizeof rows, ROWS, &view, NULL, NULL, NULL};
    size_t length = 0;
    e->status = dst == NULL ? KAKEYA_ERR_OUT_OF_MEMORY : kakeya_workspace_create(e->f->codec, ROWS, &workspace);
    for (int i = 0; i < 2000 && e->status == KAKEYA_OK; i++) {
        e->status = kakeya_encode(e->f->codec, workspace, &rows, dst, CAP, &length);
        if (length != e->length || memcmp(dst, e->block, length) != 0) {
            e->status = KAKEYA_ERR_CORRUPT;
        }
    }
    kakeya_workspace_free(workspace);
    free(dst);
    return NULL;
}

/* Everything that a child may want; its exit status. */
static int child(const fixture *f, const float *x, const unsigned char *block, size_t length, const float *y) {
    static float back[VALUES];
    kakeya_codec *codec = NULL;
    size_t own_length = 0;
    const int failed = checks_failed;
    unsigned char *own = encode_rows(f, x, ROWS, &own_length);
    CHECK(own_length == length && memcmp(own, block, length) == 0);
    const kakeya_view_mut view = view_mut_of(back, DIM);
    const kakeya_rows_mut rows = rows_mut_of(&view, ROWS);
    CHECK_OK(kakeya_decode(f->codec, f->workspace, block, length, &rows));
    CHECK(memcmp(back, y, sizeof back) == 0);
    CHECK_STATUS(KAKEYA_ERR_TRUNCATED, kakeya_decode(f->codec, f->workspace, block, 1, &rows));
    CHECK_OK(kakeya_codec_create(&f->params, &f->layout, NULL, &codec));
    kakeya_codec_free(codec);
    free(own);
    return checks_failed == failed ? 0 : 1;
}

static void forks(uint32_t preset) {
    fixture f;
    float x[VALUES];
    float y[VALUES];
    size_t length = 0;
    pthread_t thread;
    fill(x, VALUES, 40);
    fixture_open(&f, preset);
    unsigned char *block = encode_rows(&f, x, ROWS, &length);
    const kakeya_view_mut view = view_mut_of(y, DIM);
    const kakeya_rows_mut rows = rows_mut_of(&view, ROWS);
    CHECK_OK(kakeya_decode(f.codec, f.workspace, block, length, &rows));
    encoder busy = {&f, x, block, length, KAKEYA_OK};
    if (pthread_create(&thread, NULL, encode_on, &busy) != 0) {
        printf("no thread\n");
        exit(1);
    }
#ifdef __SANITIZE_ADDRESS__
    /* Its allocator may be locked by the other thread, and stays so in a child: nothing that the library could mend. */
    CHECK(pthread_join(thread, NULL) == 0);
#endif
    for (int i = 0; i < CHILDREN; i++) {
        int status = 0;
        (void)fflush(stdout);
        const pid_t pid = fork();
        if (pid == 0) {
            /* A child that waits for ever fails too. */
            alarm(60);
            const int result = child(&f, x, block, length, y);
            (void)fflush(stdout);
            _exit(result);
        }
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
#ifndef __SANITIZE_ADDRESS__
    CHECK(pthread_join(thread, NULL) == 0);
#endif
    CHECK_STATUS(KAKEYA_OK, busy.status);
    free(block);
    fixture_close(&f);
}

int main(void) {
    forks(KAKEYA_PRESET_TURBO);
    forks(KAKEYA_PRESET_KAKEYA);
    return check_report();
}
