/* Enumerations are integers: a value that the library does not know is an error, never undefined behaviour. */
#include <math.h>

#include "fixture.h"

static const uint32_t unknown[] = {99u, 0x7fffffffu, 0x80000000u, 0xffffffffu};

static kakeya_status create(const fixture *f) {
    kakeya_codec *codec = NULL;
    const kakeya_status status = kakeya_codec_create(&f->params, &f->layout, NULL, &codec);
    kakeya_codec_free(codec);
    return status;
}

static void unknown_values(uint32_t value) {
    fixture f;
    fixture_defaults(&f, value, DIM);
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    f.params.distortion = value;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    f.params.rate_control = value;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    f.params.nan_policy = value;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    f.params.checksum = value;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    f.params.cpu_tier = value;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    f.segment.rope = value;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    f.segment.raw_dtype = value;
    CHECK_STATUS(KAKEYA_ERR_BAD_DTYPE, create(&f));
}

static void unknown_dtypes(uint32_t value) {
    fixture f;
    float x[VALUES];
    float y[VALUES];
    size_t length = 0;
    size_t written = 0;
    unsigned char dst[16384];
    fill(x, VALUES, 5);
    fixture_open(&f, KAKEYA_PRESET_TURBO);
    unsigned char *block = encode_rows(&f, x, ROWS, &length);
    kakeya_view view = view_of(x, DIM);
    kakeya_view_mut view_mut = view_mut_of(y, DIM);
    const kakeya_rows rows = rows_of(&view, ROWS);
    const kakeya_rows_mut rows_mut = rows_mut_of(&view_mut, ROWS);
    view.dtype = value;
    view_mut.dtype = value;
    CHECK_STATUS(KAKEYA_ERR_BAD_DTYPE, kakeya_encode(f.codec, f.workspace, &rows, dst, sizeof dst, &written));
    CHECK_STATUS(KAKEYA_ERR_BAD_DTYPE, kakeya_decode(f.codec, f.workspace, block, length, &rows_mut));
    free(block);
    fixture_close(&f);
}

/* Exactly the tiers that the machine has can be asked for. */
static void cpu_tiers(void) {
    for (uint32_t tier = KAKEYA_CPU_TIER_SCALAR; tier <= KAKEYA_CPU_TIER_NEON; tier++) {
        fixture f;
        kakeya_codec *codec = NULL;
        fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
        f.params.cpu_tier = tier;
        const kakeya_status status = kakeya_codec_create(&f.params, &f.layout, NULL, &codec);
        CHECK(status == KAKEYA_OK || (status == KAKEYA_ERR_UNSUPPORTED && tier != KAKEYA_CPU_TIER_SCALAR));
        CHECK(status != KAKEYA_OK || kakeya_cpu_tier(codec) == tier);
        kakeya_codec_free(codec);
    }
    CHECK(strcmp(kakeya_cpu_tier_name(KAKEYA_CPU_TIER_SCALAR), "scalar") == 0);
    CHECK(strcmp(kakeya_cpu_tier_name(KAKEYA_CPU_TIER_BEST), "best") == 0);
    CHECK(strcmp(kakeya_cpu_tier_name(KAKEYA_CPU_TIER_AVX2), "avx2") == 0);
    CHECK(strcmp(kakeya_cpu_tier_name(KAKEYA_CPU_TIER_AVX512), "avx512") == 0);
    CHECK(strcmp(kakeya_cpu_tier_name(KAKEYA_CPU_TIER_NEON), "neon") == 0);
    CHECK(strcmp(kakeya_cpu_tier_name(0xffffffffu), "unknown") == 0);
}

static void numbers_out_of_range(void) {
    const float bits[] = {0.0f, -1.0f, 3.5f, 9.0f, NAN, INFINITY};
    const float gains[] = {0.0f, -1.0f, NAN, INFINITY};
    const float ratios[] = {0.0f, -0.5f, 1.5f, NAN};
    fixture f;
    fixture_defaults(&f, KAKEYA_PRESET_KAKEYA, DIM);
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        f.params.bits = bits[i];
        CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    }
    f.params.bits = 4.0f;
    for (size_t i = 0; i < sizeof gains / sizeof gains[0]; i++) {
        f.segment.gain = gains[i];
        CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    }
    f.segment.gain = 1.0f;
    for (size_t i = 0; i < sizeof ratios / sizeof ratios[0]; i++) {
        f.params.variance_ratio = ratios[i];
        CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    }
    f.params.variance_ratio = 0.99f;
    f.params.kmeans_k = 257;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    f.params.kmeans_k = 16;
    f.params.kmeans_iters = 0;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    f.params.kmeans_iters = 10;
    f.params.max_abs_error = -0.5f;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    f.params.max_abs_error = 0.5f;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    f.params.max_abs_error = 0.0f;
    f.params.reserved = 1;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f));
    f.params.reserved = 0;
    f.segment.dim = 0;
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, create(&f));
    f.segment.dim = 4097;
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, create(&f));
    f.segment.dim = DIM;
    f.layout.n_segments = 0;
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, create(&f));
    f.layout.n_segments = 1;
    CHECK_OK(create(&f));
}

int main(void) {
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        unknown_values(unknown[i]);
        unknown_dtypes(unknown[i]);
    }
    cpu_tiers();
    numbers_out_of_range();
    return check_report();
}
