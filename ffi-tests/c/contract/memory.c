/* Where rows lie: strides of every sign, zero among them, data that is not aligned, views that overlap, counts that no
 * memory has. Each has a result that is told here. */
#include "fixture.h"

enum { N = 6, CAP = 4096 };

typedef struct {
    fixture f;
    float x[N * DIM];
    float y[N * DIM];
    unsigned char block[CAP];
    size_t length;
} sample;

static kakeya_status encode(const sample *s, const kakeya_view *view, size_t n, unsigned char *dst, size_t *length) {
    const kakeya_rows rows = rows_of(view, n);
    return kakeya_encode(s->f.codec, s->f.workspace, &rows, dst, CAP, length);
}

static kakeya_status decode(const sample *s, const kakeya_view_mut *view, size_t n) {
    const kakeya_rows_mut rows = rows_mut_of(view, n);
    return kakeya_decode(s->f.codec, s->f.workspace, s->block, s->length, &rows);
}

static void open_sample(sample *s, uint32_t preset) {
    fixture_open(&s->f, preset);
    fill(s->x, N * DIM, 50);
    const kakeya_view view = view_of(s->x, DIM);
    const kakeya_view_mut view_mut = view_mut_of(s->y, DIM);
    CHECK_OK(encode(s, &view, N, s->block, &s->length));
    CHECK_OK(decode(s, &view_mut, N));
}

/* Rows and columns in either direction, and columns before rows: the same block, the same rows. */
static void either_direction(const sample *s) {
    for (int turn = 0; turn < 8; turn++) {
        const int up = (turn & 1) != 0;
        const int left = (turn & 2) != 0;
        const ptrdiff_t row = (turn & 4) != 0 ? 1 : DIM;
        const ptrdiff_t col = (turn & 4) != 0 ? N : 1;
        float *memory = take(N * DIM * sizeof *memory);
        float *first = memory + (up ? (N - 1) * row : 0) + (left ? (DIM - 1) * col : 0);
        kakeya_view view = view_of(first, DIM);
        kakeya_view_mut view_mut = view_mut_of(first, DIM);
        unsigned char dst[CAP];
        size_t length = 0;
        view.row_stride = up ? -row : row;
        view.col_stride = left ? -col : col;
        view_mut.row_stride = view.row_stride;
        view_mut.col_stride = view.col_stride;
        for (ptrdiff_t r = 0; r < N; r++) {
            for (ptrdiff_t c = 0; c < DIM; c++) {
                first[r * view.row_stride + c * view.col_stride] = s->x[r * DIM + c];
            }
        }
        CHECK_OK(encode(s, &view, N, dst, &length));
        CHECK(length == s->length && memcmp(dst, s->block, length) == 0);
        CHECK_OK(decode(s, &view_mut, N));
        for (ptrdiff_t r = 0; r < N; r++) {
            for (ptrdiff_t c = 0; c < DIM; c++) {
                CHECK(first[r * view.row_stride + c * view.col_stride] == s->y[r * DIM + c]);
            }
        }
        free(memory);
    }
}

/* A stride of zero reads one row, or one element, again and again; where it is written to, one of the values stays. */
static void stride_of_zero(const sample *s) {
    float again[N * DIM];
    float *one = take(DIM * sizeof *one);
    unsigned char expected[CAP];
    unsigned char dst[CAP];
    size_t expected_length = 0;
    size_t length = 0;
    kakeya_view plain = view_of(again, DIM);
    kakeya_view view = view_of(one, 0);
    kakeya_view_mut view_mut = view_mut_of(one, 0);
    memcpy(one, s->x, DIM * sizeof *one);
    for (size_t r = 0; r < N; r++) {
        memcpy(again + r * DIM, one, DIM * sizeof *one);
    }
    CHECK_OK(encode(s, &plain, N, expected, &expected_length));
    CHECK_OK(encode(s, &view, N, dst, &length));
    CHECK(length == expected_length && memcmp(dst, expected, length) == 0);
    CHECK_OK(decode(s, &view_mut, N));
    for (size_t c = 0; c < DIM; c++) {
        int found = 0;
        for (size_t r = 0; r < N; r++) {
            found |= one[c] == s->y[r * DIM + c];
        }
        CHECK(found);
    }
    free(one);

    float *element = take(sizeof *element);
    *element = 0.75f;
    for (size_t i = 0; i < N * DIM; i++) {
        again[i] = *element;
    }
    view = view_of(element, 0);
    view.col_stride = 0;
    view_mut = view_mut_of(element, 0);
    view_mut.col_stride = 0;
    CHECK_OK(encode(s, &plain, N, expected, &expected_length));
    CHECK_OK(encode(s, &view, N, dst, &length));
    CHECK(length == expected_length && memcmp(dst, expected, length) == 0);
    CHECK_OK(decode(s, &view_mut, N));
    int found = 0;
    for (size_t i = 0; i < N * DIM; i++) {
        found |= *element == s->y[i];
    }
    CHECK(found);
    free(element);
}

