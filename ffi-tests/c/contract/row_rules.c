/* What a caller says about single rows: protected rows come back bit by bit, weights steer but never break, and
 * memory that is read and written in one call must not overlap. */
#include <math.h>

#include "fixture.h"
#include "half.h"

static kakeya_status encode(const fixture *f, const kakeya_rows *rows, unsigned char *dst, size_t cap) {
    size_t written = 0;
    return kakeya_encode(f->codec, f->workspace, rows, dst, cap, &written);
}

static void protected_rows(uint32_t preset) {
    fixture f;
    float x[VALUES];
    float y[VALUES];
    uint8_t protect[ROWS] = {0};
    unsigned char dst[16384];
    size_t length = 0;
    kakeya_block_info info;
    fill(x, VALUES, 14);
    fixture_defaults(&f, preset, DIM);
    f.params.max_protected = 3;
    fixture_create(&f, ROWS);
    protect[0] = 1;
    protect[17] = 255;
    protect[ROWS - 1] = 1;
    /* Such a row may hold what would spoil a block. */
    x[17 * DIM] = 79111.0f;
    const kakeya_view view = view_of(x, DIM);
    const kakeya_view_mut view_mut = view_mut_of(y, DIM);
    kakeya_rows rows = rows_of(&view, ROWS);
    const kakeya_rows_mut rows_mut = rows_mut_of(&view_mut, ROWS);
    rows.protect = protect;
    CHECK_OK(kakeya_encode(f.codec, f.workspace, &rows, dst, sizeof dst, &length));
    CHECK_OK(kakeya_block_read_info(dst, length, &info, sizeof info));
    CHECK(info.n_protected == 3);
    CHECK_OK(kakeya_decode(f.codec, f.workspace, dst, length, &rows_mut));
    for (size_t row = 0; row < ROWS; row++) {
        const double error = relative_error(x + row * DIM, y + row * DIM, DIM);
        CHECK(protect[row] != 0 ? error == 0.0 : error > 0.0 && error < 0.2);
    }
    protect[1] = 1;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, encode(&f, &rows, dst, sizeof dst));
    fixture_close(&f);
}

/* In a half type they come back as that type has them. */
static void protected_rows_in(uint32_t raw_dtype) {
    fixture f;
    float x[VALUES];
    float y[VALUES];
    uint8_t protect[ROWS] = {0};
    unsigned char dst[16384];
    size_t length = 0;
    fill(x, VALUES, 18);
    /* The largest finite value stands for everything beyond it. */
    x[0] = 1e30f;
    x[1] = 1.0f / 3.0f;
    protect[0] = 1;
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    f.params.max_protected = 1;
    f.segment.raw_dtype = raw_dtype;
    fixture_create(&f, ROWS);
    const kakeya_view view = view_of(x, DIM);
    const kakeya_view_mut view_mut = view_mut_of(y, DIM);
    kakeya_rows rows = rows_of(&view, ROWS);
    const kakeya_rows_mut rows_mut = rows_mut_of(&view_mut, ROWS);
    rows.protect = protect;
    CHECK_OK(kakeya_encode(f.codec, f.workspace, &rows, dst, sizeof dst, &length));
    CHECK_OK(kakeya_decode(f.codec, f.workspace, dst, length, &rows_mut));
    if (raw_dtype == KAKEYA_DTYPE_F16) {
        CHECK(y[0] == 65504.0f && y[1] == f16_to(0x3555));
    } else {
        CHECK(y[0] == bf16_to(bf16_from(y[0])) && fabsf(y[0] / x[0] - 1.0f) < 0.005f && y[1] == bf16_to(0x3eab));
    }
    CHECK(memcmp(x + 2, y + 2, (DIM - 2) * sizeof *x) == 0);
    fixture_close(&f);
}

