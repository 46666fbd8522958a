/* Preset rdo through the C API: its three rate controls, the trellis, and a query metric. */
#include "fixture.h"

#include <math.h>

static kakeya_fitter *gather(const fixture *f, const float *x) {
    kakeya_fitter *fitter = NULL;
    const kakeya_view view = view_of(x, DIM);
    const kakeya_rows rows = rows_of(&view, ROWS);
    CHECK_OK(kakeya_fitter_create(&f->params, &f->layout, &fitter));
    CHECK_OK(kakeya_fitter_add_rows(fitter, &rows));
    if (fitter == NULL) {
        exit(check_report());
    }
    return fitter;
}

static kakeya_skeleton *finish(kakeya_fitter *fitter) {
    kakeya_skeleton *skeleton = NULL;
    CHECK_OK(kakeya_fitter_finish(fitter, NULL, 0, &skeleton));
    kakeya_fitter_free(fitter);
    if (skeleton == NULL) {
        exit(check_report());
    }
    return skeleton;
}

/* Encodes and decodes `x`; returns the size of the block and its header. */
static size_t code(fixture f, const kakeya_skeleton *skeleton, const float *x, kakeya_block_info *info, double *error) {
    float y[VALUES];
    size_t length = 0, bound = 0;
    CHECK_OK(kakeya_codec_create(&f.params, &f.layout, skeleton, &f.codec));
    CHECK_OK(kakeya_workspace_create(f.codec, ROWS, &f.workspace));
    CHECK_OK(kakeya_encode_bound(f.codec, ROWS, &bound));
    unsigned char *block = encode_rows(&f, x, ROWS, &length);
    const kakeya_view_mut view = view_mut_of(y, DIM);
    const kakeya_rows_mut rows = rows_mut_of(&view, ROWS);
    CHECK_OK(kakeya_decode(f.codec, f.workspace, block, length, &rows));
    CHECK_OK(kakeya_block_read_info(block, length, info, sizeof *info));
    *error = relative_error(x, y, VALUES);
    if (f.params.rate_control == KAKEYA_RATE_CONTROL_BITS) {
        CHECK(length == bound);
    }
    CHECK(length <= bound);
    free(block);
    fixture_close(&f);
    return length;
}

static void rate_controls(const float *x) {
    fixture f;
    kakeya_block_info info;
    double error = 0, other = 0;
    fixture_defaults(&f, KAKEYA_PRESET_RDO, DIM);
    f.params.kmeans_k = 0;
    f.params.rate_control = KAKEYA_RATE_CONTROL_STEP;
    f.params.step = 0.25f;
    kakeya_skeleton *skeleton = finish(gather(&f, x));

    const size_t plain = code(f, skeleton, x, &info, &error);
    CHECK(info.step == 0.25f && info.bits == 0.0f && info.rows_per_run == 128);
    f.params.effort = 1;
    const size_t trellis = code(f, skeleton, x, &info, &other);
    CHECK((info.flags & KAKEYA_BLOCK_FLAG_TRELLIS) != 0);
    /* At the same step: less error, and somewhat more bytes. */
    CHECK(other < error && trellis < plain + plain / 3);
    f.params.effort = 2;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_codec_create(&f.params, &f.layout, skeleton, &f.codec));
    f.params.effort = 0;

    f.params.rate_control = KAKEYA_RATE_CONTROL_MAX_BYTES;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_codec_create(&f.params, &f.layout, skeleton, &f.codec));
    f.params.step = 0.0f;
    f.params.max_bytes = 700;
    CHECK(code(f, skeleton, x, &info, &error) <= 700);
    CHECK(info.step > 0.0f);
    f.params.max_bytes = 1100;
    CHECK(code(f, skeleton, x, &info, &other) <= 1100 && other < error);
    f.params.max_bytes = 100;
    fixture g = f;
    CHECK_OK(kakeya_codec_create(&g.params, &g.layout, skeleton, &g.codec));
    CHECK_OK(kakeya_workspace_create(g.codec, ROWS, &g.workspace));
    unsigned char dst[100];
    size_t written = 0;
    const kakeya_view view = view_of(x, DIM);
    const kakeya_rows rows = rows_of(&view, ROWS);
    CHECK_STATUS(KAKEYA_ERR_BOUND_NOT_MET, kakeya_encode(g.codec, g.workspace, &rows, dst, sizeof dst, &written));
    CHECK(written == 0);
    fixture_close(&g);

    f.params.max_bytes = 0;
    f.params.rate_control = KAKEYA_RATE_CONTROL_BITS;
    f.params.bits = 2.6f;
    CHECK(code(f, skeleton, x, &info, &error) == 92 + 2 * ROWS + (ROWS * 83 + 7) / 8);
    CHECK(fabsf(info.bits - 83.0f / DIM) < 1e-6f && (info.flags & KAKEYA_BLOCK_FLAG_ALLOCATED) != 0);
    CHECK(error < 0.05);
    kakeya_skeleton_free(skeleton);
}

