/* Rows come back: from and to every element type, through every stride, segment by segment. */
#include "fixture.h"
#include "half.h"

static const uint32_t presets[] = {KAKEYA_PRESET_TURBO, KAKEYA_PRESET_KAKEYA};

/* The bell-shaped rows at 4 bits have an error near 0.0095; short rows and a block basis add a little. */
static const double small_error = 0.02;

/* Encodes through one view; the block is to be freed. */
static unsigned char *encode_view(const fixture *f, const kakeya_view *view, size_t *length) {
    size_t bound = 0;
    const kakeya_rows rows = rows_of(view, ROWS);
    CHECK_OK(kakeya_encode_bound(f->codec, ROWS, &bound));
    unsigned char *block = take(bound);
    *length = 0;
    CHECK_OK(kakeya_encode(f->codec, f->workspace, &rows, block, bound, length));
    return block;
}

static void decode_view(const fixture *f, const unsigned char *block, size_t length, const kakeya_view_mut *view) {
    const kakeya_rows_mut rows = rows_mut_of(view, ROWS);
    CHECK_OK(kakeya_decode(f->codec, f->workspace, block, length, &rows));
}

static int same(const void *a, size_t a_length, const void *b, size_t b_length) {
    return a_length == b_length && memcmp(a, b, a_length) == 0;
}

static void dtypes(const fixture *f, const float *x) {
    uint16_t f16[VALUES];
    uint16_t bf16[VALUES];
    float y[VALUES];
    size_t length = 0;
    size_t half_length = 0;
    for (size_t i = 0; i < VALUES; i++) {
        f16[i] = f16_from(x[i]);
        bf16[i] = bf16_from(x[i]);
    }
    kakeya_view view = view_of(x, DIM);
    unsigned char *block = encode_view(f, &view, &length);
    view.data = f16;
    view.dtype = KAKEYA_DTYPE_F16;
    unsigned char *half_block = encode_view(f, &view, &half_length);
    CHECK(same(block, length, half_block, half_length));
    free(half_block);
    view.data = bf16;
    view.dtype = KAKEYA_DTYPE_BF16;
    half_block = encode_view(f, &view, &half_length);
    CHECK(same(block, length, half_block, half_length));
    free(half_block);

    kakeya_view_mut out = view_mut_of(y, DIM);
    decode_view(f, block, length, &out);
    CHECK(relative_error(x, y, VALUES) < small_error);
    out.data = f16;
    out.dtype = KAKEYA_DTYPE_F16;
    decode_view(f, block, length, &out);
    out.data = bf16;
    out.dtype = KAKEYA_DTYPE_BF16;
    decode_view(f, block, length, &out);
    int rounded = 1;
    for (size_t i = 0; i < VALUES; i++) {
        const float size = fabsf(y[i]);
        rounded &= fabsf(f16_to(f16[i]) - y[i]) <= ldexpf(size, -11) + ldexpf(1.0f, -25);
        rounded &= fabsf(bf16_to(bf16[i]) - y[i]) <= ldexpf(size, -8);
    }
    CHECK(rounded);
    free(block);
}

/* A [DIM, ROWS] tensor is the same rows with the strides exchanged. */
static void transposed(const fixture *f, const float *x) {
    float turned[VALUES];
    float y[VALUES];
    float turned_y[VALUES];
    size_t length = 0;
    size_t turned_length = 0;
    for (size_t i = 0; i < VALUES; i++) {
        turned[i % DIM * ROWS + i / DIM] = x[i];
    }
    kakeya_view view = view_of(x, DIM);
    unsigned char *block = encode_view(f, &view, &length);
    view.data = turned;
    view.row_stride = 1;
    view.col_stride = ROWS;
    unsigned char *turned_block = encode_view(f, &view, &turned_length);
    CHECK(same(block, length, turned_block, turned_length));

    kakeya_view_mut out = view_mut_of(y, DIM);
    decode_view(f, block, length, &out);
    out.data = turned_y;
    out.row_stride = 1;
    out.col_stride = ROWS;
    decode_view(f, block, length, &out);
    int equal = 1;
    for (size_t i = 0; i < VALUES; i++) {
        equal &= turned_y[i % DIM * ROWS + i / DIM] == y[i];
    }
    CHECK(equal);
    free(block);
    free(turned_block);
}

/* Backwards through memory, with a gap between rows that nobody may write to. */
static void negative_stride_with_gaps(const fixture *f, const float *x) {
    enum { STRIDE = DIM + 3 };
    float backwards[ROWS * STRIDE];
    float out[ROWS * STRIDE];
    float y[VALUES];
    size_t length = 0;
    size_t backwards_length = 0;
    for (size_t i = 0; i < ROWS * STRIDE; i++) {
        backwards[i] = 1e30f;
        out[i] = 1e30f;
    }
    for (size_t row = 0; row < ROWS; row++) {
        memcpy(backwards + (ROWS - 1 - row) * STRIDE, x + row * DIM, DIM * sizeof *x);
    }
    kakeya_view view = view_of(x, DIM);
    unsigned char *block = encode_view(f, &view, &length);
    view.data = backwards + (ROWS - 1) * STRIDE;
    view.row_stride = -STRIDE;
    unsigned char *backwards_block = encode_view(f, &view, &backwards_length);
    CHECK(same(block, length, backwards_block, backwards_length));

    kakeya_view_mut plain = view_mut_of(y, DIM);
    decode_view(f, block, length, &plain);
    kakeya_view_mut turned = view_mut_of(out + (ROWS - 1) * STRIDE, DIM);
    turned.row_stride = -STRIDE;
    decode_view(f, block, length, &turned);
    int equal = 1;
    int gaps = 1;
    for (size_t row = 0; row < ROWS; row++) {
        const float *got = out + (ROWS - 1 - row) * STRIDE;
        equal &= memcmp(got, y + row * DIM, DIM * sizeof *y) == 0;
        gaps &= got[DIM] == 1e30f && got[DIM + 1] == 1e30f && got[DIM + 2] == 1e30f;
    }
    CHECK(equal);
    CHECK(gaps);
    free(block);
    free(backwards_block);
}