static void weights(void) {
    const float bad[] = {-1.0f, NAN, INFINITY};
    fixture f;
    float x[VALUES];
    float weight[ROWS];
    unsigned char dst[16384];
    fill(x, VALUES, 15);
    fixture_open(&f, KAKEYA_PRESET_KAKEYA);
    const kakeya_view view = view_of(x, DIM);
    kakeya_rows rows = rows_of(&view, ROWS);
    rows.weights = weight;
    for (size_t row = 0; row < ROWS; row++) {
        weight[row] = row % 3 == 0 ? 0.0f : 2.5f;
    }
    CHECK_OK(encode(&f, &rows, dst, sizeof dst));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        weight[7] = bad[i];
        CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, encode(&f, &rows, dst, sizeof dst));
    }
    memset(weight, 0, sizeof weight);
    CHECK_OK(encode(&f, &rows, dst, sizeof dst));
    rows.weights = (const float *)(const void *)((const char *)weight + 1);
    CHECK_STATUS(KAKEYA_ERR_BAD_DTYPE, encode(&f, &rows, dst, sizeof dst));
    fixture_close(&f);
}

/* A bound on the largest error is kept, or the block is refused. */
static void bounded_error(void) {
    fixture f;
    float x[VALUES];
    float y[VALUES];
    unsigned char dst[16384];
    size_t length = 0;
    kakeya_block_info info;
    fill(x, VALUES, 16);
    const kakeya_view view = view_of(x, DIM);
    const kakeya_view_mut view_mut = view_mut_of(y, DIM);
    const kakeya_rows rows = rows_of(&view, ROWS);
    const kakeya_rows_mut rows_mut = rows_mut_of(&view_mut, ROWS);
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    f.params.distortion = KAKEYA_DISTORTION_LINF;
    f.params.max_abs_error = 0.5f;
    fixture_create(&f, ROWS);
    CHECK_OK(kakeya_encode(f.codec, f.workspace, &rows, dst, sizeof dst, &length));
    CHECK_OK(kakeya_block_read_info(dst, length, &info, sizeof info));
    CHECK_OK(kakeya_decode(f.codec, f.workspace, dst, length, &rows_mut));
    double largest = 0.0;
    for (size_t i = 0; i < VALUES; i++) {
        largest = fmax(largest, fabs((double)x[i] - (double)y[i]));
    }
    CHECK(largest > 0.0 && largest <= 0.5);
    CHECK(fabs(info.certified_error - largest) <= 1e-6);
    fixture_close(&f);

    f.params.max_abs_error = 1e-3f;
    fixture_create(&f, ROWS);
    CHECK_STATUS(KAKEYA_ERR_BOUND_NOT_MET, encode(&f, &rows, dst, sizeof dst));
    fixture_close(&f);
}

static void overlapping_memory(void) {
    fixture f;
    size_t length = 0;
    float *memory = take(2 * VALUES * sizeof *memory);
    fill(memory, VALUES, 17);
    fixture_open(&f, KAKEYA_PRESET_TURBO);
    const kakeya_view view = view_of(memory, DIM);
    const kakeya_rows rows = rows_of(&view, ROWS);
    unsigned char *const inside = (unsigned char *)(memory + VALUES - 1);
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, encode(&f, &rows, inside, VALUES * sizeof *memory));
    unsigned char *const behind = (unsigned char *)(memory + VALUES);
    CHECK_OK(kakeya_encode(f.codec, f.workspace, &rows, behind, VALUES * sizeof *memory, &length));
    const kakeya_view_mut over_the_block = view_mut_of(memory + DIM, DIM);
    const kakeya_rows_mut rows_mut = rows_mut_of(&over_the_block, ROWS);
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_decode(f.codec, f.workspace, behind, length, &rows_mut));
    free(memory);
    fixture_close(&f);
}

int main(void) {
    protected_rows(KAKEYA_PRESET_TURBO);
    protected_rows(KAKEYA_PRESET_KAKEYA);
    protected_rows_in(KAKEYA_DTYPE_F16);
    protected_rows_in(KAKEYA_DTYPE_BF16);
    weights();
    bounded_error();
    overlapping_memory();
    return check_report();
}
