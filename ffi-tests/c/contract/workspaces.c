/* A workspace is sized before it is made, and serves every codec that needs no more than its own. */
#include "fixture.h"

static size_t size_for(const fixture *f, size_t max_rows) {
    size_t size = 0;
    CHECK_OK(kakeya_workspace_size(f->codec, max_rows, &size));
    return size;
}

static kakeya_status encode_in(const fixture *f, kakeya_workspace *workspace, const float *x, size_t n_rows) {
    unsigned char dst[32768];
    size_t written = 0;
    const kakeya_view view = view_of(x, f->segment.dim);
    const kakeya_rows rows = rows_of(&view, n_rows);
    return kakeya_encode(f->codec, workspace, &rows, dst, sizeof dst, &written);
}

/* Rows of `DIM` coordinates in `count` segments, through a workspace that was made for one segment, and through its own. */
static void encode_segments(kakeya_workspace *of_one, const float *x, size_t count, kakeya_status expected) {
    unsigned char dst[32768];
    size_t written = 0;
    fixture f;
    kakeya_segment segments[DIM];
    kakeya_view views[DIM];
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM / count);
    for (size_t i = 0; i < count; i++) {
        segments[i] = f.segment;
        views[i] = view_of(x + i * (DIM / count), DIM);
    }
    f.layout.n_segments = count;
    f.layout.segments = segments;
    fixture_create(&f, ROWS);
    const kakeya_rows rows = rows_of(views, ROWS);
    CHECK_OK(kakeya_encode(f.codec, f.workspace, &rows, dst, sizeof dst, &written));
    CHECK_STATUS(expected, kakeya_encode(f.codec, of_one, &rows, dst, sizeof dst, &written));
    fixture_close(&f);
}

int main(void) {
    fixture narrow;
    fixture wide;
    fixture fitting;
    float x[2 * VALUES];
    fill(x, 2 * VALUES, 19);
    fixture_defaults(&narrow, KAKEYA_PRESET_TURBO, DIM);
    fixture_create(&narrow, ROWS);
    fixture_defaults(&wide, KAKEYA_PRESET_TURBO, (size_t)2 * DIM);
    fixture_create(&wide, ROWS);
    fixture_defaults(&fitting, KAKEYA_PRESET_KAKEYA, DIM);
    fixture_create(&fitting, ROWS);

    CHECK(size_for(&narrow, 1) > 0 && size_for(&narrow, 1) <= size_for(&narrow, ROWS));
    CHECK(size_for(&narrow, ROWS) < size_for(&wide, ROWS));
    CHECK(size_for(&fitting, ROWS) < size_for(&fitting, (size_t)2 * ROWS));

    CHECK_OK(encode_in(&narrow, wide.workspace, x, ROWS));
    CHECK_OK(encode_in(&narrow, fitting.workspace, x, ROWS));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, encode_in(&wide, narrow.workspace, x, ROWS));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, encode_in(&fitting, narrow.workspace, x, ROWS));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, encode_in(&narrow, narrow.workspace, x, ROWS + 1));

    encode_segments(narrow.workspace, x, 8, KAKEYA_OK);
    encode_segments(narrow.workspace, x, 16, KAKEYA_ERR_BAD_SHAPE);

    /* More memory than there can be, and more bytes than can be counted. */
    kakeya_workspace *none = NULL;
    size_t size = 0;
    CHECK_STATUS(KAKEYA_ERR_OUT_OF_MEMORY, kakeya_workspace_create(fitting.codec, SIZE_MAX / 256, &none));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_workspace_create(fitting.codec, SIZE_MAX, &none));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_workspace_size(fitting.codec, SIZE_MAX, &size));
    CHECK(none == NULL && size == 0);

    /* A refusal leaves it as good as before. */
    CHECK_OK(encode_in(&narrow, narrow.workspace, x, ROWS));

    fixture_close(&narrow);
    fixture_close(&wide);
    fixture_close(&fitting);
    return check_report();
}