/* Stride 0 reads one row again and again. */
static void one_row_repeated(const fixture *f, const float *x) {
    float y[VALUES];
    size_t length = 0;
    kakeya_view view = view_of(x, DIM);
    view.row_stride = 0;
    unsigned char *block = encode_view(f, &view, &length);
    const kakeya_view_mut out = view_mut_of(y, DIM);
    decode_view(f, block, length, &out);
    for (size_t row = 0; row < ROWS; row++) {
        CHECK(relative_error(x, y + row * DIM, DIM) < 3 * small_error);
    }
    free(block);
}

/* Two segments of different element types; decoding either one alone leaves the other alone. */
static void segments(uint32_t preset, const float *x) {
    enum { FIRST = 20, SECOND = DIM - FIRST };
    fixture f;
    uint16_t second[ROWS * SECOND];
    float both[2][VALUES];
    float alone[2][VALUES];
    size_t length = 0;
    kakeya_segment pair[2];
    kakeya_view views[2];
    kakeya_view_mut views_mut[2];
    fixture_defaults(&f, preset, DIM);
    for (size_t i = 0; i < 2; i++) {
        CHECK_OK(kakeya_segment_init(&pair[i], sizeof pair[i]));
    }
    pair[0].dim = FIRST;
    pair[1].dim = SECOND;
    pair[1].gain = 2.0f;
    f.layout.n_segments = 2;
    f.layout.segments = pair;
    fixture_create(&f, ROWS);
    for (size_t i = 0; i < ROWS * SECOND; i++) {
        second[i] = f16_from(x[i / SECOND * DIM + FIRST + i % SECOND]);
    }
    views[0] = view_of(x, DIM);
    views[1] = view_of(x, SECOND);
    views[1].data = second;
    views[1].dtype = KAKEYA_DTYPE_F16;
    unsigned char *block = encode_view(&f, views, &length);

    memset(both, 0, sizeof both);
    memset(alone, 0, sizeof alone);
    for (size_t i = 0; i < 2; i++) {
        views_mut[i] = view_mut_of(both[i], DIM);
    }
    decode_view(&f, block, length, views_mut);
    for (size_t i = 0; i < 2; i++) {
        views_mut[i].data = alone[i];
        views_mut[1 - i].data = NULL;
        decode_view(&f, block, length, views_mut);
    }
    CHECK(memcmp(both, alone, sizeof both) == 0);
    for (size_t i = 0; i < VALUES; i++) {
        both[0][i] = i % DIM < FIRST ? both[0][i] : both[1][i - FIRST];
    }
    /* The noise is spread evenly over the row after gains, so the first segment, coded at a quarter of the
     * second's energy, takes more than its share: 1.53 times as much in all. */
    CHECK(relative_error(x, both[0], VALUES) < 1.53 * small_error);
    free(block);
    fixture_close(&f);
}

static void bad_views(const fixture *f, const float *x) {
    unsigned char dst[16384];
    float y[VALUES];
    size_t length = 0;
    size_t written = 0;
    kakeya_view view = view_of(x, DIM);
    kakeya_view_mut out = view_mut_of(y, DIM);
    kakeya_rows rows = rows_of(&view, ROWS);
    kakeya_rows_mut rows_mut = rows_mut_of(&out, ROWS);
    unsigned char *block = encode_view(f, &view, &length);
    view.data = (const char *)x + 1;
    CHECK_STATUS(KAKEYA_ERR_BAD_DTYPE, kakeya_encode(f->codec, f->workspace, &rows, dst, sizeof dst, &written));
    view.data = x;
    view.row_stride = PTRDIFF_MAX;
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_encode(f->codec, f->workspace, &rows, dst, sizeof dst, &written));
    view.row_stride = DIM;
    rows.n_rows = 0;
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_encode(f->codec, f->workspace, &rows, dst, sizeof dst, &written));
    rows.n_rows = ROWS + 1;
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_encode(f->codec, f->workspace, &rows, dst, sizeof dst, &written));
    rows_mut.n_rows = ROWS - 1;
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_decode(f->codec, f->workspace, block, length, &rows_mut));
    rows_mut.n_rows = ROWS;
    out.data = (char *)y + 1;
    CHECK_STATUS(KAKEYA_ERR_BAD_DTYPE, kakeya_decode(f->codec, f->workspace, block, length, &rows_mut));
    free(block);
}

int main(void) {
    float x[VALUES];
    fill(x, VALUES, 6);
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        fixture f;
        fixture_open(&f, presets[i]);
        dtypes(&f, x);
        transposed(&f, x);
        negative_stride_with_gaps(&f, x);
        one_row_repeated(&f, x);
        bad_views(&f, x);
        fixture_close(&f);
        segments(presets[i], x);
    }
    return check_report();
}
