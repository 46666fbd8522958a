/* Blocks at a fixed step share a fitted skeleton; the step bounds the error, and the data decide the size. */
#include <math.h>

#include "fixture.h"

/* The quantiser's dead zone: an error is at most this many steps a coefficient. */
static const double reach = 0.625;

static void defaults(fixture *f, float step) {
    fixture_defaults(f, KAKEYA_PRESET_RDO, DIM);
    f->params.rate_control = KAKEYA_RATE_CONTROL_STEP;
    f->params.step = step;
    f->params.rows_per_run = 16;
    f->params.kmeans_k = 0;
}

static kakeya_skeleton *fit(const float *x) {
    fixture f;
    kakeya_fitter *fitter = NULL;
    kakeya_skeleton *skeleton = NULL;
    defaults(&f, 1.0f);
    const kakeya_view view = view_of(x, DIM);
    const kakeya_rows rows = rows_of(&view, ROWS);
    CHECK_OK(kakeya_fitter_create(&f.params, &f.layout, &fitter));
    CHECK_OK(kakeya_fitter_add_rows(fitter, &rows));
    CHECK_OK(kakeya_fitter_finish(fitter, NULL, 0, &skeleton));
    kakeya_fitter_free(fitter);
    if (skeleton == NULL) {
        exit(check_report());
    }
    return skeleton;
}

static void open_at(fixture *f, float step, const kakeya_skeleton *skeleton) {
    defaults(f, step);
    CHECK_OK(kakeya_codec_create(&f->params, &f->layout, skeleton, &f->codec));
    CHECK_OK(kakeya_workspace_create(f->codec, ROWS, &f->workspace));
    if (f->codec == NULL || f->workspace == NULL) {
        exit(check_report());
    }
}

static void decode(const fixture *f, const unsigned char *block, size_t length, float *y) {
    const kakeya_view_mut view = view_mut_of(y, DIM);
    const kakeya_rows_mut rows = rows_mut_of(&view, ROWS);
    CHECK_OK(kakeya_block_verify(f->codec, block, length));
    CHECK_OK(kakeya_decode(f->codec, f->workspace, block, length, &rows));
}

static double squared_error(const float *x, const float *y, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    }
    return sum;
}

/* Returns the size of the block. */
static size_t one_step(float step, const float *x, const kakeya_skeleton *skeleton) {
    fixture f;
    float y[VALUES];
    float part[VALUES];
    size_t length = 0;
    kakeya_block_info info;
    open_at(&f, step, skeleton);
    unsigned char *block = encode_rows(&f, x, ROWS, &length);
    CHECK_OK(kakeya_block_read_info(block, length, &info, sizeof info));
    CHECK(info.flags == (KAKEYA_BLOCK_FLAG_CHECKSUM | KAKEYA_BLOCK_FLAG_RUNS));
    CHECK(info.step == step && info.bits == 0 && info.rows_per_run == 16 && info.rank == DIM);
    decode(&f, block, length, y);
    /* Of a row, up to what rounds its axes and its mean to their stored form. */
    const double bound = reach * step * sqrt((double)DIM) + 0.01;
    for (size_t i = 0; i < ROWS; i++) {
        CHECK(sqrt(squared_error(x + i * DIM, y + i * DIM, DIM)) <= bound);
    }
    /* On average, that of a uniform quantiser, and a quarter of a step more about zero. */
    const double unit = step * step / 12.0;
    const double average = squared_error(x, y, VALUES) / VALUES;
    CHECK(average >= 0.95 * unit && average <= 1.15 * unit);

    const kakeya_view_mut view = view_mut_of(part, DIM);
    for (size_t first = 0; first < ROWS; first += 5) {
        const size_t count = ROWS - first < 20 ? ROWS - first : 20;
        const kakeya_rows_mut range = rows_mut_of(&view, count);
        CHECK_OK(kakeya_decode_rows(f.codec, f.workspace, block, length, first, count, &range));
        CHECK(memcmp(part, y + first * DIM, count * DIM * sizeof *part) == 0);
    }
    free(block);
    fixture_close(&f);
    return length;
}

