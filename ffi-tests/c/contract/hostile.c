/* Blocks that are not what they should be, rows that are not numbers, destinations that are too small: a status,
 * whatever the bytes. Every damaged block lies in memory of exactly its size. */
#include <math.h>

#include "fixture.h"

static kakeya_status decode_into(const fixture *f, const unsigned char *block, size_t length) {
    float y[VALUES];
    const kakeya_view_mut view = view_mut_of(y, DIM);
    const kakeya_rows_mut rows = rows_mut_of(&view, ROWS);
    return kakeya_decode(f->codec, f->workspace, block, length, &rows);
}

/* Hands the bytes to everything that reads blocks; returns what decoding said. */
static kakeya_status read_all(const fixture *f, const unsigned char *bytes, size_t length) {
    kakeya_block_info info;
    unsigned char *exact = take(length);
    memcpy(exact, bytes, length);
    const kakeya_status verified = kakeya_block_verify(f->codec, exact, length);
    const kakeya_status decoded = decode_into(f, exact, length);
    const kakeya_status whole = kakeya_block_verify(NULL, exact, length);
    const kakeya_status header = kakeya_block_read_info(exact, length, &info, sizeof info);
    CHECK(decoded != KAKEYA_OK || (verified == KAKEYA_OK && whole == KAKEYA_OK && header == KAKEYA_OK));
    free(exact);
    return decoded;
}

static void foreign_codecs(const fixture *f, const unsigned char *block, size_t length) {
    for (int change = 0; change < 4; change++) {
        fixture other;
        fixture_defaults(&other, KAKEYA_PRESET_TURBO, DIM);
        other.params.bits = change == 0 ? 3.0f : 4.0f;
        other.params.seed = change == 1 ? 1 : 0;
        other.params.distortion = change == 2 ? KAKEYA_DISTORTION_INNER_PRODUCT : KAKEYA_DISTORTION_MSE;
        other.segment.gain = change == 3 ? 2.0f : 1.0f;
        fixture_create(&other, ROWS);
        CHECK_STATUS(KAKEYA_ERR_WRONG_CODEC, decode_into(&other, block, length));
        CHECK_STATUS(KAKEYA_ERR_WRONG_CODEC, kakeya_block_verify(other.codec, block, length));
        fixture_close(&other);
    }
    CHECK_OK(kakeya_block_verify(NULL, block, length));
    CHECK_OK(kakeya_block_verify(f->codec, block, length));
    CHECK_OK(decode_into(f, block, length));
}

static void truncated(const fixture *f, const unsigned char *block, size_t length) {
    for (size_t shorter = 0; shorter < length; shorter += shorter < 256 ? 1 : 37) {
        CHECK_STATUS(KAKEYA_ERR_TRUNCATED, read_all(f, block, shorter));
    }
    CHECK_STATUS(KAKEYA_ERR_TRUNCATED, read_all(f, block, length - 1));
    /* Bytes after a block are somebody else's. */
    unsigned char *longer = take(length + 1);
    memcpy(longer, block, length);
    CHECK_OK(read_all(f, longer, length + 1));
    free(longer);
}

/* With a checksum no single flipped bit goes unseen; without one it may, and nothing worse happens. */
static void flipped(const fixture *f, const unsigned char *block, size_t length, int checksum) {
    unsigned char *damaged = take(length);
    for (size_t i = 0; i < length; i++) {
        for (unsigned bit = 0; bit < 8; bit += i < 128 ? 1 : 5) {
            memcpy(damaged, block, length);
            damaged[i] = (unsigned char)(damaged[i] ^ (1u << bit));
            const kakeya_status status = read_all(f, damaged, length);
            CHECK(!checksum || status != KAKEYA_OK);
            CHECK(status != KAKEYA_ERR_PANIC);
        }
    }
    free(damaged);
}

