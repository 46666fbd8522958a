/* A row range decodes to exactly what the whole block decodes to in those rows. */
#include "fixture.h"

static void ranges(uint32_t preset, const float *x) {
    fixture f;
    float whole[VALUES];
    float part[VALUES];
    size_t length = 0;
    fixture_open(&f, preset);
    unsigned char *block = encode_rows(&f, x, ROWS, &length);
    const kakeya_view_mut whole_view = view_mut_of(whole, DIM);
    const kakeya_view_mut part_view = view_mut_of(part, DIM);
    const kakeya_rows_mut rows = rows_mut_of(&whole_view, ROWS);
    CHECK_OK(kakeya_decode(f.codec, f.workspace, block, length, &rows));
    for (size_t first = 0; first < ROWS; first++) {
        for (size_t count = 1; first + count <= ROWS; count += 1 + count / 2) {
            const kakeya_rows_mut range = rows_mut_of(&part_view, count);
            memset(part, 0, sizeof part);
            CHECK_OK(kakeya_decode_rows(f.codec, f.workspace, block, length, first, count, &range));
            CHECK(memcmp(part, whole + first * DIM, count * DIM * sizeof *part) == 0);
            CHECK(count == ROWS || part[count * DIM] == 0.0f);
        }
    }
    free(block);
    fixture_close(&f);
}

static void bad_ranges(const float *x) {
    fixture f;
    float y[VALUES];
    size_t length = 0;
    fixture_open(&f, KAKEYA_PRESET_TURBO);
    unsigned char *block = encode_rows(&f, x, ROWS, &length);
    const kakeya_view_mut view = view_mut_of(y, DIM);
    const kakeya_rows_mut none = rows_mut_of(&view, 0);
    const kakeya_rows_mut two = rows_mut_of(&view, 2);
    const size_t huge = (size_t)-1;
    CHECK_OK(kakeya_decode_rows(f.codec, f.workspace, block, length, ROWS - 2, 2, &two));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE,
                 kakeya_decode_rows(f.codec, f.workspace, block, length, ROWS - 1, 2, &two));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_decode_rows(f.codec, f.workspace, block, length, ROWS, 2, &two));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_decode_rows(f.codec, f.workspace, block, length, huge, 2, &two));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_decode_rows(f.codec, f.workspace, block, length, 0, huge, &two));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_decode_rows(f.codec, f.workspace, block, length, 0, 3, &two));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_decode_rows(f.codec, f.workspace, block, length, 0, 0, &none));
    free(block);
    fixture_close(&f);
}

int main(void) {
    float x[VALUES];
    fill(x, VALUES, 7);
    ranges(KAKEYA_PRESET_TURBO, x);
    ranges(KAKEYA_PRESET_KAKEYA, x);
    bad_ranges(x);
    return check_report();
}