/* A row of 16 times the weight gets a quarter of the step, and so a sixteenth of the error. */
static void weights(const float *x, const kakeya_skeleton *skeleton) {
    fixture f;
    float y[VALUES];
    float w[ROWS];
    unsigned char dst[16384];
    size_t length = 0;
    double light = 0.0;
    double heavy = 0.0;
    kakeya_block_info info;
    for (size_t i = 0; i < ROWS; i++) {
        w[i] = i % 2 == 0 ? 1.0f : 16.0f;
    }
    open_at(&f, 0.0625f, skeleton);
    const kakeya_view view = view_of(x, DIM);
    kakeya_rows rows = rows_of(&view, ROWS);
    rows.weights = w;
    CHECK_OK(kakeya_encode(f.codec, f.workspace, &rows, dst, sizeof dst, &length));
    CHECK_OK(kakeya_block_read_info(dst, length, &info, sizeof info));
    CHECK((info.flags & KAKEYA_BLOCK_FLAG_WEIGHTS) != 0);
    decode(&f, dst, length, y);
    for (size_t i = 0; i < ROWS; i++) {
        *(i % 2 == 0 ? &light : &heavy) += squared_error(x + i * DIM, y + i * DIM, DIM);
    }
    CHECK(light > 13.0 * heavy && light < 19.0 * heavy);
    fixture_close(&f);
}

/* A step so small that coding would take more than the rows themselves: they are stored as they are. */
static void as_they_are(const float *x, const kakeya_skeleton *skeleton) {
    fixture f;
    float y[VALUES];
    size_t length = 0;
    kakeya_block_info info;
    open_at(&f, 1e-9f, skeleton);
    unsigned char *block = encode_rows(&f, x, ROWS, &length);
    CHECK_OK(kakeya_block_read_info(block, length, &info, sizeof info));
    CHECK((info.flags & KAKEYA_BLOCK_FLAG_RAW) != 0);
    CHECK(length == 64 + sizeof y);
    decode(&f, block, length, y);
    CHECK(memcmp(x, y, sizeof y) == 0);
    free(block);
    fixture_close(&f);
}

static void refusals(const float *x, const kakeya_skeleton *skeleton) {
    fixture f;
    fixture finer;
    fixture turbo;
    unsigned char dst[64];
    size_t length = 0;
    size_t written = 0;
    kakeya_codec *codec = NULL;
    defaults(&f, 0.25f);
    CHECK_STATUS(KAKEYA_ERR_UNSUPPORTED, kakeya_codec_create(&f.params, &f.layout, NULL, &codec));
    defaults(&f, 0.0f);
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_codec_create(&f.params, &f.layout, skeleton, &codec));
    defaults(&f, 0.25f);
    f.params.preset = KAKEYA_PRESET_TURBO;
    CHECK_STATUS(KAKEYA_ERR_UNSUPPORTED, kakeya_codec_create(&f.params, &f.layout, NULL, &codec));
    CHECK(codec == NULL);

    open_at(&f, 0.25f, skeleton);
    open_at(&finer, 0.125f, skeleton);
    fixture_open(&turbo, KAKEYA_PRESET_TURBO);
    unsigned char *block = encode_rows(&f, x, ROWS, &length);
    CHECK_STATUS(KAKEYA_ERR_WRONG_CODEC, kakeya_block_verify(finer.codec, block, length));
    const kakeya_view view = view_of(x, DIM);
    const kakeya_rows rows = rows_of(&view, ROWS);
    CHECK_STATUS(KAKEYA_ERR_DST_TOO_SMALL,
                 kakeya_encode(f.codec, f.workspace, &rows, dst, sizeof dst, &written));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE,
                 kakeya_encode(f.codec, turbo.workspace, &rows, dst, sizeof dst, &written));
    CHECK(written == 0);
    free(block);
    fixture_close(&f);
    fixture_close(&finer);
    fixture_close(&turbo);
}

int main(void) {
    float x[VALUES];
    fill(x, VALUES, 20);
    kakeya_skeleton *skeleton = fit(x);
    const size_t coarse = one_step(0.0625f, x, skeleton);
    const size_t fine = one_step(0.015625f, x, skeleton);
    /* A quarter of the step takes two bits more a value: 384 bytes. */
    CHECK(fine > coarse + 370 && fine < coarse + 398);
    weights(x, skeleton);
    as_they_are(x, skeleton);
    refusals(x, skeleton);
    kakeya_skeleton_free(skeleton);
    return check_report();
}