static void noise(const fixture *f, const unsigned char *block, size_t length) {
    uint32_t seed = 9;
    unsigned char *bytes = take(length);
    for (size_t round = 0; round < 500; round++) {
        /* An honest start of growing length, then noise. */
        const size_t honest = round % 64;
        memcpy(bytes, block, honest);
        for (size_t i = honest; i < length; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (unsigned char)(seed >> 24);
        }
        const kakeya_status status = read_all(f, bytes, length);
        CHECK(status != KAKEYA_OK && status != KAKEYA_ERR_PANIC);
    }
    free(bytes);
}

static void small_destinations(const fixture *f, const float *x, size_t length) {
    const kakeya_view view = view_of(x, DIM);
    const kakeya_rows rows = rows_of(&view, ROWS);
    for (size_t cap = 0; cap < length; cap += cap < 128 ? 1 : 61) {
        size_t written = 7;
        unsigned char *dst = take(cap);
        CHECK_STATUS(KAKEYA_ERR_DST_TOO_SMALL,
                     kakeya_encode(f->codec, f->workspace, &rows, dst, cap, &written));
        CHECK(written == 7);
        free(dst);
    }
}

static void not_finite(const fixture *f) {
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    float x[VALUES];
    unsigned char dst[16384];
    size_t written = 0;
    const kakeya_view view = view_of(x, DIM);
    const kakeya_rows rows = rows_of(&view, ROWS);
    for (size_t i = 0; i < 4; i++) {
        fill(x, VALUES, 10);
        x[(i * 401 + 7) % VALUES] = bad[i];
        CHECK_STATUS(KAKEYA_ERR_NOT_FINITE,
                     kakeya_encode(f->codec, f->workspace, &rows, dst, sizeof dst, &written));
    }
}

/* Where the caller wants it, such a row is stored as it is, as long as there is room for it. */
static void not_finite_raw(void) {
    fixture f;
    float x[VALUES];
    float y[VALUES];
    size_t length = 0;
    kakeya_block_info info;
    fill(x, VALUES, 11);
    x[5 * DIM + 3] = NAN;
    x[5 * DIM + 4] = INFINITY;
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    f.params.nan_policy = KAKEYA_NAN_POLICY_RAW;
    f.params.max_protected = 1;
    fixture_create(&f, ROWS);
    unsigned char *block = encode_rows(&f, x, ROWS, &length);
    const kakeya_view_mut view = view_mut_of(y, DIM);
    const kakeya_rows_mut rows = rows_mut_of(&view, ROWS);
    CHECK_OK(kakeya_decode(f.codec, f.workspace, block, length, &rows));
    CHECK(memcmp(x + 5 * DIM, y + 5 * DIM, DIM * sizeof *x) == 0);
    CHECK_OK(kakeya_block_read_info(block, length, &info, sizeof info));
    CHECK(info.n_protected == 1);
    x[6 * DIM] = NAN;
    const kakeya_view two = view_of(x, DIM);
    const kakeya_rows two_rows = rows_of(&two, ROWS);
    unsigned char dst[16384];
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM,
                 kakeya_encode(f.codec, f.workspace, &two_rows, dst, sizeof dst, &length));
    free(block);
    fixture_close(&f);
}

int main(void) {
    float x[VALUES];
    fill(x, VALUES, 8);
    for (uint32_t preset = KAKEYA_PRESET_TURBO; preset <= KAKEYA_PRESET_KAKEYA; preset++) {
        for (uint32_t checksum = 0; checksum < 2; checksum++) {
            fixture f;
            size_t length = 0;
            fixture_defaults(&f, preset, DIM);
            f.params.checksum = checksum;
            f.params.max_protected = 2;
            fixture_create(&f, ROWS);
            unsigned char *block = encode_rows(&f, x, ROWS, &length);
            truncated(&f, block, length);
            flipped(&f, block, length, checksum == 1);
            if (checksum == 1) {
                noise(&f, block, length);
                small_destinations(&f, x, length);
                not_finite(&f);
            }
            if (checksum == 1 && preset == KAKEYA_PRESET_TURBO) {
                foreign_codecs(&f, block, length);
            }
            free(block);
            fixture_close(&f);
        }
    }
    not_finite_raw();
    return check_report();
}
