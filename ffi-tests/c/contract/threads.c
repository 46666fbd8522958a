/* One codec, one skeleton, one profile from many threads, each with a workspace of its own: the results of one thread. Run
 * under Valgrind's drd too, which sees accesses that nothing puts in order. */
#include <pthread.h>

#include "profile_fixture.h"

enum { THREADS = 4, ROUNDS = 3, BATCH = 16 };

typedef struct {
    const kakeya_codec *codec;
    const kakeya_profile *profile;
    const unsigned char *block;
    size_t length;
    const float *x;
    const float *y;
    int wrong;
} shared;

/* What one thread does; counts what is not as in one thread. `check.h` counts without locks, so not with CHECK. */
static int work(const shared *s) {
    kakeya_workspace *workspace = NULL;
    kakeya_codec *own = NULL;
    kakeya_view view;
    kakeya_view_mut view_mut;
    kakeya_rows rows;
    kakeya_rows_mut rows_mut;
    float y[BATCH * JOINED * HEAD];
    unsigned char block[16384];
    char message[240];
    size_t length = 0;
    int wrong = 0;
    kakeya_view views[JOINED];
    kakeya_view_mut views_mut[JOINED];
    wrong += kakeya_view_init(&view, sizeof view) != KAKEYA_OK;
    wrong += kakeya_view_mut_init(&view_mut, sizeof view_mut) != KAKEYA_OK;
    wrong += kakeya_rows_init(&rows, sizeof rows) != KAKEYA_OK;
    wrong += kakeya_rows_mut_init(&rows_mut, sizeof rows_mut) != KAKEYA_OK;
    view.row_stride = (ptrdiff_t)JOINED * HEAD;
    view_mut.row_stride = view.row_stride;
    for (size_t i = 0; i < JOINED; i++) {
        views[i] = view;
        views[i].data = s->x + i * HEAD;
        views_mut[i] = view_mut;
        views_mut[i].data = y + i * HEAD;
    }
    rows.n_rows = BATCH;
    rows.views = views;
    rows_mut.n_rows = BATCH;
    rows_mut.views = views_mut;
    wrong += kakeya_workspace_create(s->codec, BATCH, &workspace) != KAKEYA_OK;
    for (int round = 0; round < ROUNDS && wrong == 0; round++) {
        wrong += kakeya_encode(s->codec, workspace, &rows, block, sizeof block, &length) != KAKEYA_OK;
        wrong += length != s->length || memcmp(block, s->block, length) != 0;
        memset(y, 0, sizeof y);
        wrong += kakeya_decode(s->codec, workspace, s->block, s->length, &rows_mut) != KAKEYA_OK;
        wrong += memcmp(y, s->y, sizeof y) != 0;
        wrong += kakeya_block_verify(s->codec, s->block, s->length) != KAKEYA_OK;
        /* Codecs share the skeleton of the profile; the last owner may be any thread. */
        wrong += kakeya_profile_codec(s->profile, 0, NULL, &own) != KAKEYA_OK;
        wrong += kakeya_decode(own, workspace, s->block, s->length, &rows_mut) != KAKEYA_OK;
        kakeya_codec_free(own);
        /* Messages are each thread's own. */
        wrong += kakeya_decode(s->codec, workspace, s->block, 3, &rows_mut) != KAKEYA_ERR_TRUNCATED;
        wrong += kakeya_last_error_message(message, sizeof message, &length) != KAKEYA_OK || length == 0;
    }
    kakeya_workspace_free(workspace);
    return wrong;
}

static void *thread(void *argument) {
    shared *s = argument;
    s->wrong = work(s);
    return NULL;
}

int main(void) {
    stream streams[STREAMS];
    float x[BATCH * JOINED * HEAD];
    float y[BATCH * JOINED * HEAD];
    unsigned char block[16384];
    size_t length = 0;
    kakeya_codec *codec = NULL;
    kakeya_workspace *workspace = NULL;
    kakeya_view views[JOINED];
    kakeya_view_mut views_mut[JOINED];
    pthread_t threads[THREADS];
    shared shares[THREADS];
    streams_open(streams);
    kakeya_profile *profile = profile_of(streams);
    CHECK_OK(kakeya_profile_codec(profile, 0, NULL, &codec));
    CHECK_OK(kakeya_workspace_create(codec, BATCH, &workspace));
    fill(x, BATCH * JOINED * HEAD, 31);
    for (size_t i = 0; i < JOINED; i++) {
        views[i] = view_of(x + i * HEAD, (size_t)JOINED * HEAD);
        views_mut[i] = view_mut_of(y + i * HEAD, (size_t)JOINED * HEAD);
    }
    const kakeya_rows rows = rows_of(views, BATCH);
    const kakeya_rows_mut rows_mut = rows_mut_of(views_mut, BATCH);
    CHECK_OK(kakeya_encode(codec, workspace, &rows, block, sizeof block, &length));
    CHECK_OK(kakeya_decode(codec, workspace, block, length, &rows_mut));
    for (size_t i = 0; i < THREADS; i++) {
        shares[i] = (shared){codec, profile, block, length, x, y, 0};
        if (pthread_create(&threads[i], NULL, thread, &shares[i]) != 0) {
            printf("no thread\n");
            return 1;
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(shares[i].wrong == 0);
    }
    kakeya_workspace_free(workspace);
    kakeya_codec_free(codec);
    kakeya_profile_free(profile);
    streams_close(streams);
    return check_report();
}