static void queries(const float *x) {
    fixture f;
    kakeya_block_info info;
    double error = 0;
    float asked[8 * DIM];
    const int32_t positions[8] = {0, 5, 9, 100, 3, 2, 1, 7};
    fixture_defaults(&f, KAKEYA_PRESET_RDO, DIM);
    f.params.kmeans_k = 0;
    f.params.distortion = KAKEYA_DISTORTION_INNER_PRODUCT;
    f.params.rate_control = KAKEYA_RATE_CONTROL_STEP;
    f.params.step = 0.25f;
    fill(asked, 8 * DIM, 77);
    /* What asks mostly along the first coordinates wants the error elsewhere. */
    for (size_t i = 0; i < 8 * DIM; i++) {
        asked[i] *= i % DIM < 4 ? 4.0f : 0.25f;
    }
    kakeya_view view = view_of(asked, DIM);
    kakeya_fitter *fitter = gather(&f, x);
    CHECK_OK(kakeya_fitter_add_queries(fitter, 0, &view, 8, NULL));
    CHECK_OK(kakeya_fitter_add_queries(fitter, 0, &view, 8, positions));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_fitter_add_queries(fitter, 1, &view, 8, NULL));
    CHECK_STATUS(KAKEYA_ERR_NULL_POINTER, kakeya_fitter_add_queries(NULL, 0, &view, 8, NULL));
    CHECK_STATUS(KAKEYA_ERR_NULL_POINTER, kakeya_fitter_add_queries(fitter, 0, NULL, 8, NULL));
    const int32_t negative[8] = {0, 0, -1, 0, 0, 0, 0, 0};
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_fitter_add_queries(fitter, 0, &view, 8, negative));
    asked[3] = INFINITY;
    CHECK_STATUS(KAKEYA_ERR_NOT_FINITE, kakeya_fitter_add_queries(fitter, 0, &view, 8, NULL));
    view.data = NULL;
    CHECK_STATUS(KAKEYA_ERR_NULL_POINTER, kakeya_fitter_add_queries(fitter, 0, &view, 8, NULL));
    asked[3] = 0.0f;
    kakeya_skeleton *skeleton = finish(fitter);
    code(f, skeleton, x, &info, &error);
    /* The certificate is the error that the queries see, not the plain one. */
    CHECK(info.certified_error < 0.5 * error);

    size_t size = 0, written = 0;
    kakeya_skeleton *loaded = NULL;
    uint8_t ids[2][32];
    CHECK_OK(kakeya_skeleton_size(skeleton, &size));
    unsigned char *bytes = take(size);
    CHECK_OK(kakeya_skeleton_save(skeleton, bytes, size, &written));
    CHECK_OK(kakeya_skeleton_load(bytes, written, &loaded));
    CHECK_OK(kakeya_skeleton_id(skeleton, ids[0]));
    CHECK_OK(kakeya_skeleton_id(loaded, ids[1]));
    CHECK(memcmp(ids[0], ids[1], 32) == 0);
    /* The id is the hash of what was saved. */
    memset(ids[1], 0, 32);
    CHECK_OK(kakeya_hash(bytes, written, ids[1]));
    CHECK(memcmp(ids[0], ids[1], 32) == 0);
    CHECK_STATUS(KAKEYA_ERR_NULL_POINTER, kakeya_hash(NULL, 1, ids[1]));
    CHECK_STATUS(KAKEYA_ERR_NULL_POINTER, kakeya_hash(bytes, written, NULL));
    free(bytes);
    kakeya_skeleton_free(loaded);
    kakeya_skeleton_free(skeleton);

    f.params.preset = KAKEYA_PRESET_KAKEYA;
    f.params.rate_control = KAKEYA_RATE_CONTROL_BITS;
    f.params.step = 0.0f;
    view = view_of(asked, DIM);
    fitter = gather(&f, x);
    CHECK_STATUS(KAKEYA_ERR_UNSUPPORTED, kakeya_fitter_add_queries(fitter, 0, &view, 8, NULL));
    kakeya_fitter_free(fitter);
}

int main(void) {
    float x[VALUES];
    fill(x, VALUES, 5);
    /* Components of falling variance. */
    for (size_t i = 0; i < VALUES; i++) {
        x[i] *= 4.0f / (float)(1 + i % DIM);
    }
    rate_controls(x);
    queries(x);
    return check_report();
}
