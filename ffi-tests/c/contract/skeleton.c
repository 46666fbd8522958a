/* A skeleton is fitted once, saved, loaded, shared by codecs, and refused where it does not fit. */
#include "fixture.h"

static kakeya_skeleton *fit(const fixture *f, const kakeya_rows *rows, kakeya_fit_report *report) {
    kakeya_fitter *fitter = NULL;
    kakeya_skeleton *skeleton = NULL;
    CHECK_OK(kakeya_fitter_create(&f->params, &f->layout, &fitter));
    CHECK_OK(kakeya_fitter_add_rows(fitter, rows));
    CHECK_OK(kakeya_fitter_add_rows(fitter, rows));
    CHECK_OK(kakeya_fitter_finish(fitter, report, sizeof *report, &skeleton));
    kakeya_fitter_free(fitter);
    if (skeleton == NULL) {
        exit(check_report());
    }
    return skeleton;
}

static unsigned char *save(const kakeya_skeleton *skeleton, size_t *size) {
    size_t written = 0;
    CHECK_OK(kakeya_skeleton_size(skeleton, size));
    unsigned char *bytes = take(*size);
    CHECK_STATUS(KAKEYA_ERR_DST_TOO_SMALL, kakeya_skeleton_save(skeleton, bytes, *size - 1, &written));
    CHECK(written == 0);
    CHECK_OK(kakeya_skeleton_save(skeleton, bytes, *size, &written));
    CHECK(written == *size);
    return bytes;
}

/* The codec keeps the skeleton alive: it is freed before the codec is used. */
static unsigned char *encode_with(fixture f, kakeya_skeleton *skeleton, const float *x, size_t *length,
                                  uint8_t fingerprint[32]) {
    float y[VALUES];
    kakeya_block_info info;
    CHECK_OK(kakeya_codec_create(&f.params, &f.layout, skeleton, &f.codec));
    CHECK_OK(kakeya_workspace_create(f.codec, ROWS, &f.workspace));
    kakeya_skeleton_free(skeleton);
    unsigned char *block = encode_rows(&f, x, ROWS, length);
    const kakeya_view_mut view = view_mut_of(y, DIM);
    const kakeya_rows_mut rows = rows_mut_of(&view, ROWS);
    CHECK_OK(kakeya_decode(f.codec, f.workspace, block, *length, &rows));
    CHECK(relative_error(x, y, VALUES) < 0.05);
    CHECK_OK(kakeya_codec_fingerprint(f.codec, fingerprint));
    CHECK_OK(kakeya_block_read_info(block, *length, &info, sizeof info));
    CHECK((info.flags & KAKEYA_BLOCK_FLAG_OWN_SKELETON) == 0);
    CHECK(memcmp(info.fingerprint, fingerprint, 32) == 0);
    fixture_close(&f);
    return block;
}

static void damaged(const unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < size; i += i < 256 ? 1 : 29) {
        kakeya_skeleton *skeleton = NULL;
        unsigned char *copy = take(size);
        unsigned char *shorter = take(i);
        memcpy(copy, bytes, size);
        memcpy(shorter, bytes, i);
        copy[i] ^= 0x10u;
        CHECK(kakeya_skeleton_load(copy, size, &skeleton) != KAKEYA_OK);
        CHECK_STATUS(KAKEYA_ERR_TRUNCATED, kakeya_skeleton_load(shorter, i, &skeleton));
        CHECK(skeleton == NULL);
        free(copy);
        free(shorter);
    }
}

static void misfits(const fixture *f, const kakeya_skeleton *skeleton, const kakeya_rows *rows) {
    fixture other;
    kakeya_codec *codec = NULL;
    kakeya_fitter *fitter = NULL;
    fixture_defaults(&other, KAKEYA_PRESET_KAKEYA, DIM / 2);
    CHECK(kakeya_codec_create(&other.params, &other.layout, skeleton, &codec) != KAKEYA_OK);
    fixture_defaults(&other, KAKEYA_PRESET_TURBO, DIM);
    CHECK(kakeya_codec_create(&other.params, &other.layout, skeleton, &codec) != KAKEYA_OK);
    CHECK(kakeya_fitter_create(&other.params, &other.layout, &fitter) != KAKEYA_OK);
    CHECK(codec == NULL && fitter == NULL);

    kakeya_rows none = *rows;
    none.n_rows = 0;
    CHECK_OK(kakeya_fitter_create(&f->params, &f->layout, &fitter));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_fitter_add_rows(fitter, &none));
    kakeya_fitter_free(fitter);
}

int main(void) {
    fixture f;
    float x[VALUES];
    uint8_t id[2][32];
    uint8_t fingerprint[2][32];
    size_t size = 0;
    size_t length[2] = {0, 0};
    kakeya_fit_report report;
    kakeya_skeleton *loaded = NULL;
    fill(x, VALUES, 12);
    fixture_defaults(&f, KAKEYA_PRESET_KAKEYA, DIM);
    const kakeya_view view = view_of(x, DIM);
    const kakeya_rows rows = rows_of(&view, ROWS);

    kakeya_skeleton *skeleton = fit(&f, &rows, &report);
    unsigned char *bytes = save(skeleton, &size);
    CHECK(report.n_rows == 2 * ROWS && report.rank >= 1 && report.rank <= DIM);
    CHECK(report.captured_variance >= 0.99 && report.captured_variance <= 1.0);
    CHECK(report.coding_gain >= 1.0);
    CHECK(report.skeleton_bytes == size);
    CHECK_OK(kakeya_skeleton_load(bytes, size, &loaded));
    CHECK_OK(kakeya_skeleton_id(skeleton, id[0]));
    CHECK_OK(kakeya_skeleton_id(loaded, id[1]));
    CHECK(memcmp(id[0], id[1], sizeof id[0]) == 0);
    damaged(bytes, size);
    misfits(&f, skeleton, &rows);

    unsigned char *first = encode_with(f, skeleton, x, &length[0], fingerprint[0]);
    unsigned char *second = encode_with(f, loaded, x, &length[1], fingerprint[1]);
    CHECK(memcmp(fingerprint[0], fingerprint[1], sizeof fingerprint[0]) == 0);
    CHECK(length[0] == length[1] && memcmp(first, second, length[0]) == 0);
    free(first);
    free(second);
    free(bytes);
    return check_report();
}
