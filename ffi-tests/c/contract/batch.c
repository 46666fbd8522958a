/* A batch gives the bytes of single calls, whoever runs it, and an item that fails is alone in its failure. */
#include <pthread.h>

#include "fixture.h"

enum { ITEMS = 13, WORKERS = 3, CAP = 4096 };

typedef struct {
    kakeya_task task;
    void *state;
    size_t n_tasks;
    size_t n_workers;
    size_t worker;
} share;

static void *run_share(void *argument) {
    const share *s = argument;
    for (size_t index = s->worker; index < s->n_tasks; index += s->n_workers) {
        s->task(s->state, index, s->worker);
    }
    return NULL;
}

/* A runner that gives every worker a thread; `opaque` counts its calls. */
static void with_threads(void *opaque, kakeya_task task, void *state, size_t n_tasks, size_t n_workers) {
    pthread_t threads[WORKERS];
    share shares[WORKERS];
    ++*(int *)opaque;
    CHECK(n_workers == WORKERS);
    for (size_t worker = 0; worker < WORKERS; worker++) {
        shares[worker] = (share){task, state, n_tasks, WORKERS, worker};
        if (pthread_create(&threads[worker], NULL, run_share, &shares[worker]) != 0) {
            printf("no thread\n");
            exit(1);
        }
    }
    for (size_t worker = 0; worker < WORKERS; worker++) {
        CHECK(pthread_join(threads[worker], NULL) == 0);
    }
}

/* A runner that leaves the last item out. */
static void without_the_last(void *opaque, kakeya_task task, void *state, size_t n_tasks, size_t n_workers) {
    (void)opaque;
    (void)n_workers;
    for (size_t index = 0; index + 1 < n_tasks; index++) {
        task(state, index, 0);
    }
}

/* A runner that also calls tasks and workers which are not there. */
static void with_strays(void *opaque, kakeya_task task, void *state, size_t n_tasks, size_t n_workers) {
    (void)opaque;
    task(state, n_tasks, 0);
    task(state, (size_t)-1, 0);
    task(state, 0, n_workers);
    task(state, 0, (size_t)-1);
    for (size_t index = 0; index < n_tasks; index++) {
        task(state, index, index % n_workers);
    }
}

typedef struct {
    fixture f;
    kakeya_workspace *workspaces[WORKERS];
    float x[ITEMS][VALUES];
    float y[ITEMS][VALUES];
    unsigned char bytes[ITEMS][CAP];
    kakeya_view views[ITEMS];
    kakeya_view_mut views_mut[ITEMS];
    kakeya_rows rows[ITEMS];
    kakeya_rows_mut rows_mut[ITEMS];
    kakeya_encode_item encode[ITEMS];
    kakeya_decode_item decode[ITEMS];
    kakeya_batch_result results[ITEMS];
} batch;

static void open_batch(batch *b) {
    fixture_open(&b->f, KAKEYA_PRESET_TURBO);
    for (size_t i = 0; i < WORKERS; i++) {
        CHECK_OK(kakeya_workspace_create(b->f.codec, ROWS, &b->workspaces[i]));
    }
    for (size_t i = 0; i < ITEMS; i++) {
        const size_t n_rows = ROWS - i;
        fill(b->x[i], VALUES, (uint32_t)i);
        b->views[i] = view_of(b->x[i], DIM);
        b->views_mut[i] = view_mut_of(b->y[i], DIM);
        b->rows[i] = rows_of(&b->views[i], n_rows);
        b->rows_mut[i] = rows_mut_of(&b->views_mut[i], n_rows);
        CHECK_OK(kakeya_encode_item_init(&b->encode[i], sizeof b->encode[i]));
        CHECK_OK(kakeya_decode_item_init(&b->decode[i], sizeof b->decode[i]));
        b->encode[i].rows = &b->rows[i];
        b->encode[i].dst = b->bytes[i];
        b->encode[i].dst_cap = CAP;
        b->decode[i].src = b->bytes[i];
        b->decode[i].rows = &b->rows_mut[i];
    }
}

static void close_batch(batch *b) {
    for (size_t i = 0; i < WORKERS; i++) {
        kakeya_workspace_free(b->workspaces[i]);
    }
    fixture_close(&b->f);
}

static kakeya_status encode_all(batch *b, kakeya_runner runner, void *opaque) {
    memset(b->results, 0xA5, sizeof b->results);
    return kakeya_encode_batch(b->f.codec, b->workspaces, WORKERS, b->encode, ITEMS, runner, opaque, b->results,
                               sizeof b->results[0]);
}

static kakeya_status decode_all(batch *b, kakeya_runner runner, void *opaque) {
    memset(b->results, 0xA5, sizeof b->results);
    return kakeya_decode_batch(b->f.codec, b->workspaces, WORKERS, b->decode, ITEMS, runner, opaque, b->results,
                               sizeof b->results[0]);
}

