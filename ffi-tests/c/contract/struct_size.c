/* Structs may be older or newer than the library: a smaller one is accepted, a larger one if the rest is zero,
 * and arrays step by the struct_size of their first element. */
#include "fixture.h"

/* What a later header might declare. */
typedef struct {
    kakeya_params now;
    uint64_t later[2];
} newer_params;

typedef struct {
    kakeya_segment now;
    uint64_t later;
} newer_segment;

typedef struct {
    kakeya_view now;
    uint64_t later;
} newer_view;

static kakeya_status create(const kakeya_params *params, const kakeya_layout *layout) {
    kakeya_codec *codec = NULL;
    const kakeya_status status = kakeya_codec_create(params, layout, NULL, &codec);
    kakeya_codec_free(codec);
    return status;
}

static void init_writes_only_its_size(void) {
    const size_t size = offsetof(kakeya_params, seed);
    kakeya_params params;
    kakeya_params untouched;
    memset(&params, 0xA5, sizeof params);
    memset(&untouched, 0xA5, sizeof untouched);
    CHECK_OK(kakeya_params_init(&params, size));
    CHECK(params.struct_size == size);
    CHECK(params.bits == 4.0f);
    CHECK(memcmp((char *)&params + size, (char *)&untouched + size, sizeof params - size) == 0);
}

static void init_fills_the_rest_with_zero(void) {
    newer_params params;
    memset(&params, 0xA5, sizeof params);
    CHECK_OK(kakeya_params_init(&params.now, sizeof params));
    CHECK(params.now.struct_size == sizeof params);
    CHECK(params.later[0] == 0 && params.later[1] == 0);
}

static void init_refuses_absurd_sizes(void) {
    kakeya_params params;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_params_init(&params, 0));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_params_init(&params, sizeof(size_t) - 1));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_params_init(&params, (size_t)-1));
}

static void params_and_layout(void) {
    fixture f;
    newer_params params;
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    CHECK_OK(create(&f.params, &f.layout));

    /* What lies beyond struct_size is not read. */
    f.params.struct_size = offsetof(kakeya_params, nan_policy);
    f.params.nan_policy = 77;
    f.params.cpu_tier = 77;
    CHECK_OK(create(&f.params, &f.layout));
    f.params.struct_size = sizeof f.params;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f.params, &f.layout));
    f.params.nan_policy = KAKEYA_NAN_POLICY_REJECT;
    f.params.cpu_tier = KAKEYA_CPU_TIER_BEST;
    f.params.struct_size = 0;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f.params, &f.layout));
    f.params.struct_size = sizeof f.params;
    f.layout.struct_size = 0;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f.params, &f.layout));
    f.layout.struct_size = sizeof f.layout;
    f.segment.struct_size = 0;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&f.params, &f.layout));
    f.segment.struct_size = sizeof f.segment;

    CHECK_OK(kakeya_params_init(&params.now, sizeof params));
    CHECK_OK(create(&params.now, &f.layout));
    params.later[1] = 1;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, create(&params.now, &f.layout));
}

/* Two segments and two views in the larger structs of a later header give the same block as today's structs. */
static void arrays_step_by_the_first(void) {
    fixture f;
    float x[VALUES];
    unsigned char plain[16384];
    unsigned char stepped[16384];
    size_t plain_length = 0;
    size_t stepped_length = 0;
    kakeya_segment segments[2];
    newer_segment newer_segments[2];
    kakeya_view views[2];
    newer_view newer_views[2];
    fill(x, VALUES, 3);
    fixture_defaults(&f, KAKEYA_PRESET_TURBO, DIM);
    for (size_t i = 0; i < 2; i++) {
        const size_t dim = i == 0 ? 24 : DIM - 24;
        CHECK_OK(kakeya_segment_init(&segments[i], sizeof segments[i]));
        segments[i].dim = dim;
        CHECK_OK(kakeya_segment_init(&newer_segments[i].now, sizeof newer_segments[i]));
        newer_segments[i].now.dim = dim;
        views[i] = view_of(x + 24 * i, DIM);
        CHECK_OK(kakeya_view_init(&newer_views[i].now, sizeof newer_views[i]));
        newer_views[i].now.data = x + 24 * i;
        newer_views[i].now.row_stride = DIM;
    }
    f.layout.n_segments = 2;
    f.layout.segments = segments;
    fixture_create(&f, ROWS);
    kakeya_rows rows = rows_of(views, ROWS);
    CHECK_OK(kakeya_encode(f.codec, f.workspace, &rows, plain, sizeof plain, &plain_length));
    rows.views = &newer_views[0].now;
    CHECK_OK(kakeya_encode(f.codec, f.workspace, &rows, stepped, sizeof stepped, &stepped_length));
    CHECK(plain_length == stepped_length && memcmp(plain, stepped, plain_length) == 0);
    newer_views[1].later = 1;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM,
                 kakeya_encode(f.codec, f.workspace, &rows, stepped, sizeof stepped, &stepped_length));
    fixture_close(&f);

    f.layout.segments = &newer_segments[0].now;
    fixture_create(&f, ROWS);
    rows.views = views;
    CHECK_OK(kakeya_encode(f.codec, f.workspace, &rows, stepped, sizeof stepped, &stepped_length));
    CHECK(plain_length == stepped_length && memcmp(plain, stepped, plain_length) == 0);
    fixture_close(&f);
}

/* A struct that comes out is filled up to the size that the caller has. */
static void outputs(void) {
    fixture f;
    float x[VALUES];
    size_t length = 0;
    kakeya_block_info info;
    kakeya_block_info untouched;
    const size_t size = offsetof(kakeya_block_info, bits);
    fill(x, VALUES, 4);
    fixture_open(&f, KAKEYA_PRESET_TURBO);
    unsigned char *block = encode_rows(&f, x, ROWS, &length);
    memset(&info, 0xA5, sizeof info);
    memset(&untouched, 0xA5, sizeof untouched);
    CHECK_OK(kakeya_block_read_info(block, length, &info, size));
    CHECK(info.n_rows == ROWS && info.dim == DIM);
    CHECK(memcmp((char *)&info + size, (char *)&untouched + size, sizeof info - size) == 0);
    memset(&info, 0xA5, sizeof info);
    CHECK_OK(kakeya_block_read_info(block, length, &info, 0));
    CHECK(memcmp(&info, &untouched, sizeof info) == 0);
    free(block);
    fixture_close(&f);
}

int main(void) {
    init_writes_only_its_size();
    init_fills_the_rest_with_zero();
    init_refuses_absurd_sizes();
    params_and_layout();
    arrays_step_by_the_first();
    outputs();
    return check_report();
}