/* Rows that share elements with the next, as a window over a signal has them. */
static void rows_that_overlap(const sample *s) {
    float again[N * DIM];
    float *signal = take((N - 1 + DIM) * sizeof *signal);
    unsigned char expected[CAP];
    unsigned char dst[CAP];
    size_t expected_length = 0;
    size_t length = 0;
    fill(signal, N - 1 + DIM, 51);
    for (size_t r = 0; r < N; r++) {
        memcpy(again + r * DIM, signal + r, DIM * sizeof *again);
    }
    const kakeya_view plain = view_of(again, DIM);
    const kakeya_view view = view_of(signal, 1);
    CHECK_OK(encode(s, &plain, N, expected, &expected_length));
    CHECK_OK(encode(s, &view, N, dst, &length));
    CHECK(length == expected_length && memcmp(dst, expected, length) == 0);
    free(signal);
}

/* Blocks lie anywhere; elements have to be aligned to their own size, and are refused otherwise. */
static void not_aligned(const sample *s) {
    for (size_t shift = 1; shift < 8; shift++) {
        float y[N * DIM];
        unsigned char *dst = take(CAP + shift);
        size_t length = 0;
        const kakeya_view view = view_of(s->x, DIM);
        const kakeya_view_mut view_mut = view_mut_of(y, DIM);
        const kakeya_rows_mut rows = rows_mut_of(&view_mut, N);
        CHECK_OK(encode(s, &view, N, dst + shift, &length));
        CHECK(length == s->length && memcmp(dst + shift, s->block, length) == 0);
        CHECK_OK(kakeya_decode(s->f.codec, s->f.workspace, dst + shift, length, &rows));
        CHECK(memcmp(y, s->y, sizeof y) == 0);
        free(dst);
    }
    for (size_t shift = 1; shift < sizeof(float); shift++) {
        unsigned char *memory = take(N * DIM * sizeof(float) + shift);
        unsigned char dst[CAP];
        size_t length = 7;
        kakeya_view view = view_of(s->x, DIM);
        kakeya_view_mut view_mut = view_mut_of(NULL, DIM);
        view.data = memory + shift;
        view_mut.data = memory + shift;
        CHECK_STATUS(KAKEYA_ERR_BAD_DTYPE, encode(s, &view, N, dst, &length));
        CHECK_STATUS(KAKEYA_ERR_BAD_DTYPE, decode(s, &view_mut, N));
        view.dtype = KAKEYA_DTYPE_F16;
        view_mut.dtype = KAKEYA_DTYPE_BF16;
        CHECK_STATUS(shift == 2 ? KAKEYA_OK : KAKEYA_ERR_BAD_DTYPE, encode(s, &view, N, dst, &length));
        CHECK_STATUS(shift == 2 ? KAKEYA_OK : KAKEYA_ERR_BAD_DTYPE, decode(s, &view_mut, N));
        free(memory);
    }
}

