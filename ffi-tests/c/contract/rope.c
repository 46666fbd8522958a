/* Rotary embedding is undone before coding and applied after it, at the same or at other positions. */
#include <math.h>

#include "fixture.h"

enum { N_ROT = 24 };

static void frequencies(float inv_freq[N_ROT / 2]) {
    for (int i = 0; i < N_ROT / 2; i++) {
        inv_freq[i] = (float)pow(10000.0, -2.0 * i / N_ROT);
    }
}

/* The embedding as an engine applies it. */
static void embed(float *x, const int32_t *positions, const float *inv_freq, uint32_t rule) {
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t i = 0; i < N_ROT / 2; i++) {
            float *const a = x + row * DIM + (rule == KAKEYA_ROPE_NEOX ? i : 2 * i);
            float *const b = rule == KAKEYA_ROPE_NEOX ? a + N_ROT / 2 : a + 1;
            const double angle = (double)positions[row] * (double)inv_freq[i];
            const double c = cos(angle);
            const double s = sin(angle);
            const double was_a = (double)*a;
            const double was_b = (double)*b;
            *a = (float)(was_a * c - was_b * s);
            *b = (float)(was_a * s + was_b * c);
        }
    }
}

static void rule_round_trip(uint32_t rule) {
    fixture f;
    float inv_freq[N_ROT / 2];
    float plain[VALUES];
    float near[VALUES];
    float far[VALUES];
    float y[VALUES];
    uint8_t protect[ROWS] = {0};
    int32_t near_positions[ROWS];
    int32_t far_positions[ROWS];
    unsigned char block[16384];
    size_t length = 0;
    frequencies(inv_freq);
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    f.params.bits = 8.0f;
    f.params.max_protected = 1;
    f.segment.rope = rule;
    f.segment.n_rot = N_ROT;
    f.segment.inv_freq = inv_freq;
    fixture_create(&f, ROWS);
    /* The codec has its own copy. */
    memset(inv_freq, 0, sizeof inv_freq);
    fill(plain, VALUES, 13);
    for (size_t i = 0; i < ROWS; i++) {
        near_positions[i] = (int32_t)i;
        far_positions[i] = (int32_t)i + 100000;
    }
    frequencies(inv_freq);
    memcpy(near, plain, sizeof plain);
    memcpy(far, plain, sizeof plain);
    embed(near, near_positions, inv_freq, rule);
    embed(far, far_positions, inv_freq, rule);

    const kakeya_view view = view_of(near, DIM);
    kakeya_rows rows = rows_of(&view, ROWS);
    CHECK_STATUS(KAKEYA_ERR_NULL_POINTER,
                 kakeya_encode(f.codec, f.workspace, &rows, block, sizeof block, &length));
    rows.positions = near_positions;
    protect[11] = 1;
    rows.protect = protect;
    CHECK_OK(kakeya_encode(f.codec, f.workspace, &rows, block, sizeof block, &length));

    const kakeya_view_mut view_mut = view_mut_of(y, DIM);
    kakeya_rows_mut rows_mut = rows_mut_of(&view_mut, ROWS);
    CHECK_STATUS(KAKEYA_ERR_NULL_POINTER, kakeya_decode(f.codec, f.workspace, block, length, &rows_mut));
    rows_mut.positions = near_positions;
    CHECK_OK(kakeya_decode(f.codec, f.workspace, block, length, &rows_mut));
    CHECK(relative_error(near, y, VALUES) < 2e-4);
    CHECK(memcmp(near + (size_t)11 * DIM, y + (size_t)11 * DIM, DIM * sizeof *y) == 0);
    rows_mut.positions = far_positions;
    CHECK_OK(kakeya_decode(f.codec, f.workspace, block, length, &rows_mut));
    CHECK(relative_error(far, y, VALUES) < 2e-4);
    CHECK(relative_error(near, y, VALUES) > 0.1);
    /* A row that was stored raw is turned too, with no more error than rounding. */
    CHECK(relative_error(far + (size_t)11 * DIM, y + (size_t)11 * DIM, DIM) < 1e-12);

    /* A row range takes the positions of its own rows. */
    const kakeya_view_mut one_view = view_mut_of(plain, DIM);
    kakeya_rows_mut one = rows_mut_of(&one_view, 1);
    one.positions = far_positions + 9;
    CHECK_OK(kakeya_decode_rows(f.codec, f.workspace, block, length, 9, 1, &one));
    CHECK(memcmp(plain, y + (size_t)9 * DIM, DIM * sizeof *y) == 0);
    fixture_close(&f);
}

static void bad_rules(void) {
    const size_t bad[] = {0, 3, DIM + 2};
    float inv_freq[DIM] = {1.0f};
    kakeya_codec *codec = NULL;
    fixture f;
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    f.segment.rope = KAKEYA_ROPE_INTERLEAVED;
    f.segment.inv_freq = inv_freq;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        f.segment.n_rot = bad[i];
        CHECK(kakeya_codec_create(&f.params, &f.layout, NULL, &codec) != KAKEYA_OK);
    }
    f.segment.n_rot = 2;
    inv_freq[0] = NAN;
    CHECK(kakeya_codec_create(&f.params, &f.layout, NULL, &codec) != KAKEYA_OK);
    CHECK(codec == NULL);
}

int main(void) {
    rule_round_trip(KAKEYA_ROPE_NEOX);
    rule_round_trip(KAKEYA_ROPE_INTERLEAVED);
    bad_rules();
    return check_report();
}