/* Every item against a single call. */
static void equals_single_calls(batch *b, kakeya_runner runner, void *opaque) {
    memset(b->bytes, 0, sizeof b->bytes);
    memset(b->y, 0, sizeof b->y);
    CHECK_OK(encode_all(b, runner, opaque));
    for (size_t i = 0; i < ITEMS; i++) {
        size_t length = 0;
        unsigned char *block = encode_rows(&b->f, b->x[i], ROWS - i, &length);
        CHECK(b->results[i].status == KAKEYA_OK && b->results[i].reserved == 0 && b->results[i].message[0] == 0);
        CHECK(b->results[i].bytes == length && memcmp(block, b->bytes[i], length) == 0);
        b->decode[i].src_len = length;
        free(block);
    }
    CHECK_OK(decode_all(b, runner, opaque));
    for (size_t i = 0; i < ITEMS; i++) {
        float y[VALUES] = {0};
        const kakeya_view_mut view = view_mut_of(y, DIM);
        const kakeya_rows_mut rows = rows_mut_of(&view, ROWS - i);
        CHECK_OK(kakeya_decode(b->f.codec, b->f.workspace, b->bytes[i], b->decode[i].src_len, &rows));
        CHECK(b->results[i].status == KAKEYA_OK && b->results[i].bytes == b->decode[i].src_len);
        CHECK(memcmp(y, b->y[i], sizeof y) == 0);
    }
}

static void failures_stay_alone(batch *b) {
    int calls = 0;
    size_t length = 0;
    char message[240];
    b->encode[3].dst_cap = 8;
    b->x[5][0] = 0.0f / (b->x[5][1] - b->x[5][1] + 0.0f);
    CHECK_STATUS(KAKEYA_ERR_DST_TOO_SMALL, encode_all(b, with_threads, &calls));
    for (size_t i = 0; i < ITEMS; i++) {
        const kakeya_status expected = i == 3 ? KAKEYA_ERR_DST_TOO_SMALL : i == 5 ? KAKEYA_ERR_NOT_FINITE : KAKEYA_OK;
        CHECK_STATUS(expected, b->results[i].status);
        CHECK((b->results[i].message[0] == '\0') == (expected == KAKEYA_OK));
        CHECK(memchr(b->results[i].message, 0, sizeof b->results[i].message) != NULL);
    }
    /* The message of the call is that of the first failure, whichever thread it happened on. */
    CHECK_OK(kakeya_last_error_message(message, sizeof message, &length));
    CHECK(strcmp(message, b->results[3].message) == 0);
    b->encode[3].dst_cap = CAP;
    fill(b->x[5], VALUES, 5);

    b->decode[7].src_len -= 1;
    CHECK_STATUS(KAKEYA_ERR_TRUNCATED, decode_all(b, NULL, NULL));
    for (size_t i = 0; i < ITEMS; i++) {
        CHECK_STATUS(i == 7 ? KAKEYA_ERR_TRUNCATED : KAKEYA_OK, b->results[i].status);
    }
    b->decode[7].src_len += 1;
}

static void other_runners(batch *b) {
    CHECK_OK(encode_all(b, with_strays, NULL));
    CHECK_STATUS(KAKEYA_ERR_NOT_RUN, encode_all(b, without_the_last, NULL));
    for (size_t i = 0; i < ITEMS; i++) {
        CHECK_STATUS(i + 1 == ITEMS ? KAKEYA_ERR_NOT_RUN : KAKEYA_OK, b->results[i].status);
    }
    CHECK_OK(kakeya_encode_batch(b->f.codec, b->workspaces, WORKERS, b->encode, 0, NULL, NULL, b->results,
                                 sizeof b->results[0]));
    CHECK(kakeya_encode_batch(b->f.codec, b->workspaces, 0, b->encode, ITEMS, NULL, NULL, b->results,
                              sizeof b->results[0]) != KAKEYA_OK);
}

/* Results may be older and smaller, down to status and size. */
static void small_results(batch *b) {
    enum { SIZE = offsetof(kakeya_batch_result, message) };
    unsigned char *small = take((size_t)ITEMS * SIZE);
    CHECK_OK(kakeya_encode_batch(b->f.codec, b->workspaces, WORKERS, b->encode, ITEMS, NULL, NULL,
                                 (kakeya_batch_result *)(void *)small, SIZE));
    for (size_t i = 0; i < ITEMS; i++) {
        uint64_t bytes = 0;
        memcpy(&bytes, small + i * SIZE + offsetof(kakeya_batch_result, bytes), sizeof bytes);
        CHECK(bytes == b->decode[i].src_len);
    }
    free(small);
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_encode_batch(b->f.codec, b->workspaces, WORKERS, b->encode, ITEMS,
                                                           NULL, NULL, b->results, SIZE - 1));
}

int main(void) {
    int calls = 0;
    batch *b = take(sizeof *b);
    open_batch(b);
    equals_single_calls(b, NULL, NULL);
    equals_single_calls(b, with_threads, &calls);
    CHECK(calls == 2);
    failures_stay_alone(b);
    other_runners(b);
    small_results(b);
    close_batch(b);
    free(b);
    return check_report();
}