/* Counts and strides whose product is no address are refused before anything is read, and nothing is written. */
static void huge(const sample *s) {
    const size_t counts[] = {(size_t)1 << 31, (size_t)1 << 32, SIZE_MAX / DIM, SIZE_MAX / 4, SIZE_MAX / 2, SIZE_MAX};
    const ptrdiff_t strides[] = {PTRDIFF_MAX,     PTRDIFF_MIN,     PTRDIFF_MAX / 4, PTRDIFF_MIN / 4,
                                 PTRDIFF_MAX / N, PTRDIFF_MIN / N, PTRDIFF_MAX / 8, PTRDIFF_MIN / 8};
    float y[N * DIM];
    unsigned char dst[CAP];
    size_t length = 7;
    memset(y, 0, sizeof y);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        kakeya_view view = view_of(s->x, DIM);
        kakeya_view_mut view_mut = view_mut_of(y, DIM);
        /* Rows that would be there may cover the block: then that is what is said. */
        const kakeya_status encoded = encode(s, &view, counts[i], dst, &length);
        const kakeya_status decoded = decode(s, &view_mut, counts[i]);
        CHECK(encoded == KAKEYA_ERR_BAD_SHAPE || encoded == KAKEYA_ERR_BAD_PARAM);
        CHECK(decoded == KAKEYA_ERR_BAD_SHAPE || decoded == KAKEYA_ERR_BAD_PARAM);
        /* All of them the same row: memory would do, the workspace does not. */
        view.row_stride = 0;
        view_mut.row_stride = 0;
        CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, encode(s, &view, counts[i], dst, &length));
        CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, decode(s, &view_mut, counts[i]));
    }
    for (size_t i = 0; i < sizeof strides / sizeof *strides; i++) {
        kakeya_view view = view_of(s->x, DIM);
        kakeya_view_mut view_mut = view_mut_of(y, DIM);
        view.row_stride = strides[i];
        view_mut.row_stride = strides[i];
        CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, encode(s, &view, N, dst, &length));
        CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, decode(s, &view_mut, N));
        view.row_stride = DIM;
        view_mut.row_stride = DIM;
        view.col_stride = strides[i];
        view_mut.col_stride = strides[i];
        CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, encode(s, &view, N, dst, &length));
        CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, decode(s, &view_mut, N));
    }
    const kakeya_view view = view_of(s->x, DIM);
    const kakeya_rows rows = rows_of(&view, N);
    const kakeya_view_mut view_mut = view_mut_of(y, DIM);
    const kakeya_rows_mut rows_mut = rows_mut_of(&view_mut, N);
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_encode(s->f.codec, s->f.workspace, &rows, dst, SIZE_MAX, &length));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_decode(s->f.codec, s->f.workspace, s->block, SIZE_MAX, &rows_mut));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_encode_bound(s->f.codec, SIZE_MAX, &length));
    CHECK(kakeya_decode_rows(s->f.codec, s->f.workspace, s->block, s->length, SIZE_MAX, N, &rows_mut) ==
          KAKEYA_ERR_BAD_SHAPE);
    CHECK(kakeya_decode_rows(s->f.codec, s->f.workspace, s->block, s->length, 1, SIZE_MAX, &rows_mut) ==
          KAKEYA_ERR_BAD_SHAPE);
    CHECK(length == 7);
    for (size_t i = 0; i < N * DIM; i++) {
        CHECK(y[i] == 0.0f);
    }
}

/* What is read and what is written in one call must be apart; one byte in common is found, from either side. */
static void overlapping(const sample *s) {
    unsigned char *memory = take(4 * CAP);
    float *rows = (float *)(void *)(memory + CAP);
    const size_t bytes = N * DIM * sizeof *rows;
    size_t length = 0;
    memcpy(rows, s->x, bytes);
    const kakeya_view view = view_of(rows, DIM);
    CHECK_OK(encode(s, &view, N, memory, &length));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, encode(s, &view, N, memory + 1, &length));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, encode(s, &view, N, memory + CAP + bytes - 1, &length));
    CHECK_OK(encode(s, &view, N, memory + CAP + bytes, &length));


    const kakeya_view_mut view_mut = view_mut_of(rows, DIM);
    const kakeya_rows_mut rows_mut = rows_mut_of(&view_mut, N);
    unsigned char *const before = memory + CAP - s->length;
    unsigned char *const behind = memory + CAP + bytes;

    const struct {
        unsigned char *block;
        kakeya_status expected;
    } places[] = {{before, KAKEYA_OK},
                  {before + 1, KAKEYA_ERR_BAD_PARAM},
                  {behind - 1, KAKEYA_ERR_BAD_PARAM},
                  {behind, KAKEYA_OK}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        memcpy(places[i].block, s->block, s->length);
        CHECK_STATUS(places[i].expected,
                     kakeya_decode(s->f.codec, s->f.workspace, places[i].block, s->length, &rows_mut));
    }
    free(memory);
}

int main(void) {
    const uint32_t presets[] = {KAKEYA_PRESET_TURBO, KAKEYA_PRESET_KAKEYA};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        sample s;
        memset(&s, 0, sizeof s);
        open_sample(&s, presets[i]);
        either_direction(&s);
        stride_of_zero(&s);
        rows_that_overlap(&s);
        not_aligned(&s);
        huge(&s);
        overlapping(&s);
        fixture_close(&s.f);
    }
    return check_report();
}
